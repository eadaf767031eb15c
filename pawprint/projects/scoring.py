"""Score production photos, or compare them without labels, with a project's last test split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pawprint import paths
from pawprint.classes import UNLABELLED
from pawprint.columns import PROBABILITY, UNKNOWN_SCORE
from pawprint.dataset.cleaning import without_duplicates
from pawprint.dataset.folders import OUTER, folders_of, label_and_split
from pawprint.dataset.metadata_csv import further_columns, is_metadata, parse_metadata_csv
from pawprint.decoding.row import perceptual_hash
from pawprint.errors import InputError, printable
from pawprint.files import md5, md5_of_folder
from pawprint.images.folder import names_below, take_images
from pawprint.model.metadata import METADATA_FILE, Metadata, read_metadata
from pawprint.model.predictor import (
    Prediction,
    Predictor,
    Take,
    load_predictor,
    predict_each,
    take_all,
)
from pawprint.named_file import read_bytes
from pawprint.params.data import Clean
from pawprint.pipeline.recorded import Recorded
from pawprint.projects.answers import (
    COPY,
    OTHER_MODEL,
    read_answers,
    refuse_corrected,
    select_answers,
)
from pawprint.projects.suggestion import is_near_training, read_labelled
from pawprint.scores.evaluation import predictions_in, tabulate_beside
from pawprint.scores.likeness import LIKE, Likeness, compare_photos
from pawprint.scores.prediction_table import predicted_labels, read_probabilities, tabulate
from pawprint.scores.verdict import ModelComparison, compare, pair_predictions

NEAR = "near-duplicates of training images"
LABELLED = "labelled since, now training images"
CONTRADICTORY = "copies in several classes"
ROUNDING = 1e-4  # of a probability in a table or log
FEW = 50  # with fewer unlabelled photos, only large differences are significant


class Photos(NamedTuple):
    """The images in a folder.

    `table` has the columns `path`, relative to the folder; `label`, which is a label of the model,
    UNKNOWN or None; and `group`, from metadata.csv or for the image alone. `further` is the
    METADATA table.
    """

    folder: Path
    table: pd.DataFrame
    further: pd.DataFrame


def find_photos(project: Path, folder: Path, labels: Sequence[str]) -> Photos:
    """Return the images in a folder and its subfolders, sorted by path, with their labels.

    Folders of classes have the names in `clean.labels` of a project, or are named after the labels.

    Raises InputError if images are missing, or if a metadata.csv does not contain any of the
    labels.
    """
    params = project / paths.PARAMS
    folder_names = Clean.load(path=params).labels if params.exists() else "auto"
    names = sorted(name for name in names_below(folder) if (folder / name).is_file())
    rows = parse_metadata_csv(str(folder), names, lambda name: read_bytes(folder / name))
    named = folder_names if isinstance(folder_names, dict) else {}
    folder_of = {name.lower(): label for label in labels for name in (label, *named.get(label, ()))}
    listed = rows or {}
    is_outer = folder_names == OUTER
    images = take_images(folder, [name for name in names if not is_metadata(name)], listed)
    places = (label_and_split(folders_of(name, rows), folder_of, is_outer) for name in images)
    table = pd.DataFrame({"path": images, "label": [place.label or None for place in places]})
    table["group"] = [(name in listed and listed[name].group) or f"/{name}" for name in images]
    if table.empty or (rows is not None and table["label"].isna().all()):
        raise InputError(
            f"{printable(str(folder))}: expected images in folders named {', '.join(labels)}, a "
            "metadata.csv with these labels, or images without labels. Received: "
            f"{len(images):,} images with other labels."
        )
    return Photos(folder, table, further_columns(listed, images))


def read_test_split(folder: Path, metadata: Metadata) -> pd.DataFrame | None:
    """Return the served model's PROBABILITIES table for a project's test split, or None.

    It is None if `metadata` does not identify the served model, or if either the table or the
    served model differs from dvc.lock.
    """
    table = folder / paths.TEST_PROBABILITIES_CSV
    served = folder / paths.SERVED_MODEL
    if not table.exists() or not (served / METADATA_FILE).exists():
        return None
    recorded = Recorded(folder=folder)
    outputs = (paths.TEST_PROBABILITIES_CSV, paths.SERVED_MODEL)
    expected = [recorded.hash_of("evaluate", path) for path in outputs]
    is_other = any(expected) and expected != [md5(table), md5_of_folder(served)]
    if is_other or read_metadata(served).model != metadata.model:
        return None
    predictions = read_probabilities(table)
    return predictions if predicted_labels(predictions) == metadata.labels else None


def load_predictors(folders: Sequence[Path]) -> list[Predictor]:
    """Load models to compare. Raises InputError if they do not have the same classes."""
    predictors = [load_predictor(folder) for folder in folders]
    labels = predictors[0].metadata.labels
    for predictor in predictors[1:]:
        if predictor.metadata.labels != labels:
            raise InputError(
                f"{predictor.folder}: expected the classes of {folders[0]}, {', '.join(labels)}. "
                f"Received: {', '.join(predictor.metadata.labels)}. Score this model separately."
            )
    return predictors


class ScoreResult(NamedTuple):
    """The result of `score`.

    `scores` contains the rows of `tabulate_beside`.
    `predictions` is a PROBABILITIES table with a column `group`. `left_out` counts images by
    reason, `failed` contains the rows of `predict` that have an error, and `has_training` indicates
    whether training images were available for comparison.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    left_out: dict[str, int]
    failed: list[dict]
    has_training: bool


