import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import JPEG, PROJECT, complaint, encode, pawprint_here, printed, succeed, write_files
from networks import metadata, write_colour_model
from PIL import Image

from pawprint.base import paths
from pawprint.base.package import EXAMPLE_MODEL
from pawprint.commands.output import FORMATS
from pawprint.model.predictor import Predictor, load_predictor, predict_each


def plain(colour: str | tuple[int, int, int]) -> bytes:
    return encode(Image.new("RGB", (40, 30), colour), "PNG")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """Return a folder with photos and a served model that calls red images dogs."""
    folder = tmp_path_factory.mktemp("workspace")
    write_colour_model(folder / paths.SERVED_MODEL)
    dog, cat = (plain(colour) for colour in ("red", "blue"))
    photos = {"dog.png": dog, "cat.png": cat, "deep/dog.PNG": dog, "notes.txt": "notes"}
    write_files(folder / "photos", photos)
    return write_files(folder, {"text.jpg": "a dog"})


@pytest.fixture(scope="module")
def predictor(workspace) -> Predictor:
    return load_predictor(workspace / paths.SERVED_MODEL)


@pytest.fixture
def photos(tmp_path):
    images = dict.fromkeys(("b.jpg", "deep/a.JPEG", "deep/notes.txt"), JPEG)
    return write_files(tmp_path, images | {"text.jpg": "a dog was meant to sit here"})


def test_model_of_the_package_is_used_outside_of_a_project_that_has_none(tmp_path):
    (tmp_path / "dog.png").write_bytes(plain("red"))
    result = pawprint_here(tmp_path, "predict", "--no-unknown", "dog.png")
    assert result.returncode == 0 and result.stdout.startswith(("cat", "dog"))
    assert str(EXAMPLE_MODEL) in result.stderr
    (tmp_path / "params.yaml").touch()  # for other images
    assert f"{paths.SERVED_MODEL}" in complaint(tmp_path, "predict", "dog.png")
    write_colour_model(tmp_path / paths.SERVED_MODEL)
    assert printed(tmp_path, "predict", "dog.png")


LABELS = ["ant", "bee", "cat", "dog"]


@pytest.fixture
def rows_of_four(photos):
    """Return the row of an image with four probabilities (0.2, 0.1, 0.65, 0.05), and an error."""
    four = Predictor(
        photos,
        metadata(labels=LABELS),
        lambda _: {"probability": np.array([0.2, 0.1, 0.65, 0.05])},
    )
    return [*predict_each(four, [photos / "b.jpg", photos / "nothing.jpg"])]


def test_csv_has_a_column_for_each_label(rows_of_four):
    file = io.StringIO()
    FORMATS["csv"](rows_of_four, LABELS, None, file)
    good, bad = csv.DictReader(file.getvalue().splitlines())
    names = [f"probability_{label}" for label in LABELS]
    after = ["unknown_score", "error", "pixels_sha256", "model"]
    assert list(good) == ["path", "label", *names, *after]
    assert [good[name] for name in names] == ["0.2", "0.1", "0.65", "0.05"]
    assert [bad[name] for name in names] == [""] * 4
    assert bad["error"] == "no such file or directory"


def test_unusable_file_is_listed_with_its_reason_and_the_others_are_labelled(predictor, photos):
    reasons = {
        "text.jpg": "not an image: no image format recognised",
        "b.jpg": "",
        "nothing.jpg": "no such file or directory",
        "empty": "no image files in this folder",
    }
    (photos / "empty").mkdir()
    paths = [photos / name for name in reasons] * 20
    *rows, zero, long = predict_each(predictor, [*paths, Path("a\0.jpg"), Path("x" * 5000)])
    assert zero["error"] and long["error"]
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    assert [row["error"] for row in rows] == [*reasons.values()] * 20
    assert [row["label"] != "" for row in rows] == [False, True, False, False] * 20


