"""A model on labelled photos that are not those of the last run, beside its test split."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import project
from pawprint.classes import log_losses, predicted_classes
from pawprint.columns import IMAGES, SPLIT, UNKNOWN_SCORE
from pawprint.dataset import layouts
from pawprint.dataset.cleaning import perceptual_hash, without_duplicates
from pawprint.errors import InputError, printable
from pawprint.files import md5
from pawprint.model.metadata import METADATA_FILE, Metadata, read_metadata
from pawprint.model.predictor import Prediction, Predictor, predict, take_images
from pawprint.params.data import Clean
from pawprint.params.results import Evaluate
from pawprint.pipeline.recorded import Recorded
from pawprint.scores.intervals import (
    fisher,
    holm,
    independent_counts,
    mean_by_group,
    randomization,
    stratified_fisher,
)
from pawprint.scores.metrics import measure, measure_unknown
from pawprint.tables import (
    predicted_labels,
    probabilities_in,
    read_predictions,
    read_table,
    tabulate,
)
from pawprint.tools.suggestion import compare_hashes

CONFIDENCE = 0.95  # of intervals where there is no params.yaml
ALPHA = 0.05  # probability of any false difference of TESTED, at most
NO_CLASS, COPY, NEAR = "in no folder of a class", "copies", "near-duplicates of training images"
CONTRADICTORY = "copies in several classes"
TESTED = ("accuracy", "mean_recall", "loss", "refused", "recall")


class Scored(NamedTuple):
    """What `score` finds.

    `scores` has the columns of SCORES after `split`, those of the test split as `test`, `test_low`
    and `test_high`, `p_value`, and `different`: yes, no, or "" where the difference is not tested.
    `predictions` is a table PREDICTIONS with a column `group`, of `groups` groups. `left_out` are
    numbers of images by reason, `failed` the rows of `predict` with an error, and `has_test`
    whether there are figures of the test split.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    groups: int
    left_out: dict[str, int]
    failed: list[dict]
    has_test: bool


def confidence_of_intervals() -> float:
    return Evaluate.load().confidence if project.PARAMS.exists() else CONFIDENCE


def score(predictor: Predictor, folder: Path) -> Scored:
    """Score the photos of a folder, in folders of classes or with metadata.csv, as `evaluate` does.

    Photos in a folder called unknown are of no class. Of photos with the same pixels one counts, or
    none if their labels differ, as in `clean`. Photos of a group in metadata.csv count as one in
    intervals and tests. Near-duplicates of training images are left out, unless they are of the
    test split of the last run. Raises InputError if no photo has a class.
    """
    metadata, confidence = predictor.metadata, confidence_of_intervals()
    labels = metadata.labels
    label_of, group_of = _labels_in(folder, labels)
    names = [name for name, label in label_of.items() if label]
    rows = predict(predictor, [folder / name for name in names], _measured)
    failed = [row for row in rows if row["error"]]
    images = pd.DataFrame(
        [row | {"path": name} for name, row in zip(names, rows) if not row["error"]],
        columns=["path", "prediction", "pixels_sha256", "hash"],
    )
    images = images.assign(label=images["path"].map(label_of), archive_split="")
    images, copies = without_duplicates(images)
    is_near = _near_training(images)
    left_out = {
        NO_CLASS: len(label_of) - len(names),
        COPY: (copies["reason"] == "duplicate").sum(),
        CONTRADICTORY: (copies["reason"] == "contradictory").sum(),
        NEAR: is_near.sum(),
    }
    images = images[~is_near].reset_index(drop=True)
    if not images["label"].isin(labels).any():
        listed = ", ".join(f"{number:,} {why}" for why, number in left_out.items() if number)
        raise InputError(
            f"{printable(str(folder))}: expected photos of {', '.join(labels)} to score. "
            f"Received: none, after {listed or 'no photo'} and {len(failed):,} unusable files."
        )
    probabilities = np.array([each.probabilities for each in images["prediction"]])
    unknown_scores = None
    if metadata.unknown_threshold is not None:
        unknown_scores = np.array([each.unknown_score for each in images["prediction"]])
    classes = predicted_classes(probabilities, metadata.threshold)
    table = tabulate(images, probabilities, classes, labels, unknown_scores)
    groups = table["path"].map(lambda path: group_of.get(path) or f"/{path}")
    table["group"], _ = pd.factorize(groups)
    is_of_class = images["label"].isin(labels).to_numpy()
    predictions, test = table[is_of_class].reset_index(drop=True), test_predictions(metadata)
    scores = [_measure(predictions, metadata, confidence)]
    if unknown_scores is not None and not is_of_class.all():
        pair = unknown_scores[~is_of_class], unknown_scores[is_of_class]
        of_both = pd.concat([table["group"][~is_of_class], predictions["group"]]).to_numpy()
        limit = metadata.unknown_threshold
        scores.append(measure_unknown(*pair, limit, confidence, of_both))
    scores = _beside(pd.concat(scores, ignore_index=True), predictions, test, metadata)
    groups = predictions["group"].nunique()
    return Scored(scores, predictions, groups, left_out, failed, test is not None)


def test_predictions(metadata: Metadata) -> pd.DataFrame | None:
    """The table PREDICTIONS of the test split by the served model, or None if there is none.

    None also if `metadata` have another identity than the served model, or if the table or the
    served model is another than dvc.lock has.
    """
    table, described = project.TEST_PREDICTIONS_CSV, project.SERVED_MODEL / METADATA_FILE
    if not table.exists() or not described.exists():
        return None
    recorded = Recorded()
    known = recorded.hash_of("evaluate", table), recorded.hash_of("evaluate", described, "deps")
    if any(known) and known != (md5(table), md5(described)):
        return None
    if read_metadata(project.SERVED_MODEL).model != metadata.model:
        return None
    predictions = read_predictions(table)
    return predictions if predicted_labels(predictions) == metadata.labels else None


