import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import complaint, encode, pawprint, photos_in, printed, refused, write_files
from deployed import IMAGES_OF_A_CLASS, TEST, coloured, write_deployed
from networks import write_colour_model
from PIL import Image

from pawprint import project
from pawprint.files import md5, md5_of_folder, write_json
from pawprint.model.predictor import load_predictor
from pawprint.project import SCORES
from pawprint.scores.intervals import fraction_interval
from pawprint.tables import read_table
from pawprint.tools.last_run import read_last_run
from pawprint.tools.scoring import (
    CONTRADICTORY,
    COPY,
    LABELLED,
    NEAR,
    UNLABELLED,
    ScoreResult,
    score,
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """A project, and the images of its test split by path."""
    folder = tmp_path_factory.mktemp("deployed")
    return folder, write_deployed(folder, unknown_threshold=0.2)


@pytest.fixture
def here(deployed, monkeypatch) -> dict[str, bytes]:
    """In the folder of the project."""
    monkeypatch.chdir(deployed[0])
    return deployed[1]


def scored(folder: Path, model: Path = project.SERVED_MODEL) -> ScoreResult:
    predictor = load_predictor(model)
    return score(predictor, folder, read_last_run(predictor.metadata))


def new(label: str, images: int, first: int = 1000) -> dict[str, bytes]:
    """Photos that are not of the project, by path."""
    return {f"{label}/{n}.png": coloured(label, n) for n in range(first, first + images)}


def row_of(result: ScoreResult, name: str, label: str = "") -> dict:
    rows = result.scores
    return rows[(rows["score"] == name) & (rows["label"] == label)].iloc[0].to_dict()


def test_images_of_the_test_split_have_the_figures_of_evaluate(deployed, here, tmp_path):
    folder = write_files(tmp_path, here)
    record = json.loads(printed(deployed[0], "score", str(folder), "--format", "json"))
    rows = {(row["score"], row["label"]): row for row in record["scores"]}
    summary = json.loads(project.EVALUATE_METRICS.read_text())["test"]
    assert summary.pop("recall").keys() == {"cat", "dog"}
    assert summary["accuracy"] < 1
    values = {name: rows[name, ""]["value"] for name in summary}
    assert values == pytest.approx(summary, abs=1e-6)
    of_test = read_table(project.SCORES_CSV, SCORES).query("split == 'test'")
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
    """Fifteen frames of each of eight objects."""
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
    assert [accuracy["low"], accuracy["high"]] == [*fraction_interval(right, 8, 0.95)]


def test_slices_of_metadata_are_scored(deployed, here, tmp_path):
    images = {f"{number}.png": coloured("cat", number) for number in range(1000, 1060)}
    rows = [f"{name},{'dog,old' if name < '1020' else 'cat,new'}\n" for name in images]
    images["metadata.csv"] = "".join(["file_name,label,camera\n", *rows]).encode()
    folder = write_files(tmp_path, images)
    result = scored(folder)
    assert row_of(result, "slice_accuracy", "camera: old")["value"] < 0.5
    assert row_of(result, "slice_difference", "camera: old")["high"] < 0
    assert "camera: old" in printed(deployed[0], "score", str(folder))


def test_other_photos_are_beside_the_test_split_and_a_large_difference_is_told(here, tmp_path):
    wrong = {name.replace("cat", "dog"): data for name, data in new("cat", 30).items()}
    wrong |= {name.replace("dog", "cat"): data for name, data in new("dog", 30, 2000).items()}
    result = scored(write_files(tmp_path, wrong))
    accuracy = row_of(result, "accuracy")
    assert accuracy["value"] < 0.5 < accuracy["test"]
    for name, label in (("accuracy", ""), ("mean_recall", ""), ("loss", ""), ("recall", "cat")):
        assert row_of(result, name, label)["different"] == "yes"
    assert row_of(result, "refused")["different"] == "no"


@pytest.mark.parametrize("replaced", [project.SERVED_MODEL, project.TEST_PREDICTIONS_CSV])
def test_table_of_another_model_is_beside_no_figure(here, tmp_path, monkeypatch, replaced):
    """As after `git switch` without `dvc checkout`."""
    shutil.copytree(project.SERVED_MODEL, tmp_path / project.SERVED_MODEL)
    (tmp_path / "data").mkdir()
    shutil.copy(project.TEST_PREDICTIONS_CSV, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    of = {
        project.TEST_PREDICTIONS_CSV: md5(project.TEST_PREDICTIONS_CSV),
        project.SERVED_MODEL: md5_of_folder(project.SERVED_MODEL),
    }
    for is_replaced in (False, True):
        if is_replaced:
            of[replaced] = of[replaced].translate(str.maketrans("0123456789", "1234567890"))
        hashes = [{"path": path.as_posix(), "md5": value} for path, value in of.items()]
        stage = {"outs": hashes[:1], "deps": hashes[1:]}
        write_json(project.LOCK, {"stages": {"evaluate": stage}})
        assert scored(write_files(tmp_path / "new", new("cat", 4))).has_test != is_replaced


def test_images_in_a_folder_called_unknown_show_none_of_the_classes(here, tmp_path):
    green = np.zeros((8, 8, 3), np.uint8) + np.array([20, 220, 20], np.uint8)
    images = new("cat", 4) | {"unknown/green.png": encode(Image.fromarray(green), "PNG")}
    result = scored(write_files(tmp_path, images))
    assert row_of(result, "refused", "unknown")["value"] == 1
    assert len(result.predictions) == 4


def test_table_names_unusable_files_and_the_sheet_shows_errors(here, tmp_path):
    images = new("cat", 40) | {"cat/text.jpg": b"a cat"}
    folder = write_files(tmp_path / "photos", images)
    sheet = tmp_path / "sheet.html"
    result = pawprint(Path.cwd(), "score", str(folder), "--sheet", str(sheet))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"score: {folder / 'cat' / 'text.jpg'}: not an image")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("The model is right for ")
    assert lines[3].startswith("accuracy")
    with_errors = scored(folder).predictions.query("actual != predicted")
    assert sorted(photos_in(sheet.read_text(encoding="utf-8"))) == sorted(with_errors["path"])
    assert len(with_errors)


def test_folder_without_a_class_of_the_model_is_explained(here, tmp_path):
    with refused("expected images in folders called cat, dog"):
        scored(write_files(tmp_path, {"birds/1.png": coloured("cat", 1)}))
    absent = str(tmp_path / "absent")
    assert complaint(Path.cwd(), "score", absent).startswith(f"{absent}: expected a file or folder")


def test_models_are_compared_photo_by_photo(deployed, here, tmp_path):
    """One that calls every photo a dog, with the first; one of other classes is refused."""
    folder = write_files(tmp_path / "new", new("cat", 40) | new("dog", 10))
    other = write_colour_model(tmp_path / "other", bias=9, unknown_threshold=0.2)
    both = str(folder), "--model", str(project.SERVED_MODEL), "--model"
    table, record = (
        pawprint(deployed[0], "score", *both, str(other), "--format", form).stdout
        for form in ("table", "json")
    )
    assert table.count(f"{other} is worse than {project.SERVED_MODEL}") == 1
    (compared,) = json.loads(record)["compared"]
    assert (compared["images"], compared["test"]["verdict"]) == (50, "worse")
    assert compared["sets"][0]["accuracy new"] == 0.2
    of_others = write_colour_model(tmp_path / "others", labels=["ant", "bee"])
    assert "expected the classes of" in complaint(deployed[0], "score", *both, str(of_others))
