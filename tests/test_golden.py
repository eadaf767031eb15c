"""Test the most important messages as a whole; `GOLDEN=write` writes tests/golden/ again."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from classes_of import describe_classes
from conftest import PROJECT, photo, photos_of, replace, write_files
from networks import model_params

from pawprint.base.errors import InputError
from pawprint.data.sources import fetch
from pawprint.data.splitting import split
from pawprint.given.user_tables import read_corrections
from pawprint.network.extractor import load_extractor
from pawprint.pipeline.params.data import Split
from pawprint.pipeline.params.model import Weights, load_params

GOLDEN = Path(__file__).with_name("golden")


def misspelt_param(folder: Path) -> None:
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    write_files(folder, {"params.yaml": text})
    replace(folder / "params.yaml", "  dropout:", "  droput:")
    load_params(folder / "params.yaml")


def wrong_label(folder: Path) -> None:
    write_files(folder, {"labels.csv": "path,label\ncats/1.jpg,cow\n"})
    read_corrections(folder / "labels.csv", {"cats/1.jpg"}, ["cat", "dog"])


def odd_photos(folder: Path) -> str:
    """Camera formats that are not read, cloud placeholders, and names that differ in case."""
    files = photos_of(
        ["cat/1.jpg", "cat/IMG1.jpg", "cat/img1.jpg", "dog/1.jpg", "_unlabeled/1.jpg"]
    )
    files |= {"bird/IMG_1.CR2": b"II*\0", "fox/.1.jpg.icloud": b"", "owl/1.jpg?w=300": photo(99)}
    return "\n".join(describe_classes(write_files(folder / "photos", files), "auto"))


def page_for_an_archive(folder: Path) -> None:
    write_files(folder, {"photos.zip": "<html>Log in"})
    fetch(folder / "photos.zip", folder / "raw")


def group_that_matches_nothing(folder: Path) -> None:
    params = Split.load(path=PROJECT / "params.yaml").model_copy(update={"group": "/site([0-9]+)/"})
    columns = ("path", "label", "archive_split", "group", "pixels_sha256", "perceptual_hash")
    split(pd.DataFrame([dict.fromkeys(columns, "") | {"path": "cats/1.jpg"}]), params, {})


def weights_of_a_missing_package(folder: Path) -> None:
    changes = {"backbone": "EfficientNetLite2", "alpha": None, "fine_tune_at": None}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [])
        load_extractor(model_params(**changes), Weights(source="imagenet", sha256=None))


CASES = [
    *(misspelt_param, wrong_label, odd_photos, page_for_an_archive, group_that_matches_nothing),
    weights_of_a_missing_package,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_message_is_the_one_that_was_reviewed(case: Callable[[Path], str | None], tmp_path):
    try:
        text = case(tmp_path)
    except InputError as error:
        text = str(error)
    shown = f"{text}\n".replace(f"{tmp_path}{os.sep}", "")
    path = GOLDEN / f"{case.__name__}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8")
