"""The command `compare`: the predictions of two runs, image by image."""

import argparse
import functools
import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.classes import log_losses
from pawprint.commands.check import require_reproduced
from pawprint.errors import InputError
from pawprint.files import parse_mapping
from pawprint.model.calibration import describe_found
from pawprint.params.model import Evaluate
from pawprint.pipeline.dvc import WORKSPACE, read_revision
from pawprint.project import JUDGED, PREDICTED_CLASSES, SPLIT
from pawprint.scores.paired import LOG_LOSS, Comparison, Pair, compare, describe_comparison
from pawprint.scores.shift import independent
from pawprint.tables import parse_table, with_image

TRAINING = "training, in folds"
LOSS = "loss"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    others = "runs to compare with the first; default: the workspace"
    parser.add_argument("new", metavar="REV", nargs="*", default=[WORKSPACE], help=others)
    common = "only the images that all runs have"
    parser.add_argument("--common", action="store_true", help=common)
    gate = "exit status 1 if a run is worse than the first, or they cannot be compared"
    parser.add_argument("--gate", action="store_true", help=gate)


def run(arguments: argparse.Namespace) -> int:
    """Say whether a run is better than another, by one test of all images that both have.

    A run is a commit, branch, tag or experiment. Each run after the first is compared with the
    first; without another one, the workspace, whose results its params and code must have made.
    The test is of the log loss of test and validation images and, without fine-tuning, of training
    images in folds, which a commit's data is needed for. The table has each set of images.
    Validation chose the temperature and the epoch that is kept. An image is known by its pixels,
    not by its path.

    Examples:
      pawprint compare HEAD
      pawprint compare --common --gate main
    """
    old = arguments.old
    new = arguments.new
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    compared, note = compare_runs(old, new, Evaluate.load().confidence, arguments.common)
    for rev, comparison in zip(new, compared):
        print(describe_comparison(old, rev, comparison))
    if note:
        print(note)
    is_worse = any(comparison.test.verdict == "worse" for comparison in compared)
    return int(arguments.gate and is_worse)


def compare_runs(
    old: str, new: Sequence[str], confidence: float, common: bool = False
) -> tuple[list[Comparison], str]:
    """Compare revisions with one, on validation and test, and perhaps on TRAINING images.

    These are judged by the cross-validated head, so they count where it is the head of all
    revisions, without fine-tuning: those that all have, with the same label. Training images, and
    groups, are data: if a revision has none, neither in DVC's cache nor in a remote, the text that
    is also returned says so, and each image is a group. Classes that a run names in `calibrate`
    have their counts. Raises InputError as `pair_runs`.
    """
    revs = old, *new
    sets = {split: list(pair_runs(old, new, split, common)) for split in ("test", "validation")}
    groups = pd.Series(dtype=str)
    note = ""
    try:
        groups = read_revision(old, project.SPLIT_CSV, _groups)
        if all(map(_has_solved_head, revs)):
            path = project.CROSS_VALIDATION_CSV
            judged = {rev: read_revision(rev, path, _parse_judged) for rev in revs}
            common_images = _with_common_images(judged, TRAINING)
            sets[TRAINING] = list(_merge_runs(old, new, TRAINING, common_images))
    except InputError as error:
        note = f"Training images are not compared, and groups are not known: {error}"
    of_runs = [dict(zip(sets, of_run)) for of_run in zip(*sets.values())]
    runs = [{name: _pair(both, groups) for name, both in of_run.items()} for of_run in of_runs]
    compared = compare(runs, confidence, LOG_LOSS)
    named = [name for rev in revs for name in read_revision(rev, project.PARAMS, _named_classes)]
    for comparison, of_run in zip(compared, of_runs):
        for name in dict.fromkeys(named):
            comparison.sets[f"class {name}"] = [
                "" if images == TRAINING else _counts(both, name)  # those have no threshold
                for images, both in of_run.items()
            ]
    return compared, note


def _named_classes(params: bytes) -> list[str]:
    """Return the classes for which `calibrate` has a threshold or a recall."""
    section = parse_mapping(params.decode(), str(project.PARAMS)).get("calibrate") or {}
    values = (section.get(key) for key in ("threshold", "recall"))
    return [name for by_class in values if isinstance(by_class, dict) for name in by_class]


