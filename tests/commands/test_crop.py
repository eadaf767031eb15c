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
from pages import follow, steps
from PIL import ExifTags, Image

from pawprint.base.columns import METADATA
from pawprint.base.paths import SERVED_MODEL
from pawprint.given.boxes import AS_IS, Photo, corners, cut, read_boxes
from pawprint.given.decoding.content import read_exif
from pawprint.given.metadata_csv import crop_rule_of, describe_crop_rules

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
        ((0, 0.1, 0.05, 0.5), SQUARE, (0, 30, 150, 180)),  # at the left and at the bottom
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
                 "1 without a box to cut, 3 failed", "photos: 1 photo not in the JSON",
                 "no such file or directory: gone.jpg\n", "image access failure: broken.jpg",
                 "a path with .."):  # fmt: skip
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
    assert "0 classes; 5 unlabelled" in text and "pawprint app" in text
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
    with refused("400 x 300 pixels: another photo, or before EXIF"):
        cut(photo.read(photos), photo._replace(size=SIZE), AS_IS)
    assert cut(photo.read(photos), photo._replace(size=(600, 801)), AS_IS)  # another scale


@pytest.mark.parametrize(
    ("rules", "expected", "line"),
    [
        ([SQUARE, AS_IS, SQUARE], SQUARE, "crop_rule: 2 square 0.0, 1 as-is; `predict --boxes`"),
        ([SQUARE, "", ""], None, "crop_rule: 2 whole photos, 1 square 0.0;"),
        (["wheat"] * 3, None, ""),  # a column of the user's
    ],
)
def test_rule_is_the_one_of_most_images_and_others_are_counted(rules, expected, line):
    cells = [(str(place), "crop_rule", rule) for place, rule in enumerate(rules) if rule]
    table = pd.DataFrame([*cells, ("0", "camera", AS_IS)], columns=list(METADATA))
    assert crop_rule_of(table, ["0", "1", "2"]) == expected
    found = describe_crop_rules(table, ["0", "1", "2"])
    assert found.startswith(line) and bool(found) == bool(line)


@pytest.mark.parametrize(
    ("rule", "width", "scale"), [(SQUARE, 0.5, 8), (SQUARE, 0.1, 4), (AS_IS, 0.2, 4)]
)
def test_photo_is_decoded_at_the_scale_of_its_smallest_box(tmp_path, rule, width, scale):
    boxes = [found((0.1, 0.1, 0.9, 0.9)), found((0.4, 0.4, width, width / 2))]
    content = encode(Image.new("RGB", (4000, 3000), "red"))
    write_files(tmp_path, {"a.jpg": content, "md.json": md({"a.jpg": boxes})})
    (photo,), *_ = read_boxes(tmp_path / "md.json", tmp_path)
    _, crop = cut(photo.read(tmp_path), photo, rule, side=64)
    assert crop.width == round(4000 * width / scale) and min(crop.size) >= 64


def test_photo_above_8_bits_is_cut_as_bright_as_its_bits_say_or_fails(tmp_path):
    values = np.tile(np.arange(0, 4096, 16, np.uint16), (256, 1))
    data = encode(Image.fromarray(values), "PNG")
    (photo,), _ = read(tmp_path, md({"12.png": [found((0, 0, 1, 1))]}))
    with refused("uses 12 of 16 bits", "--bits"):
        cut(data, photo, SQUARE)
    write_files(tmp_path, {"12.png": data})
    printed(tmp_path, "crop", "boxes.json", ".", "crops", "--bits", "12")
    with Image.open(tmp_path / "crops/unlabelled/12.png-0.jpg") as crop:
        assert len(np.unique(np.asarray(crop))) > 200


