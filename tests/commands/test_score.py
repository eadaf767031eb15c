import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    PROJECT,
    change,
    complaint,
    encode,
    pawprint_here,
    photo,
    photos_of,
    printed,
    refused,
    write_files,
)
from deployed import IMAGES_OF_A_CLASS, TEST, coloured, write_deployed
from networks import write_colour_model
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import SCORES
from pawprint.base.labels import SEVERAL_LABELS, UNLABELLED
from pawprint.base.tables import read_table
from pawprint.commands.params_file import set_params
from pawprint.commands.score import MOST_WRONG, TRAINED_ON, Scored, find_photos, score
from pawprint.model.predictor import load_predictor
from pawprint.scores.intervals import fraction_interval
from pawprint.scores.metrics import CATALOGUE


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


def scored(folder: Path) -> Scored:
    return score(Path(), load_predictor(paths.SERVED_MODEL), folder)


def new(label: str, images: int, first: int = 1000) -> dict[str, bytes]:
    """Return photos that are not in the project, keyed by path."""
    return {f"{label}/{n}.png": coloured(label, n) for n in range(first, first + images)}


def row_of(result: Scored, name: str, label: str = "") -> dict:
    rows = result.scores
    return rows[(rows["score"] == name) & (rows["label"] == label)].iloc[0].to_dict()


def test_images_of_the_test_split_have_the_figures_of_evaluate(deployed, here, tmp_path):
    folder = write_files(tmp_path, here)
    record = json.loads(printed(deployed[0], "score", str(folder), "--format", "json"))
    rows = {(row["score"], row["label"]): row for row in record["scores"]}
    of_test = read_table(paths.SCORES_CSV, SCORES).query("split == 'test'")
    of_test = of_test[of_test["score"].isin(CATALOGUE)]
    assert rows.keys() == {*zip(of_test["score"], of_test["label"])}
    for row in of_test.dropna().itertuples():
        given = [rows[row.score, row.label][column] for column in ("value", "low", "high")]
        assert given == pytest.approx([row.value, row.low, row.high], rel=1e-5)
    assert rows["accuracy", ""]["value"] < 1
    assert set(record["left_out"].values()) == {0}


def test_copies_near_duplicates_of_training_and_unlabelled_images_are_left_out(here, tmp_path):
    training = [number for number in range(TEST, IMAGES_OF_A_CLASS) if number % 2]
    images = new("cat", 4) | new("dog", 4)
    images["cat/copy.png"] = images["cat/1000.png"]
    images["unlabelled/1.png"] = images["cat/1001.png"]
    images["dog/copy.png"] = images["cat/1002.png"]
    images["dog/trained.png"] = coloured("dog", training[0])
    for number in training:
        smaller = Image.open(io.BytesIO(coloured("cat", number))).resize((50, 50))
        images[f"cat/smaller {number}.jpg"] = encode(smaller, quality=80)
    result = scored(write_files(tmp_path, images))
    counts = {UNLABELLED: 1, "contradictory": 2, "duplicate": 1, TRAINED_ON: len(training) + 1}
    assert result.left_out == counts
    assert row_of(result, "accuracy")["images"] == 7


def test_frames_of_an_animal_count_as_one_in_intervals(here, tmp_path, monkeypatch):
    """The frames of each of ten animals differ in compression."""
    files = {}
    for number in range(10):
        animal = Image.open(io.BytesIO(photo(5000 + number)))
        for frame in range(20):
            name = f"{('cat', 'dog')[number % 2]}/{number}_{frame}.jpg"
            files[name] = encode(animal, quality=50 + 2 * frame)
    row = row_of(scored(write_files(tmp_path / "frames", files)), "accuracy")
    assert row["images"] == 200
    right = round(row["value"] * 10)
    assert (row["low"], row["high"]) == pytest.approx(fraction_interval(right, 10), abs=0.02)
    names = [f"{label}/{n}_{n % 10}.jpg" for label in ("cat", "dog") for n in range(40)]
    folder = write_files(tmp_path / "names", photos_of(names))
    alone = row_of(scored(folder), "accuracy")
    shutil.copytree(Path(), tmp_path / "project")
    set_params(tmp_path / "project", {"split.group": "_([0-9])[.]jpg"})
    monkeypatch.chdir(tmp_path / "project")
    row = row_of(scored(folder), "accuracy")
    assert row["high"] - row["low"] > 1.3 * (alone["high"] - alone["low"])