def score(
    project: Path, predictor: Predictor, photos: Photos, take: Take = take_all
) -> ScoreResult:
    """Score labelled photos like `evaluate` and compare them with the last run's test split.

    UNKNOWN photos show none of the classes. As in `clean`, photos with the same pixels count once,
    or not at all if their labels differ. In intervals and tests, photos in the same group count as
    one. Near-duplicates of training images are left out, unless they belong to the test split.
    Raises InputError if no photo has a class.
    """
    metadata = predictor.metadata
    labelled = photos.table.dropna(subset="label")
    paths = [photos.folder / path for path in labelled["path"]]
    rows = list(take(predict_each(predictor, paths, _prediction_and_hash), len(paths)))
    failed = [row for row in rows if row["error"]]
    columns = ["prediction", "pixels_sha256", "perceptual_hash"]
    usable = labelled.join(pd.DataFrame(rows, labelled.index, columns)).dropna(subset=columns)
    images, copies = without_duplicates(usable.assign(archive_split=""))
    last_run = read_labelled(project)
    training = last_run.split.loc[last_run.split["split"] == "train", "pixels_sha256"]
    is_labelled = images["pixels_sha256"].isin(training)
    is_near = is_near_training(images, last_run) & ~is_labelled
    left_out = {
        UNLABELLED: len(photos.table) - len(labelled),
        COPY: (copies["reason"] == "duplicate").sum(),
        CONTRADICTORY: (copies["reason"] == "contradictory").sum(),
        LABELLED: is_labelled.sum(),
        NEAR: is_near.sum(),
    }
    table = _tabulate(images[~(is_near | is_labelled)], metadata)
    is_of_class = table["actual"].isin(metadata.labels)
    if not is_of_class.any():
        counts = ", ".join(f"{number:,} {why}" for why, number in left_out.items() if number)
        raise InputError(
            f"{printable(str(photos.folder))}: expected photos of {', '.join(metadata.labels)}. "
            f"Received: none. Left out: {counts or 'no photo'} and {len(failed):,} unusable files."
        )
    of_classes = table[is_of_class].reset_index(drop=True)
    test = read_test_split(project, metadata)
    scores = tabulate_beside(of_classes, table[~is_of_class], test, metadata)
    return ScoreResult(scores, of_classes, left_out, failed, not last_run.split.empty)


def compare_models(scored: Sequence[ScoreResult]) -> list[ModelComparison]:
    """Compare each further model with the first, photo by photo, in one family of tests."""
    first, *others = (result.predictions for result in scored)
    return compare([{"photos": pair_predictions(first, other)} for other in others])


class LikenessResult(NamedTuple):
    """The result of `compare_unlabelled`.

    `images` and `test_images` are the numbers of photos compared; `left_out` counts photos by
    reason, and `failed` has the rows of `predict` without a label.
    """

    likeness: Likeness
    images: int
    test_images: int
    left_out: dict[str, int]
    failed: list[dict]

    @property
    def is_like(self) -> bool:
        """Whether no difference from the test photos is found."""
        return self.likeness.verdict == LIKE

    def describe(self) -> str:
        """Return the verdict as a sentence, with the differences that led to it."""
        different = self.likeness.different
        reasons = f" ({', '.join(different)})" if different else ""
        if self.is_like and self.images < FEW:
            reasons = "; with so few photos, only a large difference would show"
        return f"The photos: {self.likeness.verdict}{reasons}."