SIDES = {"width": 800, "height": 600}  # of a larger copy of the scene
COCO = {
    "images": [
        {"id": "a", "file_name": "a.jpg", **SIDES, "seq_id": "s1", "location": "l1"},
        {"id": "b", "file_name": "b.jpg", **SIDES, "seq_id": "s1", "location": None},
        {"id": "c", "file_name": "c.jpg", "corrupt": True},
        {"id": "d", "file_name": "d.jpg"},
    ],
    "categories": [{"id": 0, "name": "empty"}, {"id": 7, "name": "fox"}, {"id": 9, "name": "owl"}],
    "annotations": [
        {"id": "1", "image_id": "a", "category_id": 7, "bbox": [200, 300, 100, 150, 1]},
        {"id": "0", "image_id": "a", "category_id": 9, "bbox": []},
        {"id": "2", "image_id": "a", "category_id": 9, "bbox": [600, 0, 200, 150], "score": 0.6},
        {"id": "4", "image_id": "b", "category_id": 7, "bbox": [200, 300, 100, 150],
         "sequence_level_annotation": True},
        {"id": "5", "image_id": "b", "category_id": 0},
        {"id": "8", "image_id": "b", "category_id": "unknown"},
        {"id": "9"},
        {"id": "6", "image_id": "d", "category_id": 7, "bbox": [1, 1, 1, 1]},
    ],
}  # fmt: skip


def test_coco_has_the_label_sequence_and_location_of_each_box(tmp_path):
    write_files(tmp_path / "photos", dict.fromkeys(("a.jpg", "b.jpg", "d.jpg"), scene()))
    write_files(tmp_path, {"coco.json": json.dumps(COCO)})
    result = pawprint_here(tmp_path, "crop", "coco.json", "photos", "crops")
    assert result.returncode == 1 and "marked as corrupt: c.jpg" in result.stdout
    assert "without the width and height of the photo (d.jpg, id 6)" in result.stdout
    unknown = (
        "1 annotation of category 'unknown', which the file does not name (annotations[5], id 8)"
    )
    assert unknown in result.stdout  # for which the photo has no label
    rows = rows_of(tmp_path / "crops")
    cells = {(name, row["group"], row["location"], row["label"]) for name, row in rows.items()}
    assert cells == {
        ("labelled/a.jpg-0.jpg", "s1", "l1", "fox"),
        ("labelled/a.jpg-1.jpg", "s1", "l1", "owl"),
        ("unlabelled/b.jpg-0.jpg", "s1", "", "unlabelled"),
    }
    for name in rows:
        with Image.open(tmp_path / "crops" / name) as crop:
            assert colour_of(crop) == ("blue" if "a.jpg-1" in name else "red")
    pawprint_here(tmp_path, "crop", "coco.json", "photos", "fewer", "--threshold", "0.7")
    assert [*rows_of(tmp_path / "fewer")] == [name for name in rows if "a.jpg-1" not in name]


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
        text = printed(tmp_path, "crop", "md.json", "photos", out, *options)
        rows = [*rows_of(tmp_path / out).values()]
        labels[out] = [(row["label"], row["location"], row["crop_rule"]) for row in rows]
    assert labels["folders"] == [("fox", "", "square 0.1"), ("owl", "", "square 0.1")]
    assert labels["table"] == [("cat", "fox", AS_IS), ("dog", "owl/b", AS_IS)]
    assert labels["json"] == [("fox", "l", SQUARE), ("unlabelled", "l", SQUARE)]
    assert "1 photo with several labels" in text and "is in labels.csv: owl/b/a.jpg" in text
    write_files(tmp_path, {"x.json": cct.replace("fox/", "x/")})
    command = ("crop", "md.json", "photos", "no", "--table")
    line = complaint(tmp_path, *command, "x.json")
    assert "the same paths. Received: x/a.jpg, owl/b/a.jpg, without" in line
    assert "md.json: expected labels" in complaint(tmp_path, *command, "md.json")
    assert "x.json" in complaint(tmp_path, *command, "x.json", "--label", "species")
    assert not (tmp_path / "no").exists()


