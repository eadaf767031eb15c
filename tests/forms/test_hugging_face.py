"""Test forms that other tools wrote: tests/support/shipped/, by tests/support/shipped_forms.py."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import PROJECT, photos_of, refused
from pyarrow import parquet

from pawprint.errors import InputError
from pawprint.forms import NOTHING, Asked, hugging_face
from pawprint.projects.init import create

SHIPPED = PROJECT / "tests/support/shipped"
PHOTOS = [path.read_bytes() for path in sorted((SHIPPED / "photos").glob("*.jpg"))]
MONTHS = pa.timestamp("s", "Nowhere/Unknown")  # a zone that Python does not know
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def made(tmp_path: Path, images: Path, asked: Asked = NOTHING) -> dict[bytes, tuple[str, str]]:
    """Return the label and split of each photo in a new project, keyed by the file's bytes."""
    create(tmp_path / "p", images, None, asked=asked)
    table = (tmp_path / "p/photos/metadata.csv").read_text(encoding="utf-8")
    return {
        (tmp_path / "p/photos" / row["file_name"]).read_bytes(): (
            row["label"],
            row.get("split") or "",
        )
        for row in csv.DictReader(table.splitlines())
    }


@pytest.mark.parametrize(
    "name", ["disk", "hub", "studio/tasks.json", "studio/result.csv", "studio/result.json"]
)
def test_photos_keep_their_bytes_and_get_their_labels(tmp_path, name):
    splits = not name.startswith("studio")
    asked = NOTHING if splits else Asked(SHIPPED / name)
    found = made(tmp_path, SHIPPED / ("photos" if asked.table else name), asked)
    assert found == {
        data: (("cat", "dog")[number % 2], ("train", "test")[number // 2] if splits else "")
        for number, data in enumerate(PHOTOS)
    }


def write(path: Path, labels: list, column: str = "label", **more: list) -> Path:
    """Write a Parquet file as other programs do, without class names."""
    photos = photos_of(map(str, range(len(labels)))).values()
    images = pa.array([{"bytes": data, "path": None} for data in photos], IMAGE)
    parquet.write_table(pa.table({"image": images, column: labels} | more), path)
    return path


def test_class_names_come_from_the_readme_and_a_hidden_class_stays_unlabelled(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a/train-00000-of-00001.parquet", [0, 1, 0, 1, -1], "kind")
    (tmp_path / "a/README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: kind\n"
        "    dtype:\n      class_label:\n        names:\n          '0': cat\n          '1': dog\n"
        "---\n# Cats and dogs\n"
    )
    found = made(tmp_path, tmp_path / "a")
    assert sorted(found.values()) == [("cat", "train")] * 2 + [("dog", "train")] * 2
    assert len(list((tmp_path / "p/photos").rglob("*.jpeg"))) == 5


CARD = """---
dataset_info:
- config_name: a
  features:
  - {{name: label, dtype: {{class_label: {{names: {}}}}}}}
- config_name: b
  features:
  - {{name: label, dtype: {{class_label: {{names: {}}}}}}}
---
"""


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["{'1': dog, '0': cat}"] * 2, []),  # as formatters sort '10' before '2'
        (["{'0': cat}"] * 2, ["row 1 of", "below 1", "README.md"]),
        (["{0: cat, 1: dog}", "{0: dog, 1: cat}"], None),  # whose names they are is unknown
    ],
)
def test_class_names_are_those_of_their_numbers(tmp_path, names, words):
    (tmp_path / "a").mkdir()
    more = {"patient": ["x", "y", "y", "y"], "essay": ["z" * 10**6] * 4}
    if words is not None:  # otherwise, each column may be the labels
        more["Label"] = [1, 2, 3, 4]
        more["taken"] = pa.array([10**9] * 4, MONTHS)
    write(tmp_path / "a/train.parquet", [0, 1, 0, 1], **more)
    (tmp_path / "a/README.md").write_text(CARD.format(*names))
    if words:
        with refused(*words):
            create(tmp_path / "p", tmp_path / "a", None)
        return
    found = made(tmp_path, tmp_path / "a").values()
    classes = ["0", "1"] if words is None else ["cat", "dog"]
    assert sorted(found) == [(label, "train") for label in classes for _ in range(2)]
    table = (tmp_path / "p/photos/metadata.csv").read_text(encoding="utf-8")
    assert table.startswith("file_name,label,split,patient\n")
    assert [row["patient"] for row in csv.DictReader(table.splitlines())] == ["x", "y", "y", "y"]