def compare_unlabelled(
    project: Path, model: Path, source: Path, photos: Photos | None, take: Take = take_all
) -> LikenessResult:
    """Compare photos with a project's test photos, using its served model's predictions.

    The photos are `photos` in the folder `source` or, if `photos` is None, the rows of the table
    `source`. Raises InputError if the project has no test split for this model, or if all rows come
    from other models.
    """
    metadata = read_metadata(model)
    has_scores = metadata.unknown_threshold is not None
    test = read_test_split(project, metadata)
    if test is None or (has_scores and UNKNOWN_SCORE not in test):
        raise InputError(
            f"{model}: cannot compare with the test split: {paths.TEST_PROBABILITIES_CSV} is "
            f"missing, or belongs to a different model than {paths.SERVED_MODEL}. Run this in the "
            "model's project, after `dvc pull` or `dvc repro`."
        )
    if photos:
        images = [source / path for path in photos.table["path"]]
        rows = list(take(predict_each(load_predictor(model), images), len(images)))
    else:
        rows = read_answers(source, metadata.labels, has_scores)
    answers, left_out, failed = select_answers(rows, metadata.model)
    if not answers:
        raise InputError(
            f"{printable(str(source))}: expected labels predicted by the model "
            f"{metadata.model}. Received: {left_out[OTHER_MODEL]:,} {OTHER_MODEL}, "
            f"{len(failed):,} without a label. Run `pawprint predict` again, or restart `pawprint "
            "serve`, to use this model."
        )
    table = _tabulate_answers(answers, metadata)
    refuse_corrected(source, _corrected(answers, table, metadata))
    predicted = predictions_in(table, metadata)
    beside = predictions_in(test.assign(group=test.index), metadata)
    likeness = compare_photos(predicted, beside)
    return LikenessResult(likeness, len(answers), len(test), left_out, failed)


def _corrected(answers: Sequence[dict], table: pd.DataFrame, metadata: Metadata) -> list[str]:
    """Return the labels that do not follow from the probabilities in `table`, with their photos."""
    is_given = np.array([[row["label"]] for row in answers]) == metadata.labels
    rounded = table[[f"{PROBABILITY}{label}" for label in metadata.labels]].to_numpy()
    own = metadata.classes(np.where(is_given, rounded + ROUNDING, rounded - ROUNDING))
    differs = is_given.any(axis=1) & (is_given.argmax(axis=1) != own)
    return [f"{row['label']} for {row['path']}" for row in np.array(answers)[differs]]


def _tabulate_answers(rows: Sequence[dict], metadata: Metadata) -> pd.DataFrame:
    """Convert rows of `predict` to the input of `predictions_in`, with an empty `actual`."""
    probabilities = pd.DataFrame([row["probabilities"] for row in rows])[metadata.labels]
    predicted = np.array(metadata.labels)[metadata.classes(probabilities.to_numpy())]
    table = probabilities.add_prefix(PROBABILITY).assign(actual="", predicted=predicted)
    if metadata.unknown_threshold is not None:
        table[UNKNOWN_SCORE] = [row["unknown_score"] for row in rows]
    return table.assign(group=table.index)


def _prediction_and_hash(image: Image.Image, predicted: Prediction) -> dict:
    return {
        "prediction": predicted._replace(features=None),
        "perceptual_hash": perceptual_hash(image),
    }


def _tabulate(images: pd.DataFrame, metadata: Metadata) -> pd.DataFrame:
    """Return a PROBABILITIES table for images with a `prediction`, and their group numbers."""
    probabilities = np.array([prediction.probabilities for prediction in images["prediction"]])
    # This also works without images.
    probabilities = probabilities.reshape(len(images), len(metadata.labels))
    unknown_scores = None
    if metadata.unknown_threshold is not None:
        unknown_scores = np.array([prediction.unknown_score for prediction in images["prediction"]])
    classes = metadata.classes(probabilities)
    table = tabulate(images, probabilities, classes, metadata.labels, unknown_scores)
    return table.assign(group=pd.factorize(images["group"])[0])