def test_table_adds_to_what_the_photos_have_and_its_labels_come_first(tmp_path):
    """COCO's boxes have labels, sequences and sites, too."""
    names = [f"site/{number}.jpg" for number in range(4)]
    write_files(tmp_path / "photos", dict.fromkeys(names, scene()))
    of_photo = {"width": 400, "height": 300, "seq_id": "s", "location": "l"}
    images = [{"id": name, "file_name": name} | of_photo for name in names]
    boxes = [{"image_id": name, "category_id": 7, "bbox": [100, 150, 50, 75]} for name in names]
    table = "File,species,Group,Location,Confidence\n0.jpg,owl,g,,sure\n1.jpg,owl,,x\n"
    table += "2.jpg,fox; owl,,\n"
    table += "3.jpg,fox,,\ndeleted.jpg,fox,,\n"
    coco = json.dumps(COCO | {"images": images, "annotations": boxes})
    write_files(tmp_path, {"coco.json": coco, "t.csv": table})
    command = ("crop", "coco.json", "photos", "crops", "--table", "t.csv", "--label", "species")
    text = printed(tmp_path, *command)
    assert "1 row with no file" in text and "several labels" in text
    rows = [[*row.values()][:3] for row in rows_of(tmp_path / "crops").values()]
    expected = [["g", "l", "owl"], ["s", "x", "owl"], ["s", "l", "unlabelled"], ["s", "l", "fox"]]
    assert rows == expected
    first, *_ = rows_of(tmp_path / "crops").values()
    assert (first["own_confidence"], first["confidence"]) == ("sure", "")
    assert "the table's confidence is in own_confidence" in text


def read(folder: Path, text: str) -> tuple[list[Photo], list[str]]:
    """Write a JSON of boxes to the folder of the photos, and return these with the lines."""
    write_files(folder, {"boxes.json": text})
    photos, _, notes = read_boxes(folder / "boxes.json", folder)
    return photos, notes


def test_dialects_are_read_by_name_or_refused(tmp_path):
    write_files(tmp_path, {"x/a.jpg": scene(), "a.jpg": scene()})
    # PytorchWildlife numbers categories from 0, and other programs write Windows paths.
    names = {"0": "animal", "1": "person"}
    boxes = [found(category="1"), found(BLUE, category="0")]
    text = md({r"x\a.jpg": boxes}, info={"detector": "x"}, detection_categories=names)
    (photo,), _ = read(tmp_path, text)
    assert photo.file == "x/a.jpg" and [box.place for box in photo.boxes] == [1]
    (photo,), _ = read(tmp_path, md({str(tmp_path / "a.jpg"): [found((*RED, 9))]}))
    assert photo.file == "a.jpg" and photo.boxes[0].bbox == RED
    of_redwood = {"detector_metadata": {"typical_detection_threshold": 0.3}}
    for info, least in ((of_redwood, 0.3), ({}, 0.2)):
        (photo,), _ = read(
            tmp_path, md({"a.jpg": [found(conf=n / 10) for n in range(9)]}, info=info)
        )
        assert photo.boxes[0].confidence == least
    same_id = [{"id": 1, "name": "fox"}, {"id": 1, "name": "owl"}]
    for text, reason in {
        json.dumps([{"file": "a.jpg"}]): "another format",
        json.dumps({"predictions": []}): "speciesnet_to_md",
        json.dumps({"images": []}): "no 'detection_categories'",
        "{": "Expecting",
        json.dumps(COCO | {"categories": same_id}): "categories with the same id",
    }.items():
        with refused("boxes.json", reason):
            read(tmp_path, text)


