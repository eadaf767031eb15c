"""Compare the predictions of two runs image by image."""

import functools
import json
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.classes import log_losses
from pawprint.columns import JUDGED, PREDICTED_CLASSES, SPLIT
from pawprint.errors import InputError
from pawprint.pipeline.revisions import read_revision
from pawprint.scores.paired import Comparison, Pair, compare, losses_in
from pawprint.scores.shift import independent
from pawprint.tables import parse_predictions, parse_table, with_image

TRAINING = "cross-validated training images"
ALONE = pd.Series(dtype=str)  # the groups of images: none


def compare_held_out(
    old: str, new: Sequence[str], splits: Sequence[str], confidence: float, common: bool = False
) -> dict[str, list[Comparison]]:
    """Compare revisions with one on splits by what Git has of them: without log losses and groups.

    All tests together have the level. Raises InputError as `paired`.
    """
    tables = {split: _predicted((old, *new), split, common) for split in splits}
    return _compare_tables(old, new, tables, confidence)


def compare_all(
    old: str, new: Sequence[str], confidence: float, common: bool = False
) -> dict[str, list[Comparison]]:
    """As `compare_held_out` of validation and test, with log losses, and on TRAINING images.

    These are judged by the cross-validated head, which did not learn from them: those that all
    revisions have, with the same label. If a revision has no data, neither in DVC's cache nor in a
    remote, a line says so, and the result is that of `compare_held_out`.
    """
    revs = old, *new
    tables = {split: _predicted(revs, split, common) for split in project.PREDICTED_CSV}
    losses = {}
    try:
        for split, path in project.PREDICTIONS_CSV.items():
            losses[split] = {rev: read_revision(rev, path, _parse_losses) for rev in revs}
        judged = {rev: read_revision(rev, project.CROSS_VALIDATION_CSV, _judged) for rev in revs}
        groups = read_revision(old, project.SPLIT_CSV, _groups)
        judged = _with_common_images(judged, TRAINING)
    except InputError as error:
        compared = _compare_tables(old, new, tables, confidence)
        print(f"log losses and {TRAINING} are not compared: {error}")
        return compared
    for split, of_revs in losses.items():
        tables[split] = {rev: table.merge(of_revs[rev]) for rev, table in tables[split].items()}
    return _compare_tables(old, new, tables | {TRAINING: judged}, confidence, groups)


def _compare_tables(
    old: str,
    new: Sequence[str],
    tables: dict[str, dict[str, pd.DataFrame]],
    confidence: float,
    groups: pd.Series = ALONE,
) -> dict[str, list[Comparison]]:
    """`tables` are PREDICTED_CLASSES, perhaps with `loss`, by split and revision; `groups` of some
    images are by `image`.
    """
    pairs = [
        _pair(both, groups) for name in tables for both in _merged(old, new, name, tables[name])
    ]
    compared = iter(compare(pairs, confidence))
    return {name: [_of_head(next(compared), old, rev) for rev in new] for name in tables}


def _pair(both: pd.DataFrame, groups: pd.Series) -> Pair:
    actual = both["actual"].to_numpy()
    losses = (both["loss_old"].to_numpy(), both["loss"].to_numpy()) if "loss" in both else None
    group = both["image"].map(groups).astype("str").fillna(both["image"]).to_numpy()
    right = ((both[name] == both["actual"]).to_numpy() for name in ("predicted_old", "predicted"))
    return Pair(actual, *right, group, losses)


def _of_head(compared: Comparison, old: str, new: str) -> Comparison:
    is_same = not compared.only_old + compared.only_new
    losses = {_loss_of_kept_head(rev) for rev in (old, new)} if is_same else {None}
    return compared._replace(of_head=None not in losses and len(losses) == 1)


def _loss_of_kept_head(rev: str) -> float | None:
    """The validation loss of the head, if fine-tuning was tried and kept the head alone."""
    try:
        metrics = read_revision(rev, project.FINETUNE_METRICS, json.loads)
    except InputError:  # of a run of an older version
        return None
    return metrics.get("initial_loss") if metrics["kept_epoch"] == 0 else None


def paired(
    old: str, new: Sequence[str], split: str, common: bool = False
) -> Iterator[pd.DataFrame]:
    """For each of the new revisions, the images of a split of PREDICTED_CSV, in the same order.

    The columns are `image`, by which they are paired, `actual`, `predicted_old` and `predicted`. A
    revision is a commit, branch, tag or experiment, or WORKSPACE. With `common`, the images are
    those that all have, with the same label, and a line says how many. Raises InputError if a
    revision has no predictions, or they are not of the same images with the same labels.
    """
    return _merged(old, new, split, _predicted((old, *new), split, common))


def _predicted(revs: Sequence[str], split: str, common: bool) -> dict[str, pd.DataFrame]:
    """The tables PREDICTED_CLASSES of a split, by revision."""
    tables = {rev: read_revision(rev, project.PREDICTED_CSV[split], _parse) for rev in revs}
    return _with_common_images(tables, split) if common else tables


def _merged(
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
                "accuracies cannot be compared. Add --common, to compare on the images that both "
                "have."
            )
        yield both


def _with_common_images(tables: dict[str, pd.DataFrame], split: str) -> dict[str, pd.DataFrame]:
    """The rows of each table PREDICTED_CLASSES, by revision, whose image and label are in all."""
    key = ["image", "actual"]
    common = functools.reduce(pd.merge, (table[key] for table in tables.values()))
    images = ", ".join(f"{len(table):,} of {rev}" for rev, table in tables.items())
    if common.empty:
        raise InputError(f"{split}: expected common images. Received: none, of {images}")
    if any(len(table) > len(common) for table in tables.values()):
        print(f"{split}: {len(common):,} common images, of {images}")
    return {rev: table.merge(common) for rev, table in tables.items()}


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_table(content, PREDICTED_CLASSES)
    if predictions.empty:
        raise ValueError("expected a table with rows. Received: none")
    return predictions


def _parse_losses(content: bytes) -> pd.DataFrame:
    table = with_image(parse_predictions(content))
    return table.assign(loss=losses_in(table))[["image", "loss"]]


def _judged(content: bytes) -> pd.DataFrame:
    """A table PREDICTED_CLASSES of training images, with `loss`."""
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