def _labels_in(folder: Path, labels: list[str]) -> tuple[dict[str, str | None], dict[str, str]]:
    """The label, UNKNOWN or None of each image below the folder, sorted by its path there; and the
    groups of metadata.csv.
    """
    names = sorted(
        each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()
    )
    rows = layouts.parse_metadata(str(folder), names, lambda name: (folder / name).read_bytes())
    groups = {name: row.group for name, row in (rows or {}).items()}
    named = Clean.load().labels if project.PARAMS.exists() else "auto"
    folder_of = {
        each.lower(): label
        for label in labels
        for each in (label, *(named.get(label, ()) if named != "auto" else ()))
    }
    folders = layouts.folders_of(rows)
    images = take_images(
        folder, [name for name in names if not layouts.is_metadata(name)], rows or ()
    )
    found = {name: layouts.label_and_split(folders(name), folder_of)[0] for name in images}
    if not any(found.values()):
        raise InputError(
            f"{printable(str(folder))}: expected images in folders called {', '.join(labels)}, or "
            f"a metadata.csv with these labels. Received: {len(found):,} images in none of them."
        )
    return found, groups


def _measured(image: Image.Image, predicted: Prediction) -> dict:
    return {
        "prediction": predicted._replace(features=None),
        "hash": perceptual_hash(image),
    }


def _near_training(images: pd.DataFrame) -> pd.Series:
    """Whether each image looks like one of training, and is not of the test split, bool."""
    if not (project.IMAGES_CSV.exists() and project.SPLIT_CSV.exists()) or images.empty:
        return pd.Series(False, images.index)
    split = read_table(project.SPLIT_CSV, SPLIT)
    hash_of = read_table(project.IMAGES_CSV, IMAGES).set_index("path")["perceptual_hash"]
    known = split.loc[split["split"] == "train", "path"].map(hash_of).dropna()
    new = images["hash"].drop_duplicates()
    is_near, _ = compare_hashes(known, new)
    is_test = images["pixels_sha256"].isin(split.loc[split["split"] == "test", "pixels_sha256"])
    return images["hash"].isin(new[is_near]) & ~is_test


def _measure(table: pd.DataFrame, metadata: Metadata, confidence: float) -> pd.DataFrame:
    """As `measure`, of a table PREDICTIONS with a column `group`."""
    actual, predicted = (_indices(table, column) for column in ("actual", "predicted"))
    is_unknown = None
    if UNKNOWN_SCORE in table:
        is_unknown = table[UNKNOWN_SCORE].to_numpy() > metadata.unknown_threshold
    given = actual, probabilities_in(table), predicted
    return measure(*given, metadata.labels, confidence, is_unknown, table["group"].to_numpy())


def _beside(
    scores: pd.DataFrame, table: pd.DataFrame, test: pd.DataFrame | None, metadata: Metadata
) -> pd.DataFrame:
    """The columns of Scored.scores: those of `scores`, beside those of the table of the test split.

    The differences of TESTED are tested, with Holm's levels for all of them together.
    """
    columns = {"value": "test", "low": "test_low", "high": "test_high"}
    if test is None:
        return scores.assign(**dict.fromkeys((*columns.values(), "p_value"), np.nan), different="")
    test = test.assign(group=range(len(test)))
    of_test = _measure(test, metadata, confidence_of_intervals())
    common = test[test["actual"].isin(table["actual"])]
    if len(common) < len(test) and len(common):  # means over the classes that both have
        is_mean = of_test["score"].isin(["mean_recall", "macro_f1"])
        of_common = _measure(common, metadata, confidence_of_intervals())
        means = of_common[of_common["score"].isin(["mean_recall", "macro_f1"])]
        of_test = pd.concat([of_test[~is_mean], means])
    of_test = of_test.rename(columns=columns)
    key = ["label", "score"]
    both = scores.merge(of_test.drop(columns="images"), on=key, how="left")
    tested = both[both["score"].isin(TESTED) & both["test"].notna()].itertuples()
    p_values = pd.Series(
        {row.Index: _p_value(row.score, row.label, table, test, metadata) for row in tested},
        dtype=float,
    )
    different = np.where(p_values < holm(p_values.tolist(), ALPHA), "yes", "no")
    both = both.assign(p_value=p_values, different="")
    both.loc[p_values.index, "different"] = different
    return both


def _p_value(
    score: str, label: str, table: pd.DataFrame, test: pd.DataFrame, metadata: Metadata
) -> float:
    """That a score of both tables differs by chance: Fisher's test, or a randomization test."""
    both = table, test
    if score == "loss":
        losses = (log_losses(_indices(each, "actual"), probabilities_in(each)) for each in both)
        groups = (each["group"].to_numpy() for each in both)
        return randomization(*map(mean_by_group, losses, groups))

    def counts(table: pd.DataFrame, label: str) -> tuple[int, int]:
        of_label = table[table["actual"] == label] if label else table
        if of_label.empty:
            return 0, 0
        is_true = of_label["actual"] == of_label["predicted"]
        if score == "refused":
            is_true = of_label[UNKNOWN_SCORE] > metadata.unknown_threshold
        return independent_counts(is_true.to_numpy(), of_label["group"].to_numpy())

    if score == "mean_recall":
        of_classes = ([counts(each, name) for name in metadata.labels] for each in both)
        first, second = map(np.transpose, of_classes)
        return stratified_fisher(*first, *second)
    return fisher(*(counts(each, label) for each in both))


def _indices(table: pd.DataFrame, column: str) -> np.ndarray:
    return pd.Index(predicted_labels(table)).get_indexer(table[column])
