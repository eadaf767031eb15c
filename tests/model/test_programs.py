"""Test programs of other people that use a model."""

import json
import pickle
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, photo, photos_of, printed, refused, succeed, write_files
from PIL import Image

import pawprint
from pawprint.model import metadata
from pawprint.model.metadata import METADATA_FILE, read_metadata, write_metadata

MODEL = PROJECT / "examples/cats_and_dogs"
PHOTO = photo(1)


@pytest.fixture(scope="module")
def model():
    return pawprint.load(MODEL)


@pytest.fixture
def use_page(tmp_path) -> Path:
    """Return a folder with a model and the programs in docs/use.md, named by line one."""
    page = (PROJECT / "docs/use.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", page, re.DOTALL)
    write_files(tmp_path, {name: text for text, name in programs} | {"photo.jpg": PHOTO})
    shutil.copytree(MODEL, tmp_path / "models/served")
    return tmp_path


def test_program_of_the_page_for_multiprocessing_runs(use_page, model):
    """openvinotoolkit/openvino 416."""
    command = (sys.executable, "label.py", "photo.jpg", "photo.jpg")
    labels = succeed(*command, cwd=use_page, PYTHONPATH=str(PROJECT))
    assert labels == f"{[model.predict(PHOTO).label] * 2}\n"


def test_pickled_model_predicts_the_same_without_its_folder(tmp_path, model):
    """microsoft/onnxruntime 643, openvinotoolkit/openvino 1065."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in MODEL.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = pickle.dumps(pawprint.load(folder))
    for path in folder.iterdir():
        path.unlink()
    expected, given = model.predict(PHOTO), pickle.loads(content).predict(PHOTO)
    assert given.label == expected.label
    assert given.unknown_score == expected.unknown_score
    np.testing.assert_array_equal(given.probabilities, expected.probabilities)
    np.testing.assert_array_equal(given.features, expected.features)


def test_each_form_of_a_file_is_predicted_as_its_path(tmp_path, model):
    """danielgatis/darknetpy 18, notAI-tech/NudeNet 82."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(PHOTO)
    expected = model.predict(path).probabilities
    for form in (str(path), PHOTO, bytearray(PHOTO), memoryview(PHOTO), Image.open(path)):
        np.testing.assert_array_equal(model.predict(form).probabilities, expected)


@pytest.mark.parametrize("kind", [str, Path])
def test_url_is_refused(model, kind):
    with refused("expected a file", "https:/"):
        model.predict(kind("https://user:secret@example.org/cat.jpg"))


def test_model_with_an_unknown_key_is_refused(tmp_path):
    record = json.loads((MODEL / METADATA_FILE).read_text(encoding="utf-8"))
    (tmp_path / METADATA_FILE).write_text(json.dumps(record | {"mirrored": True}))
    with refused(METADATA_FILE, "mirrored", "another version"):
        read_metadata(tmp_path)


def test_model_of_a_newer_format_names_the_release_that_reads_it(tmp_path, monkeypatch):
    """See metatensor/metatrain 1227 and 857. The format is checked before the values."""
    with monkeypatch.context() as newer:
        newer.setattr(metadata, "FORMAT", metadata.NEWEST + 1)
        newer.setattr(metadata, "NEWEST", metadata.NEWEST + 1)
        newer.setattr(metadata, "RELEASE", "7.6")
        write_metadata(tmp_path, read_metadata(MODEL))
        assert read_metadata(tmp_path).model == read_metadata(MODEL).model
    record = json.loads((tmp_path / METADATA_FILE).read_text(encoding="utf-8"))
    (tmp_path / METADATA_FILE).write_text(json.dumps(record | {"resize": "letterbox"}))
    with refused(METADATA_FILE, "newer version of Pawprint", "7.6"):
        read_metadata(tmp_path)


# Modules of Python and of packages that stages import, some of them while Python starts.
SAME_NAMES = "copy", "random", "select", "types", "contextlib", "json", "numpy", "yaml"


def test_stages_import_nothing_from_the_project(tmp_path):
    """As in google/deepvariant 32 and python/cpython 113769, the user has such files or folders."""
    names = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(4)]
    write_files(tmp_path / "photos", photos_of(names))
    printed(tmp_path, "init", "project", "--images", "photos")
    project = tmp_path / "project"
    write_files(project, {f"{name}.py": f"raise SystemExit('{name}')" for name in SAME_NAMES})
    write_files(project, {"pawprint/__init__.py": "raise SystemExit('pawprint')"})
    succeed("dvc", "repro", "fetch", cwd=project, PYTHONPATH=str(PROJECT))
