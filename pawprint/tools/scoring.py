"""A model on labelled photos that are not those of the last run, beside its test split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pawprint.dataset import layouts
from pawprint.dataset.cleaning import (
    further_columns,
    perceptual_hash,
    without_duplicates,
)
from pawprint.dataset.folders import OUTER
from pawprint.errors import InputError, printable
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import (
    Prediction,
    Predictor,
    Take,
    names_below,
    predict_each,
    take_all,
    take_images,
)
from pawprint.project import UNKNOWN_SCORE
from pawprint.scores.intervals import holm, two_sets_test
from pawprint.scores.metrics import CATALOGUE, Predictions, measure_unknown, tabulate_scores
from pawprint.scores.paired import Comparison, Pair, compare
from pawprint.scores.predictions import predictions_in
from pawprint.scores.shift import measure_slices
from pawprint.tables import losses_in, tabulate
from pawprint.tools.last_run import LabelledImages, LastRun
from pawprint.tools.suggestion import compare_hashes

ALPHA = 0.05  # probability of any false difference, at most
UNLABELLED, COPY, NEAR = "unlabelled", "copies", "near-duplicates of training images"
LABELLED = "labelled since, now training images"
CONTRADICTORY = "copies in several classes"


class ScoreResult(NamedTuple):
    """What `score` finds.

    `scores` has the columns of SCORES after `split`, those of the test split as `test`, `test_low`
    and `test_high`, `p_value`, and `different`: yes, no, or "" where the difference is not tested;
    rows of `measure_slices` are last.
    `predictions` is a table PREDICTIONS with a column `group`. `left_out` are numbers of images by
    reason, `failed` the rows of `predict` with an error, and `has_test` says whether there are
    figures of the test split.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    left_out: dict[str, int]
    failed: list[dict]
    has_test: bool


def score(
    predictor: Predictor, folder: Path, last_run: LastRun, take: Take = take_all
) -> ScoreResult:
    """Score the photos of a folder, in folders of classes or with metadata.csv, as `evaluate` does.

    Photos in a folder called unknown show none of the classes. Of photos with the same pixels one
    counts, or none if their labels differ, as in `clean`. Photos of a group in metadata.csv count
    as one in intervals and tests. Near-duplicates of training images are left out, unless they are
    of the test split of the last run. Raises InputError if no photo has a class.
    """
    metadata, confidence = predictor.metadata, last_run.confidence
    labels, threshold = metadata.labels, metadata.unknown_threshold
    photos, further = _labels_in(folder, labels, last_run.folders)
    labelled = photos.dropna(subset="label")
    images = [folder / path for path in labelled["path"]]
    rows = list(take(predict_each(predictor, images, _prediction_and_hash), len(images)))
    failed = [row for row in rows if row["error"]]
    columns = ["prediction", "pixels_sha256", "hash"]
    usable = labelled.join(pd.DataFrame(rows, labelled.index, columns)).dropna(subset=columns)
    images, copies = without_duplicates(usable.assign(archive_split=""))
    split = last_run.labelled.split
    training = split.loc[split["split"] == "train", "pixels_sha256"]
    is_labelled = images["pixels_sha256"].isin(training)
    is_near = _is_near_training(images, last_run.labelled) | is_labelled
    left_out = {
        UNLABELLED: len(photos) - len(labelled),
        COPY: (copies["reason"] == "duplicate").sum(),
        CONTRADICTORY: (copies["reason"] == "contradictory").sum(),
        LABELLED: is_labelled.sum(),
        NEAR: (is_near & ~is_labelled).sum(),
    }
    table = _tabulate(images[~is_near], metadata)
    is_of_class = table["actual"].isin(labels)
    if not is_of_class.any():
        counts = ", ".join(f"{number:,} {why}" for why, number in left_out.items() if number)
        raise InputError(
            f"{printable(str(folder))}: expected photos of {', '.join(labels)} to score. "
            f"Received: none, after {counts or 'no photo'} and {len(failed):,} unusable files."
        )
    of_classes, unknown = table[is_of_class].reset_index(drop=True), table[~is_of_class]
    predictions = predictions_in(of_classes, metadata)
    scores = tabulate_scores(predictions, confidence)
    if threshold is not None and len(unknown):
        pair = unknown[UNKNOWN_SCORE].to_numpy(), of_classes[UNKNOWN_SCORE].to_numpy()
        groups = np.append(unknown["group"], of_classes["group"])
        of_unknown = measure_unknown(*pair, threshold, confidence, groups)
        scores = pd.concat([scores, of_unknown], ignore_index=True)
    test = last_run.test
    of_test = None if test is None else predictions_in(test.assign(group=test.index), metadata)
    scores = _beside(scores, predictions, of_test, confidence)
    is_right = of_classes["predicted"] == of_classes["actual"]
    slices = measure_slices(of_classes.assign(correct=is_right), further, confidence)
    if len(slices):
        scores = pd.concat([scores, slices.assign(different="")], ignore_index=True)
    return ScoreResult(scores, of_classes, left_out, failed, test is not None)


def compare_models(scored: Sequence[ScoreResult], confidence: float) -> list[Comparison]:
    """Compare other models with the first, of the same classes, on the same photos."""
    first, *others = (model.predictions for model in scored)
    runs = []
    for other in others:
        paths = first[["path"]].merge(other[["path"]])
        tables = [table.merge(paths) for table in (first, other)]
        actual, groups = (tables[0][name].to_numpy() for name in ("actual", "group"))
        rights = ((table["predicted"] == actual).to_numpy() for table in tables)
        runs.append({"photos": Pair(actual, *rights, groups, tuple(map(losses_in, tables)))})
    return compare(runs, confidence)


