"""Whatever is wrong with an image or an archive: nothing breaks, and nothing is dropped in silence.

`pytest tests/pipeline/test_faults.py -k table -s` prints the table of faults, what becomes of each,
and the stages that ran after it.
"""

import csv
import io
import tracemalloc
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import PROJECT, TINY, clean_archive, encode, photo, repro, run
from faults import ARCHIVES, IMAGES, JPEG, KEPT, MEMBERS, PHOTO, write_archive
from PIL import ImageChops, ImageStat

from pawprint.core.errors import InputError, printable
from pawprint.core.files import pack, read_json
from pawprint.core.tables import IMAGES as IMAGE_COLUMNS
from pawprint.core.tables import REJECTED, SPLIT, read_table
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.decoder import decode, open_image
from pawprint.images.resizing import resize
from pawprint.images.unusable import REASONS, UnusableImageError
from recipes.overlay import apply, overlay
from recipes.sample.demo import prepare
from recipes.sample.drawings import drawn_dataset

FAULTS = IMAGES | MEMBERS
# On params, on labels.csv, or on another image.
DEPEND_ON_OTHERS = {"no_jfif_header", "no_class", "neither_class", "duplicate", "contradictory"}
# Every image is drawn, so that none is only read by the network.
ALL_SHOWN = "preview: {samples: 1000}\nplot: {predictions: 1000}"
TRAINING = {"preview", "features", "train_extract", "train_finetune", "evaluate"}
READERS = {
    "train": TRAINING - {"evaluate"},
    "validation": TRAINING - {"preview"} | {"calibrate"},
    "test": {"evaluate", "plot"},
}
STAGES = [
    "preview", "features", "train_extract", "train_finetune", "calibrate", "evaluate", "plot",
]  # fmt: skip


def outcome(made: bytes) -> str:
    try:
        decode(made)
    except UnusableImageError as unusable:
        assert unusable.detail
        return unusable.reason
    return KEPT


@pytest.mark.parametrize("name", IMAGES)
def test_image_is_kept_or_has_its_reason(name):
    assert outcome(IMAGES[name].made) == IMAGES[name].promise


def test_corpus_has_every_reason_that_depends_on_nothing_else():
    promised = {fault.promise for fault in FAULTS.values()} - {KEPT}
    assert promised == set(REASONS) - DEPEND_ON_OTHERS


def test_every_reason_is_explained():
    page = (PROJECT / "docs" / "images.md").read_text(encoding="utf-8")
    assert [name for name in REASONS if f"`{name}`" not in page] == []


class Dirty(NamedTuple):
    """A workspace in which the pipeline ran on drawn images among all faults, and the faults.

    `faults` has the name of the fault behind each path of the archive.
    """

    workspace: Path
    faults: dict[str, str]


@pytest.fixture(scope="module")
def dirty(tmp_path_factory) -> list[Dirty]:
    """All faults among training images, and all among those for validation and test.

    Not both at once: of images with the same pixels one is dropped.
    """
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    made = []
    for split in ("train", "validation"):
        folder = tmp_path_factory.mktemp(f"dirty-{split}")
        drawn = drawn_dataset(train=10, validation=6)
        archive = folder / "images.zip"
        faults = write_archive(archive, [f"drawn/{split}/cats"], drawn, FAULTS)
        workspace = folder / "workspace"
        prepare(workspace, overlay(overlay(apply(params, "sample"), TINY), ALL_SHOWN))
        before = {path for path in folder.rglob("*") if path.is_file()}
        assert len(repro(workspace)) == 14
        after = {path for path in folder.rglob("*") if path.is_file()}
        assert all(path.is_relative_to(workspace) for path in after - before)
        made.append(Dirty(workspace, faults))
    return made


@pytest.mark.slow
def test_table_of_faults_and_what_became_of_them(dirty, tmp_path):
    outcomes, read = defaultdict(set), defaultdict(set)
    for workspace, faults in dirty:
        table = read_table(workspace / "data/clean/rejected.csv", REJECTED)
        rejected = dict(zip(table["path"], table["reason"]))
        table = read_table(workspace / "data/split/images.csv", SPLIT)
        splits = dict(zip(table["path"], table["split"]))
        for path, name in faults.items():
            outcomes[name].add(rejected.get(path, KEPT))
            read[name] |= READERS[splits[path]] if path in splits else set()
    print(f"\n{'fault':<52} {'kept, or why not':<16} stages that read it after clean and split")
    for name, fault in FAULTS.items():
        shown = ", ".join(stage for stage in STAGES if stage in read[name])
        print(f"{name[:52]:<52} {' '.join(outcomes[name]):<16} {shown or '-'}")
        if fault.promise == KEPT and outcomes[name] == {"duplicate"}:
            continue  # of another fault's image with the same pixels
        assert outcomes[name] == {fault.promise}, name
        assert read[name] >= (TRAINING if fault.promise == KEPT else set()), name
    for name in ARCHIVES:
        line = refusal(tmp_path / "images.zip", name)
        print(f"{'archive: ' + name:<52} {'refused':<16} - ({line[:60]}…)")


