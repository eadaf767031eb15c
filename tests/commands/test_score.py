import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import complaint, encode, pawprint_here, photos_in, printed, refused, write_files
from deployed import IMAGES_OF_A_CLASS, TEST, coloured, write_deployed
from networks import write_colour_model
from PIL import Image

from pawprint import paths
from pawprint.classes import UNLABELLED
from pawprint.columns import SCORES
from pawprint.files import md5, md5_of_folder, write_json
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import load_predictor
from pawprint.projects.answers import COPY, read_answers
from pawprint.projects.scoring import (
    CONTRADICTORY,
    LABELLED,
    NEAR,
    ScoreResult,
    compare_unlabelled,
    find_photos,
    score,
)
from pawprint.scores.intervals import fraction_interval
from pawprint.tables import read_table


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """Return a project, and the images of its test split keyed by path."""
    folder = tmp_path_factory.mktemp("deployed")
    return folder, write_deployed(folder, unknown_threshold=0.2)


@pytest.fixture
def here(deployed, monkeypatch) -> dict[str, bytes]:
    """Make the project the current directory and return the images of its test split."""
    monkeypatch.chdir(deployed[0])
    return deployed[1]


def scored(folder: Path, model: Path = paths.SERVED_MODEL) -> ScoreResult:
    predictor = load_predictor(model)
    return score(Path(), predictor, find_photos(Path(), folder, predictor.metadata.labels))


def new(label: str, images: int, first: int = 1000) -> dict[str, bytes]:
    """Return photos that are not in the project, keyed by path."""
    return {f"{label}/{n}.png": coloured(label, n) for n in range(first, first + images)}


def row_of(result: ScoreResult, name: str, label: str = "") -> dict:
    rows = result.scores
    return rows[(rows["score"] == name) & (rows["label"] == label)].iloc[0].to_dict()


def test_images_of_the_test_split_have_the_figures_of_evaluate(deployed, here, tmp_path):
    folder = write_files(tmp_path, here)
    record = json.loads(printed(deployed[0], "score", str(folder), "--format", "json"))
    rows = {(row["score"], row["label"]): row for row in record["scores"]}
    summary = json.loads(paths.EVALUATE_METRICS.read_text())["test"]
    assert summary["accuracy"] < 1
    values = {name: rows[name, ""]["value"] for name in summary}
    assert values == pytest.approx(summary, abs=1e-6)
    of_test = read_table(paths.SCORES_CSV, SCORES).query("split == 'test'")
    for row in of_test[of_test["score"].isin(["refused", "recall"])].itertuples():
        found_row = rows[row.score, row.label]
        ends = [found_row[column] for column in ("value", "low", "high")]
        assert ends == pytest.approx([row.value, row.low, row.high], rel=1e-5)
        assert found_row["value"] == found_row["test"]
    assert {row["different"] for row in record["scores"]} == {"no", ""}
    assert set(record["left_out"].values()) == {0}


def test_copies_near_duplicates_of_training_and_unlabelled_images_are_left_out(here, tmp_path):
    training = [number for number in range(TEST, IMAGES_OF_A_CLASS) if number % 2]
    images = new("cat", 4) | new("dog", 4)
    images["cat/copy.png"] = images["cat/1000.png"]
    images["birds/1.png"] = images["cat/1001.png"]
    images["dog/copy.png"] = images["cat/1002.png"]
    for number in training:
        smaller = Image.open(io.BytesIO(coloured("cat", number))).resize((50, 50))
        images[f"cat/smaller {number}.jpg"] = encode(smaller, quality=80)
    result = scored(write_files(tmp_path, images))
    counts = {UNLABELLED: 1, COPY: 1, CONTRADICTORY: 2, LABELLED: 0, NEAR: len(training)}
    assert result.left_out == counts
    assert len(result.predictions) == 7


