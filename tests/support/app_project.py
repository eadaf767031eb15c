"""A small repository with results, for tests of the app that need neither a run nor a browser."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from conftest import PROJECT, commit, git_init, photo, succeed

from pawprint import paths
from pawprint.columns import PREDICTED_CLASSES, PROBABILITIES, SPLIT
from pawprint.files import pack, write_json
from pawprint.model.metadata import Metadata
from pawprint.scores.prediction_table import IMAGE_DIGITS, write_probabilities
from pawprint.tables import write_table

PHOTOS = [
    ("cats/1.jpg", "cat", "cat", 64 * "1", 0.9, 0.1),
    ("cats/2.jpg", "cat", "dog", 64 * "2", 0.4, 0.6),
    ("dogs/1.jpg", "dog", "dog", 64 * "3", 0.3, 0.7),
    ("dogs/2.jpg", "dog", "cat", 64 * "4", 0.8, 0.2),
]
COLUMNS = [*PROBABILITIES, "probability_cat", "probability_dog"]


def git(*arguments: str, cwd: Path) -> str:
    return succeed("git", *arguments, cwd=cwd).strip()


def write_project(project: Path) -> Path:
    """Write a repository with an early revision without errors, and `v2` with two in each split.

    Both splits contain the same images. Data and models are missing.
    """
    project.mkdir()
    git_init(project)
    predictions = pd.DataFrame(PHOTOS, columns=COLUMNS)
    right = predictions.assign(predicted=predictions["actual"])
    shutil.copy(PROJECT / "params.yaml", project)
    for subject, table in (("Early", right), ("Late", predictions)):
        for path in (paths.TEST_PROBABILITIES_CSV, paths.VALIDATION_PROBABILITIES_CSV):
            (project / path).parent.mkdir(exist_ok=True)
            write_probabilities(project / path, table)
        for path in paths.PREDICTED_CLASSES_CSV.values():
            (project / path).parent.mkdir(exist_ok=True)
            images = table.assign(image=table["pixels_sha256"].str[:IMAGE_DIGITS], loss=0.1)
            write_table(project / path, images, PREDICTED_CLASSES)
        commit(project, subject)
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").touch()
    git("tag", "v2", cwd=project)
    return project


def write_split(
    project: Path, labels: Iterable[str] = (), renamed: dict[str, str] | None = None
) -> None:
    """Write the split of the photos, possibly with other paths, and of an image for each label."""
    rows = [
        ((renamed or {}).get(path, path), label, "test", path, pixels)
        for path, label, _, pixels, *_ in PHOTOS
    ]
    rows += [(f"{label}/0.jpg", label, "train", "", f"{label} pixels") for label in labels]
    split = pd.DataFrame(rows, columns=["path", "label", "split", "group", "pixels_sha256"])
    split = split.assign(series="", metadata_series="")
    write_table(project / paths.SPLIT_CSV, split, SPLIT)
    write_json(project / paths.CROSS_VALIDATION_JSON, {})
    write_json(project / paths.LABELS_JSON, sorted(split["label"].unique()))


def write_photos(project: Path) -> None:
    """Write the archive with the predicted photos, their split, and data of the served model."""
    archive = project / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, ((row[0], photo(number)) for number, row in enumerate(PHOTOS)))
    write_split(project)
    metadata = Metadata(labels=["cat", "dog"], image_size=96, resize="crop", temperature=1.0)
    write_json(project / paths.SERVED_MODEL / "model.json", metadata.model_dump())