def test_labels_that_are_not_classes_are_named(here, tmp_path):
    labels = {"1.png": "cat", "2.png": "owl", "3.png": "unlabelled"}
    files = {name: coloured("cat", number) for number, name in enumerate(labels, 1000)}
    table = "".join(f"{name},{label}\n" for name, label in labels.items())
    result = scored(write_files(tmp_path, files | {"metadata.csv": f"file_name,label\n{table}"}))
    not_classes = "with labels that are not classes of the model (owl)"
    assert result.left_out == {UNLABELLED: 1, not_classes: 1, TRAINED_ON: 0}
    images = new("cat", 2) | {f"cta/{number}.png": coloured("cat", number) for number in (3, 4)}
    result = scored(write_files(tmp_path / "folders", images))
    not_classes = "with labels that are not classes of the model (cta: did you mean cat?)"
    assert result.left_out == {UNLABELLED: 0, not_classes: 2, TRAINED_ON: 0}
    images = new("cat", 2) | {"_unlabeled/1.png": b"", "unsorted/may/1.png": b""}
    result = scored(write_files(tmp_path / "unsorted", images))
    assert result.left_out == {UNLABELLED: 2, TRAINED_ON: 0}
    images = new("cat", 2) | {"test/cta/left/1.png": b""}
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    set_params(tmp_path, {"clean.labels": "outer"})
    photos = find_photos(tmp_path, write_files(tmp_path / "outer", images), ["cat", "dog"])
    assert [*photos["named"]] == ["cat", "cat", "cta"]


def test_labels_of_a_photo_that_shows_several_are_read_from_its_cell(here, tmp_path):
    """A folder is no label: the photo might show more."""
    cells = ["sea|sunset", "sunset | sea", "none", "unknown", "moon|sea", "sea|unknown"]
    rows = [f"{number}.png,{cell}\n" for number, cell in enumerate(cells)]
    files = {f"{number}.png": b"" for number in range(6)} | {"sea/7.png": b""}
    folder = write_files(tmp_path, files | {"metadata.csv": "file_name,label\n" + "".join(rows)})
    photos = find_photos(tmp_path, folder, ["sea", "sunset"], kind=SEVERAL_LABELS)
    assert photos["label"].dropna().tolist() == ["sea|sunset", "sea|sunset", "none", "unknown"]
    assert photos["named"][4] == "moon|sea"
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    change(tmp_path, "clean: {labels: auto, several_labels: true, not_asked: [sunset, new]}")
    photos = find_photos(tmp_path, folder, ["sea", "sunset"], kind=SEVERAL_LABELS)
    assert photos["label"][2] == "sunset?"
    with refused("expected a metadata.csv with the labels sea"):
        find_photos(tmp_path, folder / "sea", ["sea"], kind=SEVERAL_LABELS)


def test_wrong_photos_are_listed_with_what_they_were_taken_for(here, tmp_path):
    command = ("score", str(write_files(tmp_path, new("cat", 80))))
    record = json.loads(printed(Path.cwd(), *command, "--format", "json"))
    accuracy, *_ = record["scores"]
    assert len(record["wrong"]) == round(80 * (1 - accuracy["value"])) > MOST_WRONG
    last = [*record["wrong"][MOST_WRONG - 1].values()]
    assert last[1:] == ["cat", "dog"]
    table = printed(Path.cwd(), *command)
    assert f"\n{len(record['wrong'])} photos with a wrong" in table
    assert table.splitlines()[-1].split() == last