def test_one_file_is_a_form_and_numbers_without_names_are_classes(tmp_path):
    path = write(tmp_path / "a.parquet", [3, 5, 3, 5])
    notes = create(tmp_path / "p", path, None)
    assert "2 classes: 3 (2), 5 (2)" in notes and any("numbers" in note for note in notes)


@pytest.mark.parametrize("name", ["a.parquet", "disk/train/data-00000-of-00001.arrow"])
@pytest.mark.parametrize("left", [-8, 100])
def test_file_that_was_cut_short_is_refused(tmp_path, name, left):
    """pyarrow reads an Arrow file without its end, or without its last batches, as a whole one."""
    shutil.copytree(SHIPPED / "disk", tmp_path / "disk")
    write(tmp_path / "a.parquet", [0, 1, 0, 1])
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:left])
    with refused(name, "complete", "again"):
        create(tmp_path / "p", tmp_path / name.split("/")[0], None)
    assert not (tmp_path / "p").exists()


def test_missing_file_of_several_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a/train-00001-of-00002.parquet", [0, 1, 0, 1])
    with refused(str(tmp_path / "a"), "missing from train"):
        create(tmp_path / "p", tmp_path / "a", None)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"colour": ["a", "b", "b", "a"]}, ["colour, kind", "--label"]),
        ({"mask": pa.nulls(4, IMAGE)}, ["one column of images", "image, mask"]),
    ],
)
def test_columns_in_doubt_are_named(tmp_path, more, words):
    with refused("a.parquet", *words):
        create(tmp_path / "p", write(tmp_path / "a.parquet", [0, 1] * 2, "kind", **more), None)


@pytest.mark.parametrize("path", ["/etc/hosts", "../secret.jpg", "link.jpg"])
def test_path_in_a_dataset_never_leads_outside_the_folder(tmp_path, path):
    """`to_parquet` writes paths instead of bytes."""
    (tmp_path / "secret.jpg").write_bytes(PHOTOS[0])
    (tmp_path / "a").mkdir()
    (tmp_path / "a/link.jpg").symlink_to(tmp_path / "secret.jpg")
    images = pa.array([{"bytes": None, "path": path}] * 2, IMAGE)
    parquet.write_table(pa.table({"image": images, "label": ["a", "b"]}), tmp_path / "a/a.parquet")
    with pytest.raises(InputError, match=f"path of a file in this folder.*{path}|{path}.*outside"):
        create(tmp_path / "p", tmp_path / "a", None)
    assert not (tmp_path / "p").exists()


def test_path_in_the_folder_is_read(tmp_path):
    images = shutil.copytree(SHIPPED / "photos", tmp_path / "a")
    paths = [{"bytes": None, "path": str(path)} for path in sorted(images.glob("*.jpg"))]
    table = pa.table({"image": pa.array(paths, IMAGE), "label": ["cat", "dog"] * 2})
    parquet.write_table(table, images / "a.parquet")
    found = made(tmp_path, images)
    assert [found[data][0] for data in PHOTOS] == ["cat", "dog"] * 2


def test_memory_does_not_grow_with_the_file(tmp_path):
    """By default, pyarrow keeps all that it has read; see findings/."""
    images = pa.array([{"bytes": bytes(10**5), "path": "a.jpg"}] * 200, IMAGE)
    options = {"row_group_size": 10, "use_dictionary": False, "compression": "none"}
    parquet.write_table(pa.table({"image": images}), tmp_path / "a.parquet", **options)
    before = pa.total_allocated_bytes()
    allocated = (pa.total_allocated_bytes() for _ in hugging_face._values(tmp_path / "a.parquet"))
    assert max(allocated) - before < 10**7


def test_form_that_is_not_used_is_not_imported():
    code = (
        "import sys; from pathlib import Path; from pawprint.forms import NOTHING, find_form\n"
        "names = ['a/1.jpg', 'b/2.jpg', 'a/1.npz', 'a/1.parquet']\n"
        "find_form(Path(), {name: Path(name) for name in names}, NOTHING, 'auto')\n"
        "modules = ('pawprint.forms.', 'pyarrow.parquet')\n"
        "print(*[name for name in sys.modules if name.startswith(modules)])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True
    )
    assert (result.stdout.strip(), result.stderr) == ("", "")
