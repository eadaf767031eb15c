"""At the end of a run, report changes since the last commit, and whether the model is better."""

from pawprint.base import paths
from pawprint.base.columns import IMAGES, REJECTED, SPLIT
from pawprint.base.errors import InputError, hide_secrets, name_some
from pawprint.base.files import md5, parse_file
from pawprint.data.changes import Images, describe_changes, images_of
from pawprint.pipeline.params.changes import describe_param_changes
from pawprint.pipeline.recorded import LastCommit
from pawprint.scores.compared_runs import compare_runs
from pawprint.scores.stored_run import read_run

SAME = "the same photos, labels, splits, params and code"
OTHER_COMPUTER = (
    "The predictions differ nevertheless: what Keras trains, as in fine-tuning, differs between "
    "computers. A fitted head does not."
)
NOT_KNOWN = "changes in photos and labels are unknown: run `dvc pull` before a run"
NEXT = (
    "To keep this run, use `git add .` and `git commit`. To return to the last one, use `pawprint "
    "discard`, which keeps photos and labels."
)


def describe_since_commit(now: Images, params: dict) -> list[str]:
    """Return the changes since the last commit, and their effect, or [] if it contains no run.

    `params` does not contain secrets. The verdict is the same as in `pawprint compare HEAD`; there
    is none if DVC's cache lacks the commit's tables.
    """
    commit = LastCommit()
    if commit.hash_of("split", paths.SPLIT_CSV) is None:
        return []
    recorded = {key: hide_secrets(value) for key, value in commit.params("plot").items()}
    of_params = describe_param_changes(recorded, params) if recorded else []
    parts = [describe_images_since(commit, now), name_some(of_params), describe_code(commit)]
    found = ", ".join(filter(None, parts)) or SAME
    predicted = paths.PREDICTED_CLASSES_CSV["test"]
    before = commit.hash_of("evaluate", predicted)
    advice = [NEXT] if found != SAME else []
    if found == SAME and before and before != md5(predicted):
        advice = [OTHER_COMPUTER]
    return [f"Since the last commit: {found}", *compare_with_commit(commit), *advice]


def describe_images_since(commit: LastCommit, now: Images) -> str:
    """Return how the images have changed since a commit, NOT_KNOWN, or "" if they have not."""
    outs = [
        ("split", paths.SPLIT_CSV, SPLIT),
        ("clean", paths.UNKNOWN_CSV, IMAGES),
        ("clean", paths.REJECTED_CSV, REJECTED),
    ]
    if all(commit.hash_of(stage, path) == md5(path) for stage, path, _ in outs):
        return ""
    tables = [commit.table(*out) for out in outs]
    if any(table is None for table in tables):
        return NOT_KNOWN
    return describe_changes(images_of(*tables), now)


def describe_code(commit: LastCommit) -> str:
    """Return "other code or packages (of clean, split)" for stages whose code changed, or "".

    `plot` is left out, because it does not change predictions.
    """
    files = {name: paths.CODE / f"{name}.txt" for name in commit.stages if name != "plot"}
    changed = [
        name
        for name, path in files.items()
        if path.is_file() and commit.hash_of(name, path, "deps") not in (None, md5(path))
    ]
    return f"other code or packages (of {name_some(changed)})" if changed else ""


def compare_with_commit(commit: LastCommit) -> list[str]:
    """Return the `pawprint compare HEAD` verdict, with the scores of test images, or []."""
    try:
        old = read_run(commit.read, "the last commit")
        if old.missing or commit.stage_left_behind():
            return []
        (compared,) = compare_runs(old, [read_run(parse_file, "this run")])
    except InputError:  # the runs have no images in common, or no predictions
        return []
    verdict, *others = compared.sentences
    return [f"{verdict[0].upper()}{verdict[1:]}", *others, *filter(None, [compared.left_out])]