def test_photos_of_a_group_count_as_one_in_intervals(here, tmp_path):
    """There are fifteen frames of each of eight objects."""
    images = {f"{number}.png": coloured("cat", number) for number in range(1000, 1120)}
    folder = write_files(tmp_path, images)

    def scored_in(groups: list[str]) -> Scored:
        rows = [f"{number}.png,cat,{group}\n" for number, group in enumerate(groups, 1000)]
        (folder / "metadata.csv").write_text("".join(["file_name,label,group\n", *rows]))
        return scored(folder)

    alone, grouped = scored_in([""] * 120), scored_in([str(number // 15) for number in range(120)])
    for name, label in (("accuracy", ""), ("recall", "cat"), ("mean_recall", ""), ("loss", "")):
        single, several = row_of(alone, name, label), row_of(grouped, name, label)
        assert single["value"] == several["value"]
        assert several["high"] - several["low"] > single["high"] - single["low"]
    accuracy = row_of(grouped, "accuracy")
    right = round(8 * accuracy["value"])
    assert [accuracy["low"], accuracy["high"]] == [*fraction_interval(right, 8)]


def test_photos_with_each_value_of_a_further_column_are_compared_with_the_others(here, tmp_path):
    """At night, the labels are swapped, so that most photos are wrong."""
    images = new("cat", 30) | new("dog", 30)
    names = [*images]
    is_night = [number % 3 == 0 for number in range(len(names))]
    labels = [
        ("cat", "dog")[name.startswith("cat") == night] for name, night in zip(names, is_night)
    ]
    rows = [
        f"{n},{label},{'night' if night else 'day'}"
        for n, label, night in zip(names, labels, is_night)
    ]
    folder = write_files(
        tmp_path, images | {"metadata.csv": "\n".join(["file_name,label,light", *rows])}
    )
    result = scored(folder)
    night, day = result.slices
    assert (night.column, night.value, day.value) == ("light", "night", "day")
    wrong = {path for path in result.wrong["path"] if is_night[names.index(path)]}
    assert night.photos == sum(is_night) and night.right == 1 - len(wrong) / night.photos
    assert night.p_value < 0.05 < day.p_value
    assert "light: night" in printed(Path.cwd(), "score", str(folder))
    record = json.loads(printed(Path.cwd(), "score", str(folder), "--format", "json"))
    assert [each["value"] for each in record["slices"]] == ["night", "day"]


def test_images_in_a_folder_called_unknown_show_none_of_the_classes(here, tmp_path):
    green = np.zeros((8, 8, 3), np.uint8) + np.array([20, 220, 20], np.uint8)
    images = new("cat", 4) | {"unknown/green.png": encode(Image.fromarray(green), "PNG")}
    result = scored(write_files(tmp_path, images))
    assert row_of(result, "refused", "unknown")["value"] == 1
    assert row_of(result, "accuracy")["images"] == 4


def test_unusable_files_are_named_and_the_status_is_1(here, tmp_path):
    folder = write_files(tmp_path, new("cat", 40) | {"cat/text.jpg": b"a cat"})
    result = pawprint_here(Path.cwd(), "score", str(folder))
    assert result.returncode == 1
    assert result.stdout.startswith("accuracy ")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"score: {folder / 'cat' / 'text.jpg'}: not an image")


def test_without_a_run_training_images_may_be_among_the_photos_and_a_line_says_so(here, tmp_path):
    write_files(tmp_path, {f"photos/{path}": data for path, data in new("cat", 4).items()})
    model = str(paths.SERVED_MODEL.absolute())
    result = pawprint_here(tmp_path, "score", "photos", "--model", model)
    assert result.stderr == "score: training images are included, because none are here\n"
    of_crops = write_colour_model(tmp_path / "of_crops", crop_rule="as-is")
    result = pawprint_here(tmp_path, "score", "photos", "--model", str(of_crops))
    assert "trained on crops" in result.stderr


OTHERS = "file_name,label\n1.png,bird\n"


def test_folder_without_photos_or_with_labels_of_others_is_explained(here, tmp_path):
    for files in ({"text.txt": b"a cat"}, {"1.png": coloured("cat", 1), "metadata.csv": OTHERS}):
        folder = write_files(tmp_path / str(len(files)), files)
        with refused(f"{folder}: expected images in folders named cat, dog"):
            scored(folder)
    absent = str(tmp_path / "absent")
    assert complaint(Path.cwd(), "score", absent) == f"{absent}: no such folder. Check the path."
