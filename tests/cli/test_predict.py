import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import JPEG, PROJECT, SAMPLE_WEIGHTS, encode, run
from PIL import Image

from pawprint.cli.predict import FORMATS, find_images, predict, write_saliency
from pawprint.core.errors import InputError
from pawprint.core.params import Head
from pawprint.network.backbone import load_base
from pawprint.network.head import build_head
from pawprint.network.model import build_whole, keras, save_model
from pawprint.runtime.conversion import compile_network
from pawprint.serving.classifier import Classifier
from pawprint.serving.metadata import Meaning


@pytest.fixture(scope="module")
def model():
    head = build_head(Head(dense=None, dropout=0.2, output="sigmoid"))
    return build_whole(load_base(0.35, 96, SAMPLE_WEIGHTS), head, "average")


@pytest.fixture(scope="module")
def classifier(model):
    run = compile_network(model)
    return Classifier(96, ["cat", "dog"], "crop", 0.5, lambda pixels: run(pixels)[0].item())


def save(model: keras.Model, path: Path, labels: tuple[str, str] = ("cat", "dog")) -> None:
    save_model(model, Meaning(labels=list(labels), resize="crop", threshold=0.5), path)


@pytest.fixture
def photos(tmp_path):
    for name in ("b.jpg", "deep/a.JPEG", "deep/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    (tmp_path / "text.jpg").write_text("a dog was meant to sit here")
    return tmp_path


def test_folder_stands_for_the_image_files_below_it(photos):
    names = [path.relative_to(photos).as_posix() for path in find_images([photos])]
    assert names == ["b.jpg", "deep/a.JPEG", "text.jpg"]


def test_file_that_is_named_is_taken_whatever_its_suffix(photos):
    given = [photos / "deep" / "notes.txt", photos / "b.jpg"]
    assert find_images(given) == given


def test_each_image_gets_the_more_probable_label(model, classifier, photos):
    second = float(model.predict(np.zeros((1, 96, 96, 3)), verbose=0)[0, 0])
    (photos / "black.png").write_bytes(encode(Image.new("RGB", (10, 10)), "PNG"))
    (row,) = predict(classifier, [photos / "black.png"])
    assert row["label"] == ("dog" if second >= 0.5 else "cat")
    assert row["probability"] == pytest.approx(max(second, 1 - second), abs=1e-4)


def test_second_label_is_predicted_from_the_threshold_on(photos):
    for second, label, probability in ((0.29, "cat", 0.71), (0.3, "dog", 0.3)):
        decided = Classifier(96, ["cat", "dog"], "crop", 0.3, lambda _, second=second: second)
        (row,) = predict(decided, [photos / "b.jpg"])
        assert (row["label"], row["probability"]) == (label, probability)


def test_bad_file_is_named_with_its_reason_and_the_rest_go_on(classifier, photos):
    given = [photos / "text.jpg", photos / "b.jpg", photos / "nothing.jpg", photos / "empty"]
    (photos / "empty").mkdir()
    rows = predict(classifier, given)
    assert [row["error"] for row in rows] == [
        "not an image: no image format recognised",
        "",
        "no such file or directory",
        "no image files in this folder",
    ]
    assert [row["label"] != "" for row in rows] == [False, True, False, False]


def test_every_image_of_many_batches_keeps_its_place(classifier, photos):
    given = [photos / "b.jpg", photos / "text.jpg"] * 40
    rows = predict(classifier, given)
    assert [row["path"] for row in rows] == [str(path) for path in given]
    assert [bool(row["error"]) for row in rows] == [False, True] * 40


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_command_prints_every_row_and_its_status_tells_of_failures(model, photos, form):
    save(model, photos / "model.keras")
    given = [str(photos / "b.jpg"), str(photos / "text.jpg")]
    command = (
        "python",
        "-m",
        "pawprint",
        "predict",
        "--model",
        str(photos / "model.keras"),
        "--format",
        form,
    )
    result = run(*command, *given, cwd=PROJECT)
    assert result.returncode == 1
    assert result.stderr == ""
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
    elif form == "json":
        rows = json.loads(result.stdout)
    else:
        good, bad = result.stdout.splitlines()
        assert good.endswith(given[0])
        assert bad.endswith(f"{given[1]}  (not an image: no image format recognised)")
        return
    assert list(rows[0]) == ["path", "label", "probability", "error"]
    assert [row["path"] for row in rows] == given
    assert rows[0]["label"] in ("cat", "dog")
    assert rows[1]["error"] == "not an image: no image format recognised"


def test_missing_model_is_one_line(tmp_path):
    result = run(
        "python", "-m", "pawprint", "predict", "a.jpg", cwd=tmp_path, PYTHONPATH=str(PROJECT)
    )
    assert result.returncode == 1
    assert result.stderr.startswith("models/calibrated.keras: no such model. Run `dvc repro`")
    assert result.stderr.count("\n") == 1


def test_folder_of_suffixes_that_are_no_photos_is_left_alone(tmp_path):
    for name in ("a.pdf", "b.eps", "c.h5", "d.webp"):
        (tmp_path / name).write_bytes(JPEG)
    assert [path.name for path in find_images([tmp_path])] == ["d.webp"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_pipe_is_not_waited_for(classifier, tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (row,) = predict(classifier, [tmp_path / "pipe.jpg"])
    assert row["error"] == "not a file"


@pytest.mark.parametrize(
    "name", [b"caf\xe9.jpg", b"new\nline.jpg", b"\x1b[31mred.jpg"], ids=["latin", "line", "escape"]
)
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_name_that_no_terminal_should_see_is_shown_printable(
    classifier, tmp_path, name, form, capsys
):
    try:
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(JPEG)
    except (OSError, UnicodeError):
        pytest.skip("this system has no such names")
    FORMATS[form](predict(classifier, [path]))
    shown = capsys.readouterr().out
    shown.encode()
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == {"table": 1, "csv": 2, "json": 8}[form]


def test_path_that_no_system_can_hold_has_its_reason(classifier):
    given = [Path("a\0.jpg"), Path("x" * 5000)]
    assert find_images(given) == given
    rows = predict(classifier, given)
    assert all(row["error"] for row in rows)


def test_saliency_is_a_picture_for_each_image_that_could_be_read(model, photos):
    save(model, photos / "model.keras")
    command = ("python", "-m", "pawprint", "predict", "--model", str(photos / "model.keras"))
    given = [str(photos / name) for name in ("text.jpg", "b.jpg", "deep/a.JPEG")]
    folder = photos / "looked"
    result = run(*command, "--saliency", str(folder), *given, cwd=PROJECT)
    assert (result.returncode, result.stderr) == (1, "")
    assert sorted(path.name for path in folder.iterdir()) == ["2_b.png", "3_a.png"]
    assert Image.open(folder / "2_b.png").size == (96, 96)


def test_saliency_of_an_exported_model_is_refused_in_one_line(photos):
    (photos / "model.tflite").write_bytes(b"")
    with pytest.raises(InputError, match=r"model\.tflite: .* ends in \.tflite, not \.keras"):
        write_saliency(photos / "model.tflite", [], [], photos)