@pytest.mark.slow
def test_every_file_of_the_archive_is_counted_once(dirty):
    for workspace, _ in dirty:
        kept = read_table(workspace / "data/clean/images.csv", IMAGE_COLUMNS)
        rejected = read_table(workspace / "data/clean/rejected.csv", REJECTED)
        with open_archive(workspace / "data/raw/archives/images.zip") as archive:
            names = [printable(name) for name in members(archive)]
        assert sorted([*kept["path"], *rejected["path"]]) == sorted(names)
        assert read_json(workspace / "metrics/clean.json") == {"rejected": len(rejected)}


@pytest.mark.slow
def test_predict_gives_every_file_a_label_or_a_reason(dirty, tmp_path):
    workspace, _ = dirty[0]
    for name, fault in IMAGES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(fault.made)
    given = [str(tmp_path / name) for name in IMAGES]
    result = run("python", "-m", "pawprint", "predict", "--format", "csv", *given, cwd=workspace)
    assert (result.returncode, result.stderr) == (1, "")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["path"] for row in rows] == given
    for row, fault in zip(rows, IMAGES.values()):
        promised = "" if fault.promise == KEPT else fault.promise.replace("_", " ")
        assert row["error"].split(":")[0] == promised, row
        assert row["label"] == ("" if promised else row["label"]), row
        assert bool(row["label"]) != bool(row["error"]), row
    good = [path for path, fault in zip(given, IMAGES.values()) if fault.promise == KEPT]
    assert run("python", "-m", "pawprint", "predict", *good, cwd=workspace).returncode == 0


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_is_refused_in_one_line(tmp_path, name):
    line, _, tree = refusal(tmp_path / "images.zip", name).partition(" Received:\n")
    assert "\n" not in line + tree


def refusal(path: Path, name: str) -> str:
    """The line, without the path before it, with which `clean` ends for one of ARCHIVES."""
    pack(path, [("cats/ж.jpg", JPEG), ("dogs/1.jpg", JPEG)])
    path.write_bytes(ARCHIVES[name].made(path.read_bytes()))
    with pytest.raises(InputError, match=ARCHIVES[name].promise) as error:
        clean_archive(path)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


def test_archive_of_more_members_than_a_plain_zip_can_hold(tmp_path):
    pack(
        tmp_path / "images.zip",
        [
            ("cats/1.jpg", photo(1)),
            ("dogs/1.jpg", photo(2)),
            *((f"{n}", b"") for n in range(2**16)),
        ],
    )
    kept, rejected = clean_archive(tmp_path / "images.zip")
    assert (len(kept), len(rejected)) == (2, 2**16)


@pytest.mark.parametrize("name", ["bomb", "bomb that says it is small", "method without a bound"])
def test_bomb_takes_no_memory(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        member = MEMBERS[name].made(archive, "cats")
    with open_archive(tmp_path / "images.zip") as archive:
        tracemalloc.start()
        with pytest.raises(UnusableImageError):
            read_member(archive, member)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 2**20


@pytest.mark.parametrize(
    "name",
    [
        "png as.jpg",
        "cmyk.jpg",
        "ycck.jpg",
        "rgba.png",
        "animated.png",
        "webp as.jpg",
        "heic as.jpg",
        "progressive.jpg",
    ],
)
def test_image_in_colour_shows_the_photo(name):
    assert difference(name, PHOTO) < 6


@pytest.mark.parametrize("name", ["grey.png", "grey and alpha.png", "16 bits.png", "16 bits.tiff"])
def test_grey_image_of_any_depth_shows_the_photo(name):
    assert difference(name, PHOTO.convert("L").convert("RGB")) < 2


def difference(name: str, expected) -> float:
    """Mean difference of the values of two pictures, in [0, 255]."""
    found = decode(IMAGES[name].made)
    return max(ImageStat.Stat(ImageChops.difference(found, expected)).mean)


def test_transparent_pixels_are_white():
    photo = PHOTO.convert("RGBA")
    photo.putalpha(0)
    for form in ("PNG", "WEBP"):
        assert decode(encode(photo, form)).getcolors() == [(96 * 64, (255, 255, 255))]


@pytest.mark.parametrize("name", ["exif orientation.jpg", "turned.heic"])
def test_orientation_is_honoured_wherever_pixels_are_read(tmp_path, name):
    upright = np.asarray(PHOTO.rotate(-90, expand=True)).astype(int)
    pack(tmp_path / "images.zip", [("cats/1.jpg", IMAGES[name].made)])
    with open_archive(tmp_path / "images.zip") as archive:
        image = open_image(archive, "cats/1.jpg")
    assert np.abs(np.asarray(image) - upright).mean() < 3
    assert resize(image, 32, "crop").shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ([("cats/2.jpg", JPEG)], "There is no item named"),
        ([("cats/1.jpg", JPEG[:-200])], "truncated"),
    ],
)
def test_archive_that_was_replaced_after_clean_is_named_with_the_image(tmp_path, later, message):
    pack(tmp_path / "images.zip", later)
    expected = rf"images\.zip: expected cats/1\.jpg to be the image .*{message}.*Run `dvc repro`"
    archive = open_archive(tmp_path / "images.zip")
    with archive, pytest.raises(InputError, match=expected):
        open_image(archive, "cats/1.jpg")
