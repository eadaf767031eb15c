"""At the end of a run, report changes since the last commit, and whether the model is better."""

from pawprint import paths
from pawprint.columns import IMAGES, REJECTED, SPLIT
from pawprint.dataset import changes
from pawprint.errors import InputError, hide_secrets, name_some
from pawprint.files import md5, parse_file
from pawprint.params.changes import describe_param_changes
from pawprint.pipeline.recorded import LastCommit, Recorded
from pawprint.scores.compared_runs import compare_runs
from pawprint.scores.stored_run import read_run
from pawprint.yaml_file import value_at

SAME = "the same photos, labels, splits, params and code"
SAME_SETTINGS = "the same params and code"
NEXT = (
    "To keep this run, use `git add .` and `git commit`. To return to the last one, use `pawprint "
    "discard`, which keeps photos and labels."
)


def describe_since_commit(now: changes.Images, params: dict) -> list[str]:
    """Return the changes since the last commit, and their effect, or [] if it contains no run.

    `params` does not contain secrets. The verdict is the same as in `pawprint compare HEAD`; there
    is none if DVC's cache lacks the commit's tables.
    """
    commit = LastCommit()
    if commit.hash_of("split", paths.SPLIT_CSV) is None:
        return []
    images = describe_images_since(commit, now)
    parts = [describe_code(commit)]
    if recorded := commit.params("plot"):  # all params
        before = {name: hide_secrets(section) for name, section in recorded.items()}
        parts.insert(0, name_some(describe_param_changes(before, params)))
    further = ", ".join(filter(None, parts))
    if images == changes.NOT_KNOWN:
        found = f"{further or SAME_SETTINGS}; changes in photos and labels are {changes.NOT_KNOWN}"
    else:
        found = ", ".join(filter(None, [images, further])) or SAME
    lines = [f"Since the last commit: {found}", *compare_with_commit(commit)]
    if changed := params_changed_during(params):
        lines[:1] = [
            f"params.yaml changed during this run: {name_some(changed)}. This happens after `git "
            "switch`, for example. The results are from both versions: run `dvc repro` again."
        ]
    return lines if found == SAME else [*lines, NEXT]


def describe_images_since(commit: LastCommit, now: changes.Images) -> str:
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
        return changes.NOT_KNOWN
    return changes.describe_changes(changes.find_changes(changes.images_of(*tables), now))


def params_changed_during(params: dict) -> list[str]:
    """Return how `params` differ from the values that a stage before `plot` has used in this run.

    Each stage is compared alone, because two stages may have used different values of a param.
    """
    run, changed = Recorded(), []
    for stage in sorted({path.stem for path in paths.CODE.glob("*.txt")} - {"plot"}):
        used = {key: hide_secrets(value) for key, value in run.params(stage).items()}
        now = {key: value_at(params, *key.split(".")) for key in used}
        changed += describe_param_changes(used, now)
    return list(dict.fromkeys(changed))


def describe_code(commit: LastCommit) -> str:
    """Return "other code or packages (of clean, split)" for stages whose code changed, or "".

    `plot` is left out, because it does not change predictions, and so are stages that the commit
    or the last run lacks.
    """
    files = {name: paths.CODE / f"{name}.txt" for name in commit.stages if name != "plot"}
    changed = [
        name
        for name, path in files.items()
        if path.is_file() and commit.hash_of(name, path, "deps") not in (None, md5(path))
    ]
    return f"other code or packages (of {name_some(changed)})" if changed else ""


def compare_with_commit(commit: LastCommit) -> list[str]:
    """Return the `pawprint compare HEAD` verdict and the changes for a user, or []."""
    try:
        old = read_run(commit.read, "the last commit")
        if old.missing:
            return []
        (compared,) = compare_runs(old, [read_run(parse_file, "this run")])
    except InputError:  # the runs have no images in common, or no predictions
        return []
    verdict, *answers = compared.sentences
    on_test = (compared.on_common_test, compared.left_out.get("test"))
    return [f"{verdict[0].upper()}{verdict[1:]}", *answers, *filter(None, on_test)]