def test_boxes_that_cannot_be_cut_are_counted_with_the_reason_and_the_first(tmp_path):
    good = [200, 300, 100, 150]
    bad = [[1, 1, 0, 5], [1, 1, 5, -5], [float("nan"), 1, 5, 5]]
    bad += [[800, 9, 9, 9], [-9, 9, 9, 9], [9, 700, 9, 9], RED, good[:3], ["left", 1, 5, 5]]
    image = {"id": 0, "file_name": "0.jpg", **SIDES}
    annotations = [
        {"id": place, "image_id": 0, "category_id": 7, "bbox": box}
        for place, box in enumerate([good, *bad, good])
    ]
    annotations[-1] |= {"category_id": 8}
    annotations.append(annotations[0] | {"image_id": "0"})
    annotations += [annotations[0] | {"category_id": [7]}, None]
    images = [image, image | {"id": 1, "width": "x"}]
    text = json.dumps(COCO | {"images": images, "annotations": annotations})
    (photo,), (line, *_) = read(tmp_path, text)
    assert [box.place for box in photo.boxes] == [0]
    for reason in (
        "3 boxes without an area (0.jpg, id 1 and 2 more)",
        "3 boxes outside the photo (0.jpg, id 4 and 2 more)",
        "1 box in fractions instead of pixels (0.jpg, id 7)",
        "1 box malformed: not enough values",
        "1 box malformed: could not convert",
        "1 box of category 8, which the file does not name (0.jpg, id 10)",
        "1 annotation of an image_id that no image has (annotations[11], id 0)",
        "1 annotation malformed: unhashable type: 'list' (annotations[12], id 0)",
        "1 annotation malformed: 'NoneType'",
        "1 image malformed: could not convert string to float: 'x' (images[1], id 1)",
    ):
        assert reason in line
    odd = [found((0.1, 0.1, 0.1)), found(conf="high"), found(category="7"), found((0, 0, 0, 1))]
    (photo,), notes = read(tmp_path, md({"0.jpg": [found(), *odd]}))
    assert len(photo.boxes) == 1 and notes[1].count("1 box ") == 4
    (photo,), _ = read(tmp_path, md({"0.jpg": "nope"}))
    assert "detections are not a list" in photo.problem


def test_photo_that_a_json_has_twice_is_used_only_if_both_are_equal(tmp_path):
    images = [
        {"id": number, "file_name": name, "width": 400, "height": 300}
        for number, name in enumerate(["a.jpg", "b.jpg", "a.jpg", "b.jpg"])
    ]
    annotations = [
        {"image_id": number, "category_id": 7 + 2 * (number == 2), "bbox": [100, 150, 50, 75]}
        for number in range(4)
    ]
    coco = COCO | {"images": images, "annotations": annotations}
    (first, second), _ = read(tmp_path, json.dumps(coco))
    assert "twice" in first.problem and second.problem == ""
    same_id = [image | {"id": 0} for image in images[:2]]
    with refused("images with the same id"):
        read(tmp_path, json.dumps(coco | {"images": same_id}))


@pytest.mark.parametrize(
    ("written", "expected", "line"),
    [
        ("/mnt/card/{}", "site/{}", "'/mnt/card/' was replaced by 'site/'"),  # moved
        ("all/site/{}", "site/{}", "'all/site/' was replaced by 'site/'"),
        ("D:\\cams\\s1\\{}", "{}", "'D:/cams/s1/' was replaced by ''"),
        ("{}", "site/{}", "'' was replaced by 'site/'"),
        ("Fu\u0308chse/{}", "F\xfcchse/{}", ""),  # as Macs write it
        ("twice/{}", "twice/{}", "has no twice/1.jpg"),  # could be in either folder
    ],
)
def test_photos_are_found_where_they_are_below_the_folder(tmp_path, written, expected, line):
    folders = (
        ["F\xfcchse", "one", "two"] if written in ("Fu\u0308chse/{}", "twice/{}") else ["site"]
    )
    folders = ["."] if expected == "{}" else folders
    names = ["1.jpg", "2.jpg"]
    write_files(tmp_path, {f"{folder}/{name}": scene() for folder in folders for name in names})
    boxes = {written.format(name): [found()] for name in names}
    photos, notes = read(tmp_path, md(boxes))
    assert [photo.file for photo in photos] == [expected.format(name) for name in names]
    assert [photo.name for photo in photos] == [*boxes]  # as in the JSON that `predict` writes
    assert any(line in note for note in notes) or not line