def _labels_in(
    folder: Path, labels: list[str], folder_names: dict[str, list[str]] | str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`path`, `label` and `group` of each image below the folder, sorted by its path there.

    The second table is METADATA. The label is one of `labels`, UNKNOWN or None. `folder_names`
    are those of their folders, or the reading of folders. The group is that of metadata.csv, or the
    image alone.
    """
    names = sorted(name for name in names_below(folder) if (folder / name).is_file())
    rows = layouts.parse_metadata_csv(str(folder), names, lambda name: (folder / name).read_bytes())
    named = folder_names if isinstance(folder_names, dict) else {}
    folder_of = {name.lower(): label for label in labels for name in (label, *named.get(label, ()))}
    folders = layouts.folders_of(rows)
    rows = rows or {}
    images = take_images(folder, [name for name in names if not layouts.is_metadata(name)], rows)
    photos = pd.DataFrame({"path": images})
    is_outer = folder_names == OUTER
    labels_of = [layouts.label_and_split(folders(name), folder_of, is_outer)[0] for name in images]
    photos["label"] = [label or None for label in labels_of]
    photos["group"] = [(name in rows and rows[name].group) or f"/{name}" for name in images]
    if photos["label"].isna().all():
        raise InputError(
            f"{printable(str(folder))}: expected images in folders called {', '.join(labels)}, or "
            f"a metadata.csv with these labels. Received: {len(photos):,} images in none of them."
        )
    return photos, further_columns(rows, images)


def _prediction_and_hash(image: Image.Image, predicted: Prediction) -> dict:
    return {"prediction": predicted._replace(features=None), "hash": perceptual_hash(image)}


def _is_near_training(images: pd.DataFrame, labelled: LabelledImages) -> pd.Series:
    """Whether each image looks like one of training, and is not of the test split, bool."""
    split = labelled.split
    if split.empty or images.empty:
        return pd.Series(False, images.index)
    hash_of = labelled.images.set_index("path")["perceptual_hash"]
    training = split.loc[split["split"] == "train", "path"].map(hash_of).dropna()
    new = images["hash"].drop_duplicates()
    is_near, _ = compare_hashes(training, new, labelled.distance)
    is_test = images["pixels_sha256"].isin(split.loc[split["split"] == "test", "pixels_sha256"])
    return images["hash"].isin(new[is_near]) & ~is_test


def _tabulate(images: pd.DataFrame, metadata: Metadata) -> pd.DataFrame:
    """The table PREDICTIONS of images with their `prediction`, and the number of their `group`."""
    probabilities = np.array([prediction.probabilities for prediction in images["prediction"]])
    probabilities = probabilities.reshape(len(images), len(metadata.labels))  # also of no image
    unknown_scores = None
    if metadata.unknown_threshold is not None:
        unknown_scores = np.array([prediction.unknown_score for prediction in images["prediction"]])
    classes = metadata.classes(probabilities)
    table = tabulate(images, probabilities, classes, metadata.labels, unknown_scores)
    return table.assign(group=pd.factorize(images["group"])[0])


def _beside(
    scores: pd.DataFrame, photos: Predictions, test: Predictions | None, confidence: float
) -> pd.DataFrame:
    """The columns of ScoreResult.scores: those of `scores`, beside those of the test split.

    Differences are tested where CATALOGUE says so, with Holm's levels for all of them together.
    """
    columns = {"value": "test", "low": "test_low", "high": "test_high"}
    if test is None:
        return scores.assign(**dict.fromkeys((*columns.values(), "p_value"), np.nan), different="")
    of_test = tabulate_scores(test, confidence)
    is_common = np.isin(test.actual, photos.actual)
    if is_common.any() and not is_common.all():  # means over the classes that both have
        arrays = (column[is_common] for column in (test.actual, test.probabilities, test.predicted))
        of_common = tabulate_scores(Predictions(*arrays, test.labels), confidence)
        means = [name for name, score in CATALOGUE.items() if score.over == "classes"]
        of_test = of_test[~of_test["score"].isin(means)]
        of_test = pd.concat([of_test, of_common[of_common["score"].isin(means)]])
    of_test = of_test.rename(columns=columns).drop(columns="images")
    both = scores.merge(of_test, on=["label", "score"], how="left")
    tested = [name for name, score in CATALOGUE.items() if score.is_tested]
    tested = both[both["score"].isin(tested) & both["test"].notna()]
    p_values = [_p_value(row.score, row.label, photos, test) for row in tested.itertuples()]
    different = np.where(np.array(p_values) < holm(p_values, ALPHA), "yes", "no")
    both = both.assign(p_value=pd.Series(p_values, tested.index, float), different="")
    both.loc[tested.index, "different"] = different
    return both


def _p_value(score: str, label: str, photos: Predictions, test: Predictions) -> float:
    """That a score of both differs by chance."""
    of, columns = CATALOGUE[score], []
    for side in (photos, test):
        values = of.of(side, *([side.labels.index(label)] if label else ())).astype(float)
        is_in = ~np.isnan(values)
        columns.append((values[is_in], side.groups[is_in], side.actual[is_in]))
    values, groups, classes = map(np.concatenate, zip(*columns))
    is_photo = np.arange(len(values)) < len(columns[0][0])
    return two_sets_test(values, is_photo, groups, classes if of.over == "classes" else None)