def _counts(both: pd.DataFrame, name: str) -> str:
    actual = both["actual"].to_numpy()
    return describe_found(
        actual, both["predicted"].to_numpy(), both["predicted_old"].to_numpy(), name
    )


def _has_solved_head(rev: str) -> bool:
    """Return whether the network is the head of feature extraction, without fine-tuning."""
    return read_revision(rev, project.FINETUNE_METRICS, json.loads)["kept_epoch"] == 0


def _pair(both: pd.DataFrame, groups: pd.Series) -> Pair:
    group = both["image"].map(groups).astype("str").fillna(both["image"]).to_numpy()
    return Pair(
        both["actual"].to_numpy(),
        (both["predicted_old"] == both["actual"]).to_numpy(),
        (both["predicted"] == both["actual"]).to_numpy(),
        group,
        (both["loss_old"].to_numpy(), both[LOSS].to_numpy()),
    )


def pair_runs(
    old: str, new: Sequence[str], split: str, common: bool = False
) -> Iterator[pd.DataFrame]:
    """Yield the images of a split of PREDICTED_CSV for each of the new revisions, in one order.

    The columns are `image`, by which they are paired, `actual`, and `predicted` and `loss`, for the
    old one with `_old`. A revision is a commit, branch, tag or experiment, or WORKSPACE. With
    `common`, the images are those that all have, with the same label, and a line says how many.
    Raises InputError if a revision has no predictions, or they are not of the same images with the
    same labels.
    """
    tables = {rev: read_revision(rev, project.PREDICTED_CSV[split], _parse) for rev in (old, *new)}
    return _merge_runs(old, new, split, _with_common_images(tables, split) if common else tables)


def _merge_runs(
    old: str, new: Sequence[str], split: str, tables: dict[str, pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    for rev in new:
        both = tables[old].merge(
            tables[rev], on="image", how="outer", suffixes=("_old", ""), indicator=True
        )
        gone, added = ((both["_merge"] == side).sum() for side in ("left_only", "right_only"))
        in_both = both[both["_merge"] == "both"]
        relabelled = (in_both["actual_old"] != in_both["actual"]).sum()
        if gone or added or relabelled:
            raise InputError(
                f"{old} and {rev}: expected the same {split} images and labels. Received: {gone} "
                f"only in {old}, {added} only in {rev}, {relabelled} with another label. Such "
                "scores cannot be compared. Add --common, to compare on the images that both have."
            )
        yield both


def _with_common_images(tables: dict[str, pd.DataFrame], split: str) -> dict[str, pd.DataFrame]:
    """Return by revision the rows of a table PREDICTED_CLASSES whose image and label all have."""
    key = ["image", "actual"]
    common = functools.reduce(pd.merge, (table[key] for table in tables.values()))
    images = ", ".join(f"{len(table):,} of {rev}" for rev, table in tables.items())
    if common.empty:
        raise InputError(f"{split}: expected common images. Received: none, of {images}")
    if any(len(table) > len(common) for table in tables.values()):
        print(f"{split}: {len(common):,} common images, of {images}", file=sys.stderr)
    return {rev: table.merge(common) for rev, table in tables.items()}


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_table(content, PREDICTED_CLASSES)
    if predictions.empty:
        raise ValueError("expected a table with rows. Received: none")
    return predictions


def _parse_judged(content: bytes) -> pd.DataFrame:
    """Return the table PREDICTED_CLASSES of training images, of a table JUDGED."""
    table = with_image(parse_table(content, JUDGED))
    is_right = table["probability"] > table["likely_probability"]
    return pd.DataFrame(
        {
            "image": table["image"],
            "actual": table["label"],
            "predicted": table["label"].where(is_right, table["likely"]),
            "loss": log_losses(np.zeros(len(table), int), table[["probability"]].to_numpy()),
        }
    )


def _groups(content: bytes) -> pd.Series:
    split = with_image(parse_table(content, SPLIT))
    return pd.Series(independent(split).array, split["image"])
