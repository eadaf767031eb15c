"""Test `crop`, and `predict` with boxes, on photos and JSONs that are made here."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import (
    PROJECT,
    complaint,
    encode,
    pawprint_here,
    photos_of,
    printed,
    refused,
    write_files,
)
from networks import write_colour_model
from pages import blocks, commands
from PIL import ExifTags, Image

from pawprint.base.columns import METADATA
from pawprint.base.package import EXAMPLE_MODEL
from pawprint.base.paths import SERVED_MODEL
from pawprint.data.archive import open_archive, read_member
from pawprint.data.decoding.row import read_exif
from pawprint.data.metadata_csv import crop_rule_of
from pawprint.serving.boxes import AS_IS, Photo, corners, cut, read_boxes, typical_threshold
from pawprint.serving.predictor import load_predictor, predict_boxes

SQUARE = "square 0.0"
SIZE = (400, 300)
RED = (0.25, 0.5, 0.125, 0.25)  # x 100 to 150, y 150 to 225
BLUE = (0.75, 0, 0.25, 0.25)


def scene(**options) -> bytes:
    """Return a grey photo, in which RED and BLUE have their colours."""
    image = Image.new("RGB", SIZE, "grey")
    for colour, bbox in (("red", RED), ("blue", BLUE)):
        left, top, width, height = (value * side for value, side in zip(bbox, SIZE * 2))
        image.paste(colour, (int(left), int(top), int(left + width), int(top + height)))
    return encode(image, quality=95, **options)


def found(bbox=RED, conf=0.9, category="1", **keys) -> dict:
    return {"category": category, "conf": conf, "bbox": list(bbox)} | keys


def md(images: dict[str, list[dict] | None], **keys) -> str:
    """Return a JSON of MegaDetector; None stands for a photo that it could not read."""
    entries = [
        {"file": name, "detections": boxes}
        | ({"failure": "image access failure"} if boxes is None else {})
        for name, boxes in images.items()
    ]
    info = {"format_version": "1.6", "detector": "md_v5a.0.1.pt"}
    categories = {"1": "animal", "2": "person"}
    return json.dumps({"info": info, "detection_categories": categories, "images": entries} | keys)


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        return {row.pop("file_name"): row for row in csv.DictReader(file)}


def colour_of(image: Image.Image) -> str:
    red, _, blue = np.asarray(image.convert("RGB")).mean(axis=(0, 1))
    return "red" if red > blue else "blue"


def validate(content: dict) -> None:
    """Check what validate_batch_results of megadetector-utils 10.0.28 refuses in a 1.6 JSON."""
    assert isinstance(content["info"]["format_version"], str)
    detection, classes = content["detection_categories"], content["classification_categories"]
    assert all(key.isdecimal() for key in [*detection, *classes])
    for image in content["images"]:
        assert (image["detections"] is None) == bool(image.get("failure"))
        for box in image["detections"] or []:
            assert isinstance(box["conf"], float) and box["category"] in detection
            for number, value in box.get("classifications", []):
                assert number in classes and isinstance(value, float)


@pytest.mark.parametrize(
    ("bbox", "rule", "expected"),
    [
        (RED, "square 0.1", (80, 142, 170, 232)),
        ((0, 0.1, 0.05, 0.5), SQUARE, (0, 30, 150, 180)),  # at the left, top, right and bottom
        ((0.1, 0, 0.5, 0.05), SQUARE, (40, 0, 240, 200)),
        ((0.95, 0.1, 0.05, 0.5), SQUARE, (250, 30, 400, 180)),
        ((0.1, 0.95, 0.5, 0.05), SQUARE, (40, 100, 240, 300)),
        ((0, 0, 1, 1), SQUARE, (0, 0, 400, 300)),  # the photo is smaller
        ((0.9, 0.9, 0.1, 0.1), AS_IS, (360, 270, 399, 299)),  # as MegaDetector
        ((0.999, 0.999, 0.0001, 0.0001), AS_IS, (399, 299, 400, 300)),
    ],
)
def test_crop_lies_inside_the_photo(bbox, rule, expected):
    assert corners(bbox, SIZE, rule) == expected


def test_crops_of_megadetector_become_a_project_that_is_labelled_in_the_app(tmp_path):
    photos = {
        "north/100RECNX/a.jpg": [found(), found(BLUE, 1), found(conf=0.1), found(category="2")],
        "north/100RECNX/b.jpg": [found()],
        "south/a.jpg": [found(BLUE)],
        "south/c.jpg": [found()],
        "south/none.jpg": [],
        "gone.jpg": [found()],
        "broken.jpg": None,
        "video.mp4": [],
        "../outside.jpg": [found()],
    }
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "K1"
    exif[ExifTags.IFD.Exif] = {36867: "2026:10:01 08:00:01", 37521: "25"}
    contents = dict.fromkeys(("south/a.jpg", "south/none.jpg", "new.jpg"), scene())
    contents["north/100RECNX/a.jpg"] = contents["south/c.jpg"] = scene(exif=exif)
    exif[ExifTags.IFD.Exif] = {36867: "2026:10:01 08:00:03"}
    contents["north/100RECNX/b.jpg"] = scene(exif=exif)
    write_files(tmp_path / "photos", contents)
    write_files(tmp_path, {"md.json": md(photos)})
    result = pawprint_here(tmp_path, "crop", "md.json", "photos", "crops")
    assert (result.returncode, result.stderr) == (1, "")
    for line in ("at least 0.2", "left out: 1 .mp4", "5 crops of 4 photos",
                 "1 without a box to cut, 3 failed, 1 not in the JSON",
                 "no such file", "image access failure", "a path with .."):  # fmt: skip
        assert line in result.stdout
    rows = rows_of(tmp_path / "crops")
    first, second = (f"unlabelled/north/100RECNX/a.jpg-{place}.jpg" for place in (0, 1))
    next_of_burst = "unlabelled/north/100RECNX/b.jpg-0.jpg"
    others = [f"unlabelled/{name}-0.jpg" for name in ("south/a.jpg", "south/c.jpg")]
    assert [*rows] == [first, second, next_of_burst, *others]
    assert rows[first] == {
        "group": "north/100RECNX/a.jpg",
        "location": "north",
        "label": "unlabelled",
        "confidence": "0.9",
        "crop_rule": SQUARE,
    }
    groups = [row["group"] for row in rows.values()]  # photos of a burst have its first one's
    assert groups == ["north/100RECNX/a.jpg"] * 3 + ["south/a.jpg", "south/c.jpg"]
    for name, size, colour in ((first, 75, "red"), (second, 100, "blue")):
        with Image.open(tmp_path / "crops" / name) as crop:
            assert (crop.size, colour_of(crop)) == ((size, size), colour)
        taken = read_exif((tmp_path / "crops" / name).read_bytes())  # by which bursts are found
        assert taken == {"taken": "2026-10-01T08:00:01.250", "camera": "K1"}
    with Image.open(tmp_path / "crops/unlabelled/south/a.jpg-0.jpg") as crop:
        assert not crop.getexif()
    text = printed(tmp_path, "init", "project", "--images", "crops")
    assert "no classes; 5 unlabelled" in text and "pawprint app" in text
    line = complaint(tmp_path, "crop", "md.json", "photos", "crops")
    assert "Nothing is overwritten" in line


def test_boxes_are_those_of_the_upright_photo(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees: the red box is at the top right
    photos = write_files(tmp_path, {"a.jpg": scene(exif=exif)})
    upright = (0.25, 0.25, 0.25, 0.125)
    write_files(tmp_path, {"md.json": md({"a.jpg": [found(upright)]})})
    (photo,), *_ = read_boxes(tmp_path / "md.json", photos)
    (crop,) = cut(photo.read(photos), photo, AS_IS)
    assert crop.size == (75, 50) and np.asarray(crop)[..., 0].mean() > 240
    with refused("before EXIF"):
        cut(photo.read(photos), photo._replace(size=SIZE), AS_IS)


def test_rule_is_the_models_if_all_its_images_were_cut_by_it():
    cells = [("a", "crop_rule", SQUARE), ("b", "crop_rule", SQUARE), ("b", "camera", "x")]
    table = pd.DataFrame(cells, columns=list(METADATA))
    assert crop_rule_of(table, ["a", "b"]) == SQUARE
    assert crop_rule_of(table, ["a", "b", "whole"]) is None
    assert crop_rule_of(table.assign(value=[SQUARE, AS_IS, "x"]), ["a", "b"]) is None
    assert crop_rule_of(table.assign(value="wheat"), ["a", "b"]) is None


def test_photo_is_decoded_at_the_scale_of_its_smallest_box(tmp_path):
    write_files(tmp_path, {"a.jpg": encode(Image.new("RGB", (4000, 3000), "red"))})
    for width, scale in ((0.5, 8), (0.1, 4), (0.02, 1)):
        boxes = [found((0.1, 0.1, 0.9, 0.9)), found((0.5, 0.5, width, width / 2))]
        write_files(tmp_path, {"md.json": md({"a.jpg": boxes})})
        (photo,), *_ = read_boxes(tmp_path / "md.json", tmp_path)
        _, crop = cut(photo.read(tmp_path), photo, SQUARE, side=64)
        assert crop.width == round(4000 * width / scale) >= 64


COCO = {
    "images": [
        {"id": "a", "file_name": "a.jpg", "width": 800, "height": 600, "seq_id": "s1",
         "location": "l1"},
        {"id": "b", "file_name": "b.jpg", "seq_id": "s1", "location": "l2"},
        {"id": "c", "file_name": "c.jpg", "corrupt": True},
        {"id": "d", "file_name": "d.jpg"},
    ],
    "categories": [{"id": 0, "name": "empty"}, {"id": 7, "name": "fox"}, {"id": 9, "name": "owl"}],
    "annotations": [
        {"id": "1", "image_id": "a", "category_id": 7, "bbox": [200, 300, 100, 150, 1]},
        {"id": "2", "image_id": "a", "category_id": 9, "bbox": [600, 0, 200, 150]},
        {"id": "0", "image_id": "b", "category_id": 9, "bbox": []},
        {"id": "3", "image_id": "b", "category_id": 9, "bbox_relative": [*BLUE, 1], "score": 0.6},
        {"id": "4", "image_id": "b", "category_id": 7, "bbox_relative": RED,
         "sequence_level_annotation": True, "score": 0.9},
        {"id": "5", "image_id": "b", "category_id": 0},
        {"id": "8", "image_id": "b", "category_id": "unknown"},
        {"id": "9"},
        {"id": "6", "image_id": "d", "category_id": 7, "bbox": [1, 1, 1, 1]},
    ],
}  # fmt: skip


def test_coco_has_the_label_sequence_and_location_of_each_box(tmp_path):
    photos = write_files(tmp_path / "photos", dict.fromkeys(("a.jpg", "b.jpg", "d.jpg"), scene()))
    write_files(tmp_path, {"coco.json": json.dumps(COCO)})
    result = pawprint_here(tmp_path, "crop", "coco.json", str(photos), "crops")
    assert "c.jpg  marked as corrupt" in result.stdout and "d.jpg  the JSON has" in result.stdout
    rows = rows_of(tmp_path / "crops")
    assert {(name, *list(row.values())[:3]) for name, row in rows.items()} == {
        ("labelled/a.jpg-0.jpg", "s1", "l1", "fox"),
        ("labelled/a.jpg-1.jpg", "s1", "l1", "owl"),
        ("labelled/b.jpg-0.jpg", "s1", "l2", "owl"),
        ("unlabelled/b.jpg-1.jpg", "s1", "l2", "unlabelled"),
    }
    for name in rows:
        with Image.open(tmp_path / "crops" / name) as crop:
            is_red = name.endswith(("a.jpg-0.jpg", "b.jpg-1.jpg"))
            assert colour_of(crop) == ("red" if is_red else "blue")
    text = printed(tmp_path, "init", "project", "--images", "crops")
    assert "2 classes: fox (1), owl (2); 1 unlabelled" in text
    pawprint_here(tmp_path, "crop", "coco.json", "photos", "fewer", "--threshold", "0.7")
    assert [*rows_of(tmp_path / "fewer")] == [name for name in rows if "b.jpg-0" not in name]


def test_labels_come_from_a_table_or_from_folders_that_are_asked_for(tmp_path):
    names = ("fox/a.jpg", "owl/b/a.jpg")
    write_files(tmp_path / "photos", dict.fromkeys(names, scene()))
    write_files(tmp_path, {"md.json": md({name: [found()] for name in names})})
    timelapse = "RootFolder,File,RelativePath,species\nx,a.jpg,fox,cat\nx,a.jpg,owl\\b,dog\n"
    write_files(tmp_path, {"t.csv": timelapse})
    images = [{"id": name, "file_name": name, "location": "l"} for name in names]
    shown = ((names[0], 7), (names[1], 7), (names[1], 9))  # two labels are none
    annotations = [{"image_id": name, "category_id": number} for name, number in shown]
    cct = json.dumps(COCO | {"images": images, "annotations": annotations})
    write_files(tmp_path, {"cct.json": cct})
    labels = {}
    for out, options in {
        "folders": ["--labels", "outer", "--margin", "0.1"],
        "table": ["--table", "t.csv", "--label", "species", "--as-is"],
        "json": ["--table", "cct.json"],
    }.items():
        printed(tmp_path, "crop", "md.json", "photos", out, *options)
        rows = [*rows_of(tmp_path / out).values()]
        labels[out] = [(row["label"], row["location"], row["crop_rule"]) for row in rows]
    assert labels["folders"] == [("fox", "", "square 0.1"), ("owl", "", "square 0.1")]
    assert labels["table"] == [("cat", "fox", AS_IS), ("dog", "owl/b", AS_IS)]
    assert labels["json"] == [("fox", "l", SQUARE), ("unlabelled", "l", SQUARE)]
    write_files(tmp_path, {"t.csv": f"{timelapse}x,a.jpg,fox,dog\n"})
    text = printed(
        tmp_path, "crop", "md.json", "photos", "differ", "--table", "t.csv", "--label", "species"
    )
    assert "1 photo with several labels" in text and "1 class: dog (1); 1 unlabelled" in text
    listed = json.dumps([{"file": name, "label": "fox"} for name in names])
    write_files(tmp_path, {"x.json": cct.replace("fox/", "x/"), "list.json": listed})
    for table, words in {
        "x.json": "the same paths. Received: x/a.jpg, owl/b/a.jpg, without a label for any",
        "md.json": "expected labels in COCO's JSON. Received: no 'categories'",
        "list.json": "expected labels in COCO's JSON. Received: a list",
    }.items():
        assert words in complaint(tmp_path, "crop", "md.json", "photos", "no", "--table", table)
    with pytest.raises(SystemExit):
        printed(tmp_path, "crop", "md.json", "photos", "no", *options, "--label", "species")
    assert not (tmp_path / "no").exists()


def test_dialects_are_read_by_name_or_refused(tmp_path):
    path = tmp_path / "boxes.json"

    def read(text: str) -> tuple[list[Photo], list[str]]:
        path.write_text(text)
        photos, _, notes = read_boxes(path, tmp_path)
        return photos, notes

    # PytorchWildlife numbers categories from 0, and other programs write Windows paths.
    names = {"0": "animal", "1": "person"}
    boxes = [found(category="1"), found(BLUE, category="0")]
    text = md({r"x\a.jpg": boxes}, info={"detector": "x"}, detection_categories=names)
    (photo,), notes = read(text)
    assert photo.file == "x/a.jpg" and [box.place for box in photo.boxes] == [1]
    assert "PytorchWildlife" in notes[-1]
    (photo,), _ = read(md({str(tmp_path / "a.jpg"): [found((0, 0, 0, 1))]}))
    assert (photo.file, photo.boxes) == ("a.jpg", [])
    (photo,), _ = read(md({"a.jpg": [found((*RED, 9))]}))
    assert photo.boxes[0].bbox == RED
    (_, again), _ = read(md({"a.jpg": [found()], "./a.jpg": [found()]}))
    assert "twice" in again.problem
    for text, reason in {
        json.dumps([{"file": "a.jpg"}]): "in pixels",
        json.dumps({"predictions": []}): "speciesnet_to_md",
        md({"a.jpg": [found((100, 100, 50, 50))]}): "in pixels",
        md({"a.jpg": [found((0, 0, 1))]}): "a box of 3 instead of four numbers",
        json.dumps({"images": []}): "no 'detection_categories'",
        "{": "Expecting",
    }.items():
        with refused("boxes.json", reason):
            read(text)


@pytest.mark.parametrize(
    ("info", "least"),
    [
        ({}, 0.2),
        ({"detector": "md_v4.1.0.pb"}, 0.8),
        ({"detector": "md_v1000.0.0-redwood.pt"}, 0.3),
        ({"detector": "md_v1000.0.0-cedar.pt"}, 0.2),
        ({"detector": "v4", "detector_metadata": {"typical_detection_threshold": 0.15}}, 0.15),
    ],
)
def test_threshold_is_the_one_of_megadetector(info, least):
    assert typical_threshold(info) == least


def test_predict_adds_labels_to_the_json_and_keeps_the_rest(tmp_path):
    model = str(write_colour_model(tmp_path / "model", crop_rule=SQUARE, unknown_threshold=0.32))
    write_files(tmp_path / "photos", {"a.jpg": scene()})
    boxes = [found(x=1), found(BLUE, 1), found(conf=0.1), found(category="2")]
    images = {"a.jpg": boxes, "gone.jpg": [found()], "broken.jpg": None}
    before = json.loads(md(images, classification_categories={"4": "dog"}, own={"z": [1, 2.0]}))
    before["images"].append({"file": "old.jpg", "detections": [], "failure": "as of old"})
    write_files(tmp_path, {"md.json": json.dumps(before)})
    command = ("predict", "--model", model, "photos", "--boxes", "md.json")
    result = pawprint_here(tmp_path, *command, "--format", "megadetector", "--output", "new.json")
    assert result.returncode == 1 and "gone.jpg: no such file" in result.stderr
    after = json.loads((tmp_path / "new.json").read_text())
    validate(after)
    assert after["classification_categories"] == {"4": "dog", "5": "cat"}
    first, second, *others = after["images"][0]["detections"]
    assert first.pop("classifications")[0] == ["4", 1.0]
    assert second.pop("classifications")[0] == ["5", 1.0]
    for key in ("classification_categories", "info"):
        before.pop(key), after.pop(key)
    before["images"][-1]["detections"] = None  # as the format requires
    assert before == after and [*first] == [*boxes[0]] and others == boxes[2:]
    result = pawprint_here(tmp_path, *command)
    assert [line.split()[:1] + line.split()[-1:] for line in result.stdout.splitlines()[:2]] == [
        ["dog", "a.jpg-0.jpg"],
        ["cat", "a.jpg-1.jpg"],
    ]


def test_model_says_if_it_was_trained_on_something_else(tmp_path):
    write_files(tmp_path, {"photos/a.jpg": scene(), "md.json": md({"a.jpg": [found()]})})
    of_crops = str(write_colour_model(tmp_path / "crops", crop_rule="square 0.5"))
    of_photos = str(write_colour_model(tmp_path / SERVED_MODEL))

    def said(*options: str) -> str:
        return pawprint_here(tmp_path, "predict", "photos", "--model", *options).stderr

    boxes = ("--boxes", "md.json")
    assert "trained on crops" in said(of_crops) and "trained" not in said(of_crops, *boxes)
    assert said(of_photos) == "" and "whole photos" in said(of_photos, *boxes)


def test_every_command_of_the_page_works_and_prints_what_it_shows(tmp_path):
    names = [f"{number}.jpg" for number in range(24)]
    table = "file,species\n" + "".join(
        f"{name},{('badger', 'fox')[place % 2]}\n" for place, name in enumerate(names)
    )
    texts = {"md.json": md({name: [found()] for name in names}), "species.csv": table}
    write_files(tmp_path, texts | {"new.json": md({"a.jpg": [found()]}), "new/a.jpg": scene()})
    write_files(tmp_path / "photos", photos_of(names))
    page = (PROJECT / "docs" / "boxes.md").read_text(encoding="utf-8")
    folder = tmp_path
    for _, text in blocks(page):
        for command, lines in commands(text):
            if command.startswith("pawprint predict"):
                folder = tmp_path / "species"
                write_colour_model(folder / SERVED_MODEL, crop_rule=SQUARE)
            result = pawprint_here(folder, *command.split()[1:])
            assert result.returncode == 0 and {*lines} <= {*result.stdout.splitlines()}, command
    validate(json.loads((tmp_path / "labelled.json").read_text()))


@pytest.mark.slow
def test_crop_in_memory_has_the_label_of_its_file(tmp_path, mirror):
    """Real photos with made boxes, which the JPEG of a crop changes a little."""
    rng = np.random.default_rng(0)
    images: dict[str, list[dict] | None] = {}
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        names = [name for name in archive.zip_file.namelist() if name.endswith(".jpg")]
        for number, name in enumerate(names[-1000:]):
            sides = rng.uniform(0.6, 0.9, 2)
            bbox = [*rng.uniform(0, 1 - sides), *sides]
            images[f"{number}.jpg"] = [found(bbox)]
            write_files(tmp_path / "photos", {f"{number}.jpg": read_member(archive, name)})
    write_files(tmp_path, {"md.json": md(images)})
    printed(tmp_path, "crop", "md.json", "photos", "crops")
    predictor = load_predictor(EXAMPLE_MODEL).with_classes_only()
    photos, *_ = read_boxes(tmp_path / "md.json", tmp_path / "photos")
    rows = [*predict_boxes(predictor, tmp_path / "photos", photos)]
    of_files = [
        predictor.predict(tmp_path / "crops" / "unlabelled" / row["path"]).label for row in rows
    ]
    differ = [row for row, label in zip(rows, of_files) if row["label"] != label]
    assert len(differ) <= 5
    assert all(row["probabilities"][row["label"]] < 0.55 for row in differ)
