"""At the end of a run, report changes since the last commit, and whether the model is better."""

from typing import NamedTuple

import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import REJECTED, SPLIT, UNKNOWN_IMAGES
from pawprint.base.errors import InputError, counted, hide_secrets, name_some
from pawprint.base.files import md5, parse_file
from pawprint.pipeline.params.section import describe_param_changes
from pawprint.pipeline.recorded import LastCommit
from pawprint.scores.compared_runs import compare_runs, read_run

COMPARED = ["path", "label", "split", "pixels_sha256"]


class Images(NamedTuple):
    """A run's images, with the columns COMPARED, and its REJECTED table."""

    usable: pd.DataFrame
    rejected: pd.DataFrame


def images_of(split: pd.DataFrame, unknown: pd.DataFrame, rejected: pd.DataFrame) -> Images:
    """Return a run's images from its tables SPLIT, UNKNOWN_IMAGES and REJECTED.

    Unknown images count as usable, and their split is "".
    """
    usable = pd.concat([split, unknown.assign(split="")], ignore_index=True)
    return Images(usable[COMPARED], rejected)


def describe_changes(before: Images, after: Images) -> str:
    """Return text such as "1 label corrected (glass to metal), 2 photos added (glass 1, metal 1)".

    If nothing changed, the text is "". Images with the same pixels count as one image, which the
    tables list once. Renaming a file is therefore not a change, and giving a file new pixels
    removes one image and adds another. An image can be both relabelled and moved. A file only
    counts as rejected if it was not rejected before, with the label of the image that is lost.
    """
    both = before.usable.merge(
        after.usable, "outer", "pixels_sha256", suffixes=("_old", ""), indicator="side"
    )
    gone, added, kept = (both[both["side"] == side] for side in ("left_only", "right_only", "both"))
    rejected = after.rejected["path"][~after.rejected["path"].isin(before.rejected["path"])]
    label_of = dict(zip(gone["path_old"], gone["label_old"]))
    lost = pd.Series([label_of.get(path, "not counted before") for path in rejected], dtype=object)
    moved = kept[(kept[["split_old", "split"]] != "").all(axis=1)]
    parts = (
        _count("label", "corrected", _arrows(kept["label_old"], kept["label"])),
        _count("photo", "added", added["label"]),
        _count("photo", "removed", gone["label_old"][~gone["path_old"].isin(rejected)]),
        _count("file", "rejected", lost),
        _count("photo", "moved", _arrows(moved["split_old"], moved["split"])),
    )
    return ", ".join(filter(None, parts))


def _arrows(old: pd.Series, new: pd.Series) -> pd.Series:
    """Return "old to new" for each pair that differs."""
    return (old + " to " + new)[old != new]


def _count(noun: str, verb: str, names: pd.Series) -> str:
    """Return text such as "20 photos added (glass 10, plastic 10)", or "" without names.

    The largest number comes first; a single name has none.
    """
    if names.empty:
        return ""
    counts = names.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    texts = [f"{name} {number:,}" for name, number in counts.items()]
    named = name_some(texts if len(texts) > 1 else counts.index)
    return f"{counted(len(names), noun)} {verb} ({named})"


SAME = "the same photos, labels, splits, params and code"
OTHER_COMPUTER = (
    "The predictions differ nevertheless: what Keras trains, as in fine-tuning, differs between "
    "computers. A fitted head does not."
)
NOT_KNOWN = "changes in photos and labels are unknown"
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
    recorded = {key: hide_secrets(value) for key, value in commit.all_params().items()}
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
    """Return how the images have changed since a commit, NOT_KNOWN, or "" if they have not.

    Another version may have recorded other tables, and the cache may lack them.
    """
    outs = [
        ("split", paths.SPLIT_CSV, SPLIT),
        ("split", paths.UNKNOWN_CSV, UNKNOWN_IMAGES),
        ("split", paths.REJECTED_CSV, REJECTED),
    ]
    hashes = [commit.hash_of(stage, path) for stage, path, _ in outs]
    if hashes == [md5(path) for _, path, _ in outs]:
        return ""
    tables = [commit.table(*out) for out in outs]
    if any(table is None for table in tables):
        is_lacking = any(commit.content(each) is None for each in hashes if each)
        return f"{NOT_KNOWN}: run `dvc pull` before a run" if is_lacking else NOT_KNOWN
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
        new = read_run(parse_file, "this run")
    except InputError:  # a run has no predictions
        return []
    try:
        (compared,) = compare_runs(old, [new])
        lines = [*compared.sentences, *filter(None, [compared.left_out])]
    except InputError as error:  # the runs have no images in common, or too few classes
        lines = [str(error)]
    return [line[0].upper() + line[1:] for line in lines]
