"""Compare runs image by image, and test whether their accuracies differ.

A run is a commit, branch, tag or experiment. Each run after the first is compared with the first;
without another one, the workspace, whose results must be those of its params and code. With
several, the levels of the tests are Holm's.
"""

import argparse
import functools
from collections.abc import Iterator, Sequence

import pandas as pd

from pawprint.cli.check import require_reproduced
from pawprint.cli.revisions import WORKSPACE, read_revision
from pawprint.core import result_paths
from pawprint.core.errors import InputError
from pawprint.core.params.evaluate import Evaluate
from pawprint.core.predictions import parse_predictions
from pawprint.evaluation.comparison import Comparison, compare

SPLITS = {"test": result_paths.PREDICTIONS, "validation": result_paths.VALIDATION_PREDICTIONS}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="*", default=[WORKSPACE], help="default: the workspace"
    )
    parser.add_argument(
        "--common", action="store_true", help="compare on the images that all runs have"
    )


def run(arguments: argparse.Namespace) -> None:
    confidence = Evaluate.load().confidence
    old, new = arguments.old, arguments.new
    common = arguments.common
    if WORKSPACE in (old, *new):
        require_reproduced("evaluate")
    compared = {split: compare_revisions(old, new, split, confidence, common) for split in SPLITS}
    for split, comparisons in compared.items():
        for rev, comparison in zip(new, comparisons):
            print(describe(old, rev, split, comparison))


def compare_revisions(
    old: str, new: Sequence[str], split: str, confidence: float, common: bool = False
) -> list[Comparison]:
    """Compare the predictions of revisions with those of one. Raises InputError as `paired`."""
    pairs = list(paired(old, new, split, common))
    return compare(
        (pairs[0]["predicted_old"] == pairs[0]["actual"]).to_numpy(),
        [(both["predicted"] == both["actual"]).to_numpy() for both in pairs],
        confidence,
    )


def paired(
    old: str, new: Sequence[str], split: str, common: bool = False
) -> Iterator[pd.DataFrame]:
    """For each of the new revisions, the images of a split of SPLITS, sorted by path.

    The columns are `path`, `actual`, `predicted_old` and `predicted`. A revision is a commit,
    branch, tag or experiment, or WORKSPACE. With `common`, the images are those that all have, with
    the same label, and a line says how many. Raises InputError if a revision has no predictions, or
    they are not of the same images with the same labels.
    """
    tables = {rev: predictions_of(rev, split) for rev in (old, *new)}
    if common:
        tables = _with_common_images(tables, split)
    for rev in new:
        both = tables[old].merge(
            tables[rev], on="path", how="outer", suffixes=("_old", ""), indicator=True
        )
        gone, added = ((both["_merge"] == side).sum() for side in ("left_only", "right_only"))
        in_both = both[both["_merge"] == "both"]
        relabelled = (in_both["actual_old"] != in_both["actual"]).sum()
        if gone or added or relabelled:
            raise InputError(
                f"{old} and {rev}: expected the same {split} images and labels. Received: {gone} "
                f"only in {old}, {added} only in {rev}, {relabelled} with another label. Such "
                "accuracies cannot be compared. --common compares on the images that both have; "
                "without it, commit this run, change one param, and compare with HEAD."
            )
        yield both[["path", "actual", "predicted_old", "predicted"]]


def _with_common_images(tables: dict[str, pd.DataFrame], split: str) -> dict[str, pd.DataFrame]:
    """The rows of each table PREDICTIONS, by revision, whose image and label are in all."""
    key = ["path", "actual"]
    common = functools.reduce(pd.merge, (table[key] for table in tables.values()))
    images = ", ".join(f"{len(table):,} of {rev}" for rev, table in tables.items())
    if common.empty:
        raise InputError(f"{split}: expected common images. Received: none, of {images}")
    print(f"{split}: {len(common):,} common images, of {images}")
    return {rev: table.merge(common) for rev, table in tables.items()}


def describe(old: str, new: str, split: str, compared: Comparison) -> str:
    """Three lines: what each run got right, the difference with its interval, and the verdict."""
    conclusion = {
        "not significant": f"not significant with {compared.images} images: the difference may be "
        "by chance",
        "better": f"{new} is better than {old}",
        "worse": f"{new} is worse than {old}",
    }[compared.verdict]
    if not compared.only_old + compared.only_new:
        conclusion = "both are correct on the same images"
    return (
        f"{split}: {compared.old_correct}/{compared.images} correct in {old}, "
        f"{compared.new_correct}/{compared.images} in {new}; {compared.only_old} only in {old}, "
        f"{compared.only_new} only in {new}\n"
        f"  difference {100 * compared.difference:+.2f} points, {100 * compared.confidence:.4g}% "
        f"interval {100 * compared.low:+.2f} to {100 * compared.high:+.2f}, McNemar p = "
        f"{compared.p_value:.3f}\n"
        f"  {conclusion}"
    )


def predictions_of(rev: str, split: str) -> pd.DataFrame:
    """The table PREDICTIONS of a revision or WORKSPACE. Raises InputError if it has none."""
    return read_revision(rev, SPLITS[split], _parse)


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_predictions(content)
    if predictions.empty:
        raise ValueError("expected a table with rows. Received: none")
    return predictions
