import json
from pathlib import Path

import numpy as np
import pytest
from conftest import complaint, encode, pawprint, printed, refused, write_files
from deployed import coloured, write_deployed
from networks import metadata, write_colour_model
from PIL import Image

from pawprint import project
from pawprint.model.metadata import read_metadata
from pawprint.tools.monitoring import read_photos


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("deployed")
    write_deployed(folder, unknown_threshold=0.4)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """40 photos as those of the project."""
    images = {
        f"{label} {number}.png": coloured(label, number)
        for label in ("cat", "dog")
        for number in range(1000, 1020)
    }
    return write_files(tmp_path_factory.mktemp("photos"), images)


def green(number: int) -> bytes:
    colour = np.array([20, 220, 20 + number % 20], np.uint8)
    return encode(Image.fromarray(np.zeros((32, 32, 3), np.uint8) + colour), "PNG")


def monitored(folder: Path, source: Path) -> dict:
    return json.loads(printed(folder, "monitor", str(source), "--format", "json"))


def test_table_of_predict_is_monitored_as_its_photos_are(deployed, photos, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(printed(deployed, "predict", str(photos), "--format", "csv"))
    of_folder, of_table = (monitored(deployed, source) for source in (photos, table))
    assert of_folder == of_table
    assert of_folder["verdict"] == "like the test photos"
    assert (of_folder["images"], of_folder["test_images"]) == (40, 24)
    scores = [row["score"] for row in of_folder["scores"]]
    assert scores == ["unknown", "unknown_score", "classes", "classes", "confidence"]
    for row in of_folder["scores"]:
        assert row["low"] <= row["value"] <= row["high"]


def predicted(folder: Path, photos: Path, model: Path = project.SERVED_MODEL) -> list[str]:
    """The lines of the table of `predict`."""
    command = ("predict", str(photos), "--format", "csv", "--model", str(model))
    return printed(folder, *command).splitlines(keepends=True)


def test_rows_of_another_model_are_told_apart_from_those_of_this_one(deployed, photos, tmp_path):
    """It has the same labels and thresholds."""
    own, table = predicted(deployed, photos), tmp_path / "table.csv"
    other = write_colour_model(tmp_path / "other", bias=1, unknown_threshold=0.4)
    header, *others = predicted(deployed, photos, other)
    table.write_text("".join([header, *others]))
    line = complaint(deployed, "monitor", str(table))
    assert line.startswith(f"{table}: expected predictions of the model")
    assert "40 of another model" in line
    table.write_text("".join([*own, *others]))
    result = pawprint(deployed, "monitor", str(table), "--format", "json")
    assert result.stderr.startswith("monitor: photos left out: 40 of another model")
    assert json.loads(result.stdout)["scores"] == monitored(deployed, photos)["scores"]


def test_copies_of_a_photo_count_as_one(deployed, photos, tmp_path):
    header, *rows = predicted(deployed, photos)
    (tmp_path / "table.csv").write_text("".join([header, *rows, *rows[:1] * 65]))
    copies = {f"{number}.png": (photos / "cat 1000.png").read_bytes() for number in range(65)}
    copies |= {path.name: path.read_bytes() for path in photos.iterdir()}
    folder = write_files(tmp_path / "folder", copies)
    for source in (tmp_path / "table.csv", folder):
        result = pawprint(deployed, "monitor", str(source), "--format", "json")
        assert (result.returncode, result.stderr) == (0, "monitor: photos left out: 65 copies\n")
        record = json.loads(result.stdout)
        assert (record["left_out"]["copies"], record["images"]) == (65, 40)
        assert record["scores"] == monitored(deployed, photos)["scores"]


def test_rows_that_failed_are_told_and_the_status_is_1(deployed, photos, tmp_path):
    header, *rows = predicted(deployed, photos)
    model = read_metadata(deployed / project.SERVED_MODEL).model
    failed = [f"{number}.png,,,,,empty: 0 bytes,,{model}\n" for number in range(30)]
    (tmp_path / "table.csv").write_text("".join([header, *rows, *failed]))
    result = pawprint(deployed, "monitor", str(tmp_path / "table.csv"))
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines == [f"monitor: {number}.png: empty: 0 bytes" for number in range(30)]


def test_status_is_3_for_other_images_on_request_only(deployed, photos, tmp_path):
    folder = write_files(tmp_path, {f"{number}.png": green(number) for number in range(12)})
    for arguments, status in (((), 0), (("--fail",), 3)):
        result = pawprint(deployed, "monitor", str(folder), *arguments)
        assert (result.returncode, result.stderr) == (status, "")
        assert result.stdout.splitlines()[0] == "The photos: other images."
    assert pawprint(deployed, "monitor", str(photos), "--fail").returncode == 0


HEADER = "label,probability_cat,probability_dog,unknown_score,pixels_sha256,model\n"


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("path,label\n", "line 1: expected the columns label,probability_cat"),
        *(
            (
                f"{HEADER}cat,1,0,0.1,,\n{row},,\n",
                "line 3: expected a label of cat, dog, unsure or unknown",
            )
            for row in ("cat,1,high,0.1", "cat,98.5,1.5,0.1", "cat,1,0,nan", "cow,1,0,0.1")
        ),
        (HEADER.replace("dog", "cow"), "line 1: expected the columns label,probability_cat"),
    ],
)
def test_other_table_is_one_line(tmp_path, table, line):
    (tmp_path / "table.csv").write_text(table)
    with refused(line):
        read_photos(tmp_path / "table.csv", metadata(unknown_threshold=0.4))


def test_without_results_of_the_model_a_line_says_what_to_do(deployed, photos, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text(HEADER)
    assert "expected photos with a label" in complaint(deployed, "monitor", str(empty))
    absent = str(tmp_path / "absent")
    assert complaint(deployed, "monitor", absent).startswith(f"{absent}: expected ")
    other = write_colour_model(tmp_path / "model", unknown_threshold=0.3)
    line = complaint(deployed, "monitor", str(photos), "--model", str(other))
    assert line.startswith(f"{other}: expected the results of its test split")