def test_photos_of_a_group_count_as_one_in_intervals_and_tests(here, tmp_path):
    """There are fifteen frames of each of eight objects."""
    images = {f"{number}.png": coloured("cat", number) for number in range(1000, 1120)}
    folder = write_files(tmp_path, images)

    def scored_in(groups: list[str]) -> ScoreResult:
        rows = [f"{number}.png,cat,{group}\n" for number, group in enumerate(groups, 1000)]
        (folder / "metadata.csv").write_text("".join(["file_name,label,group\n", *rows]))
        return scored(folder)

    alone, grouped = scored_in([""] * 120), scored_in([str(number // 15) for number in range(120)])
    for name, label in (("accuracy", ""), ("recall", "cat"), ("mean_recall", ""), ("loss", "")):
        single, several = row_of(alone, name, label), row_of(grouped, name, label)
        assert single["value"] == several["value"]
        assert several["high"] - several["low"] > single["high"] - single["low"]
        assert several["p_value"] > single["p_value"]
    accuracy = row_of(grouped, "accuracy")
    right = round(8 * accuracy["value"])
    assert [accuracy["low"], accuracy["high"]] == [*fraction_interval(right, 8)]


def test_other_photos_are_beside_the_test_split_and_a_large_difference_is_told(here, tmp_path):
    wrong = {name.replace("cat", "dog"): data for name, data in new("cat", 30).items()}
    wrong |= {name.replace("dog", "cat"): data for name, data in new("dog", 30, 2000).items()}
    result = scored(write_files(tmp_path, wrong))
    accuracy = row_of(result, "accuracy")
    assert accuracy["value"] < 0.5 < accuracy["test"]
    for name, label in (("accuracy", ""), ("mean_recall", ""), ("loss", ""), ("recall", "cat")):
        assert row_of(result, name, label)["different"] == "yes"
    assert row_of(result, "refused")["different"] == "no"


@pytest.mark.parametrize("replaced", [paths.SERVED_MODEL, paths.TEST_PROBABILITIES_CSV])
def test_table_of_another_model_is_beside_no_figure(here, tmp_path, monkeypatch, replaced):
    """This happens after `git switch` without `dvc checkout`."""
    shutil.copytree(paths.SERVED_MODEL, tmp_path / paths.SERVED_MODEL)
    (tmp_path / "data").mkdir()
    shutil.copy(paths.TEST_PROBABILITIES_CSV, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    of = {
        paths.TEST_PROBABILITIES_CSV: md5(paths.TEST_PROBABILITIES_CSV),
        paths.SERVED_MODEL: md5_of_folder(paths.SERVED_MODEL),
    }
    for is_replaced in (False, True):
        if is_replaced:
            of[replaced] = of[replaced].translate(str.maketrans("0123456789", "1234567890"))
        hashes = [{"path": path.as_posix(), "md5": value} for path, value in of.items()]
        stage = {"outs": hashes}
        write_json(paths.LOCK, {"stages": {"evaluate": stage}})
        result = scored(write_files(tmp_path / "new", new("cat", 4)))
        assert result.scores["test"].isna().all() == is_replaced


def test_images_in_a_folder_called_unknown_show_none_of_the_classes(here, tmp_path):
    green = np.zeros((8, 8, 3), np.uint8) + np.array([20, 220, 20], np.uint8)
    images = new("cat", 4) | {"unknown/green.png": encode(Image.fromarray(green), "PNG")}
    result = scored(write_files(tmp_path, images))
    assert row_of(result, "refused", "unknown")["value"] == 1
    assert len(result.predictions) == 4


def test_test_images_of_classes_without_photos_do_not_count(here, tmp_path):
    result = scored(write_files(tmp_path, new("cat", 8)))
    recall, accuracy = row_of(result, "recall", "cat"), row_of(result, "accuracy")
    assert accuracy["test"] == recall["test"]


def test_models_are_compared_photo_by_photo(deployed, here, tmp_path):
    """A model that calls every photo a dog is worse. A model with other classes is rejected."""
    folder = write_files(tmp_path / "new", new("cat", 40) | new("dog", 10))
    other = write_colour_model(tmp_path / "other", bias=9, unknown_threshold=0.2)
    both = str(folder), "--model", str(paths.SERVED_MODEL), "--model"
    table, record = (
        pawprint_here(deployed[0], "score", *both, str(other), "--format", form).stdout
        for form in ("table", "json")
    )
    assert table.count(f"{other} is worse than {paths.SERVED_MODEL}") == 1
    (compared,) = json.loads(record)["compared"]
    assert (compared["images"], compared["test"]["verdict"]) == (50, "worse")
    assert compared["sets"][0]["accuracy new"] == 0.2
    of_others = write_colour_model(tmp_path / "others", labels=["ant", "bee"])
    assert "expected the classes of" in complaint(
        deployed[0], "score", *both, str(of_others), command=pawprint_here
    )


@pytest.fixture(scope="module")
def sure(tmp_path_factory) -> Path:
    """Return a project with a model that calls few photos unknown."""
    folder = tmp_path_factory.mktemp("sure")
    write_deployed(folder, unknown_threshold=0.4)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Return 40 photos that resemble those of the project."""
    images = {
        f"{label} {number}.png": coloured(label, number)
        for label in ("cat", "dog")
        for number in range(1000, 1020)
    }
    return write_files(tmp_path_factory.mktemp("photos"), images)


def green(number: int) -> bytes:
    colour = np.array([20, 220, 20 + number % 20], np.uint8)
    return encode(Image.fromarray(np.zeros((32, 32, 3), np.uint8) + colour), "PNG")


def compared(folder: Path, source: Path) -> dict:
    return json.loads(printed(folder, "score", str(source), "--format", "json"))


def test_table_of_predict_is_monitored_as_its_photos_are(sure, photos, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("".join(predicted(sure, photos)))
    of_folder, of_table = (compared(sure, source) for source in (photos, table))
    assert of_folder == of_table
    assert of_folder["verdict"] == "like the test photos"
    assert (of_folder["images"], of_folder["test_images"]) == (40, 24)
    scores = [row["score"] for row in of_folder["scores"]]
    assert scores == ["called unknown", "predicted", "predicted", "mean confidence"]
    for row in of_folder["scores"]:
        assert row["low"] <= row["value"] <= row["high"]


def test_labels_that_were_corrected_in_a_table_are_refused(sure, photos, tmp_path):
    """They would have no effect, because the probabilities and the predicted class are compared."""
    header, *rows = predicted(sure, photos)
    table = tmp_path / "table.csv"
    other = [row.replace(",cat,", ",dog,") for row in rows]
    table.write_text("".join([header, *other]))
    with refused("table.csv: ", "dog for ", "metadata.csv"):
        compare_unlabelled(sure, sure / paths.SERVED_MODEL, table, None)


def predicted(folder: Path, photos: Path, model: Path = paths.SERVED_MODEL) -> list[str]:
    """Return the lines of the table that `predict` prints."""
    command = ("predict", str(photos), "--format", "csv", "--model", str(model))
    return printed(folder, *command).splitlines(keepends=True)


def test_rows_of_another_model_are_told_apart_from_those_of_this_one(sure, photos, tmp_path):
    """The other model has the same labels and thresholds."""
    own, table = predicted(sure, photos), tmp_path / "table.csv"
    other = write_colour_model(tmp_path / "other", bias=1, unknown_threshold=0.4)
    header, *others = predicted(sure, photos, other)
    table.write_text("".join([header, *others]))
    line = complaint(sure, "score", str(table))
    assert line.startswith(f"{table}: expected labels predicted by the model")
    assert "40 of another model" in line
    table.write_text("".join([*own, *others]))
    result = pawprint_here(sure, "score", str(table), "--format", "json")
    assert result.stderr.startswith("score: photos left out: 40 of another model")
    assert json.loads(result.stdout)["scores"] == compared(sure, photos)["scores"]


def test_copies_of_a_photo_count_as_one(sure, photos, tmp_path):
    header, *rows = predicted(sure, photos)
    (tmp_path / "table.csv").write_text("".join([header, *rows, *rows[:1] * 65]))
    copies = {f"{number}.png": (photos / "cat 1000.png").read_bytes() for number in range(65)}
    copies |= {path.name: path.read_bytes() for path in photos.iterdir()}
    folder = write_files(tmp_path / "folder", copies)
    for source in (tmp_path / "table.csv", folder):
        result = pawprint_here(sure, "score", str(source), "--format", "json")
        assert (result.returncode, result.stderr) == (0, "score: photos left out: 65 copies\n")
        record = json.loads(result.stdout)
        assert (record["left_out"]["copies"], record["images"]) == (65, 40)
        assert record["scores"] == compared(sure, photos)["scores"]


def test_status_is_3_for_other_images_on_request_only(sure, photos, tmp_path):
    folder = write_files(tmp_path, {f"{number}.png": green(number) for number in range(12)})
    for arguments, status in (((), 0), (("--fail",), 3)):
        result = pawprint_here(sure, "score", str(folder), *arguments)
        assert (result.returncode, result.stderr) == (status, "")
        first, second, *_ = result.stdout.splitlines()
        assert first == "Without labels: compared with the test photos."
        assert second.startswith("The photos: other images (")
    assert pawprint_here(sure, "score", str(photos), "--fail").returncode == 0


OTHERS = "file_name,label\n1.png,bird\n"
HEADER = "label,probability_cat,probability_dog,unknown_score,pixels_sha256,model\n"


def test_table_names_unusable_files_and_the_sheet_shows_errors(here, tmp_path):
    images = new("cat", 40) | {"cat/text.jpg": b"a cat"}
    folder = write_files(tmp_path / "photos", images)
    sheet = tmp_path / "sheet.html"
    result = pawprint_here(Path.cwd(), "score", str(folder), "--sheet", str(sheet))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"score: {folder / 'cat' / 'text.jpg'}: not an image")
    with_errors = scored(folder).predictions.query("actual != predicted")
    assert sorted(photos_in(sheet.read_text(encoding="utf-8"))) == sorted(with_errors["path"])
    assert len(with_errors)


def test_folder_without_photos_or_with_labels_of_others_is_explained(here, tmp_path):
    for files in ({"text.txt": b"a cat"}, {"1.png": coloured("cat", 1), "metadata.csv": OTHERS}):
        folder = write_files(tmp_path / str(len(files)), files)
        with refused(f"{folder}: expected images in folders named cat, dog"):
            scored(folder)
    absent = str(tmp_path / "absent")
    assert complaint(Path.cwd(), "score", absent).startswith(f"{absent}: no such file or folder")


def test_rows_that_failed_are_told_and_the_status_is_1(sure, photos, tmp_path):
    header, *rows = predicted(sure, photos)
    model = read_metadata(sure / paths.SERVED_MODEL).model
    failed = [f"{number}.png,,,,,empty: 0 bytes,,{model}\n" for number in range(30)]
    (tmp_path / "table.csv").write_text("".join([header, *rows, *failed]))
    result = pawprint_here(sure, "score", str(tmp_path / "table.csv"))
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines == [f"score: {number}.png: empty: 0 bytes" for number in range(30)]


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("path,label\n", "line 1: expected the columns label,probability_cat"),
        *(
            (
                f"{HEADER}cat,1,0,0.1,,\n{row},,\n",
                "line 3: expected the label cat, dog, unsure or unknown",
            )
            for row in ("cat,1,high,0.1", "cat,98.5,1.5,0.1", "cat,1,0,nan", "cow,1,0,0.1")
        ),
        (HEADER.replace("dog", "cow"), "line 1: expected the columns label,probability_cat"),
    ],
)
def test_other_table_is_one_line(tmp_path, table, line):
    (tmp_path / "table.csv").write_text(table)
    with refused(line):
        read_answers(tmp_path / "table.csv", ["cat", "dog"], has_scores=True)


def test_without_results_of_the_model_a_line_says_what_to_do(sure, photos, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text(HEADER)
    assert "expected labels predicted by the model" in complaint(
        sure, "score", str(empty), command=pawprint_here
    )
    other = write_colour_model(tmp_path / "model", unknown_threshold=0.3)
    line = complaint(sure, "score", str(photos), "--model", str(other))
    assert line.startswith(f"{other}: cannot compare with the test split")