def test_predict_adds_labels_to_the_json_and_keeps_the_rest(tmp_path):
    model = str(write_colour_model(tmp_path / "model", crop_rule=SQUARE, unknown_threshold=0.32))
    write_files(tmp_path / "photos", {"a.jpg": scene()})
    boxes = [found(x=1), found(BLUE, 1), found(conf=0.1), found(conf=1, category="2")]
    images = {"a.jpg": boxes, "gone.jpg": [found()], "broken.jpg": None}
    before = json.loads(md(images, classification_categories={"4": "dog"}, own={"z": [1, 2.0]}))
    before["images"] += [before["images"][0]]  # listed again
    before["images"].append({"file": "old.jpg", "detections": [], "failure": "as of old"})
    write_files(tmp_path, {"md.json": json.dumps(before)})
    command = ("predict", "--model", model, "photos", "--boxes", "md.json")
    result = pawprint_here(tmp_path, *command, "--format", "megadetector", "--output", "new.json")
    assert result.returncode == 1 and "gone.jpg: no such file" in result.stderr
    after = json.loads((tmp_path / "new.json").read_text())
    validate(after)
    assert after["classification_categories"] == {"4": "dog", "5": "cat"}
    assert after["images"][0] == after["images"][-2]
    after["images"][-2] = before["images"][-2]
    first, second, *others = after["images"][0]["detections"]
    assert first.pop("classifications")[0] == ["4", 1.0]
    assert second.pop("classifications")[0] == ["5", 1.0]
    for key in ("classification_categories", "info"):
        before.pop(key), after.pop(key)
    before["images"][-1]["detections"] = None  # as the format requires
    assert before == after and [*first] == [*boxes[0]] and others == boxes[2:]
    lines = pawprint_here(tmp_path, *command, "--format", "csv").stdout.splitlines()
    rows = [
        tuple(row[key] for key in ("path", "label", "photo", "box", "confidence"))
        for row in csv.DictReader(lines)
    ]
    assert rows[0] == ("a.jpg-0.jpg", "dog", "a.jpg", "0", "0.9")
    assert rows[1:3] == [
        ("a.jpg-1.jpg", "cat", "a.jpg", "1", "1.0"),
        ("gone.jpg", "", "gone.jpg", "", ""),
    ]


def test_model_says_if_it_was_trained_on_something_else(tmp_path):
    write_files(tmp_path, {"photos/a.jpg": scene(), "md.json": md({"a.jpg": [found()]})})
    of_crops = str(write_colour_model(tmp_path / "model", crop_rule="square 0.5"))
    of_photos = str(write_colour_model(tmp_path / SERVED_MODEL))

    def said(*options: str) -> str:
        return pawprint_here(tmp_path, "predict", "photos", "--model", *options).stderr

    boxes = ("--boxes", "md.json")
    assert "trained on crops" in said(of_crops) and "trained" not in said(of_crops, *boxes)
    assert said(of_photos) == "" and "whole photos" in said(of_photos, *boxes)
    assert "crop_rule: square 0.5" in said(of_crops, *boxes)
    for margin, is_right in (("0.5", True), ("0", False)):
        folder = f"crops {margin}"
        printed(tmp_path, "crop", "md.json", "photos", folder, "--margin", margin)
        result = pawprint_here(tmp_path, "predict", f"{folder}/unlabelled", "--model", of_crops)
        assert ("trained on crops" in result.stderr) != is_right


def test_every_command_of_the_page_works_and_prints_what_it_shows(tmp_path):
    names = [f"{number}.jpg" for number in range(24)]
    table = "file,species\n" + "".join(
        f"{name},{('badger', 'fox')[place % 2]}\n" for place, name in enumerate(names)
    )
    texts = {"md.json": md({name: [found()] for name in names}), "species.csv": table}
    write_files(tmp_path, texts | {"new.json": md({"a.jpg": [found()]}), "new/a.jpg": scene()})
    write_files(tmp_path / "photos", photos_of(names))
    page = (PROJECT / "docs" / "boxes.md").read_text(encoding="utf-8")
    for command, lines, folder in follow(steps(page), tmp_path, {}):
        if command.startswith("pawprint predict"):
            folder = tmp_path / "species"
            write_colour_model(folder / SERVED_MODEL, crop_rule=SQUARE)
        result = pawprint_here(folder, *command.split()[1:])
        assert result.returncode == 0 and {*lines} <= {*result.stdout.splitlines()}, command
    validate(json.loads((tmp_path / "labelled.json").read_text()))