def test_command_prints_every_row_and_its_status_tells_of_errors(workspace):
    result = pawprint_here(workspace, "predict", "photos", "text.jpg")
    assert (result.returncode, result.stderr) == (1, "photos: 1 other file (1 .txt)\n")
    *good, bad = result.stdout.splitlines()
    paths_of = {"cat": ["photos/cat.png"], "dog": ["photos/deep/dog.PNG", "photos/dog.png"]}
    assert [line.split() for line in good] == [
        [label, "100.0%", str(Path(path))] for label, paths in paths_of.items() for path in paths
    ]
    assert bad.endswith("text.jpg  (not an image: no image format recognised)")
    (row,) = json.loads(printed(workspace, "predict", "--format", "json", "photos/dog.png"))
    assert row["probabilities"] == {"dog": 1.0, "cat": 0.0}


def test_image_unlike_those_of_training_is_unknown(workspace):
    """The detector considers a red or blue image unknown unless it has some green."""
    model = write_colour_model(workspace / "detector", unknown_threshold=0.25)
    files = {"known.png": plain((100, 34, 0)), "green.png": plain((20, 100, 0))}
    write_files(workspace, files)
    command = ("predict", "--model", str(model), "known.png", "green.png")
    known, unknown = (line.split() for line in printed(workspace, *command).splitlines())
    assert known == ["dog", "100.0%", "known.png"]
    assert unknown == ["unknown", "-", "green.png"]
    known, unknown = json.loads(printed(workspace, *command, "--format", "json"))
    assert unknown["label"] == "unknown"
    assert known["unknown_score"] < 0.25 < unknown["unknown_score"]
    _, unknown = printed(workspace, *command, "--no-unknown", "--top", "2").splitlines()
    assert unknown.split() == ["dog,", "cat", "88.1%", "11.9%", "green.png"]


def test_prediction_imports_no_package_of_training(workspace):
    training = {"tensorflow", "keras", "pandas", "matplotlib", "scipy", "h5py", "onnx", "dvc"}
    code = "import sys; from pawprint.__main__ import main; "
    code += "sys.argv = ['pawprint', 'predict', sys.argv[1]]; assert main() == 0; "
    code += f"print({training} & set(sys.modules))"
    for folder, photo in ((workspace, "photos/dog.png"), (workspace / "photos", "dog.png")):
        output = succeed("python", "-c", code, photo, cwd=folder, PYTHONPATH=str(PROJECT))
        assert output.splitlines()[-1] == "set()"


def test_saliency_is_a_picture_for_each_image_that_is_labelled(workspace, tmp_path):
    long = tmp_path / f"{'ü' * 100}.png"  # 200 bytes
    long.write_bytes((workspace / "photos" / "dog.png").read_bytes())
    photos = ["text.jpg", "photos/dog.png", str(long)]
    result = pawprint_here(workspace, "predict", "--saliency", str(tmp_path / "pictures"), *photos)
    assert (result.returncode, result.stderr) == (1, "")
    written = {path.name: path for path in (tmp_path / "pictures").iterdir()}
    assert set(written) == {"2_dog.png", f"3_{'ü' * 50}.png"}
    assert Image.open(written["2_dog.png"]).mode == "RGB"
    result = pawprint_here(workspace, "predict", "--saliency", "text.jpg/folder", "photos/dog.png")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stdout.startswith("dog")  # the labels are not lost


def test_saliency_replaces_no_file_and_nothing_is_predicted(workspace, tmp_path):
    """A photo may have the name of the picture."""
    (tmp_path / "1_dog.png").write_bytes((workspace / "photos" / "dog.png").read_bytes())
    arguments = (str(tmp_path / "1_dog.png"), "--saliency", str(tmp_path))
    assert complaint(workspace, "predict", *arguments).startswith(f"{tmp_path}: expected a new")
    assert [path.name for path in tmp_path.iterdir()] == ["1_dog.png"]
