"""Every layout and source from archive to split, and what is wrong with one in one line."""

import io
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, photo, run

from pawprint.core.errors import InputError
from pawprint.core.files import pack
from pawprint.core.tables import SOURCE_TABLE, read_table
from pawprint.dataset.cleaning import clean
from pawprint.dataset.layout import find_labels
from pawprint.dataset.splitting import split
from pawprint.dataset.watching import UNWATCHED, require_watched
from pawprint.images.archive import members, open_archive
from stages.fetch import fetch

FLAT = {f"{label}/{n}.jpg": "" for label in ("cat", "dog", "owl") for n in range(40)}


def divided(*splits: str) -> list[str]:
    return [f"{name}/{label}/{n}.jpg" for name in splits for label in "ab" for n in range(8)]


def photos_of(names: list[str]) -> list[tuple[str, bytes]]:
    return [(name, photo(number)) for number, name in enumerate(names)]


def fetched(source: Path, folder: Path) -> tuple[Path, Path]:
    fetch([str(source)], [None], folder / "raw")
    return folder / "raw" / "images.zip", folder / "raw" / "table.csv"


def splits(source: Path, folder: Path, labels: dict | str = "auto", **params) -> pd.DataFrame:
    """The rows of the split of a source, as the stages fetch, clean and split make them."""
    images, path = fetched(source, folder)
    table = read_table(path, SOURCE_TABLE) if path.exists() else None
    with open_archive(images) as archive:
        if labels == "auto":
            labels = find_labels(members(archive), table, archive.filename)
        kept, rejected = clean(archive, labels, "decodes", {}, table)
    assert set(rejected["reason"]) <= {"no_class"}
    given = {"validation_fraction": 0.4, "test_fraction": 0.4, "use_archive_split": True}
    return split(kept, seed=1, near_duplicate_distance=0, **given | params)[0]


def zipped(folder: Path, names: list[str]) -> Path:
    pack(folder / "given.zip", photos_of(names))
    return folder / "given.zip"


def tarred(path: Path, files: list[tuple[str, bytes]]) -> Path:
    kind = path.suffix[1:]
    with tarfile.open(path, "w" if kind == "tar" else f"w:{kind}") as archive:
        for name, data in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("train", "validation", "test"), {"train", "validation", "test"}),
        (("Training", "val", "testing"), {"train", "validation", "test"}),
        (("train", "dev", "test"), {"train", "validation", "test"}),
        (("data/train", "data/valid", "data/test"), {"train", "validation", "test"}),
    ],
)
def test_split_folders_of_any_name_and_depth_are_kept(tmp_path, folders, expected):
    rows = splits(zipped(tmp_path, divided(*folders)), tmp_path)
    assert set(rows["label"]) == {"a", "b"}
    assert set(rows["split"]) == expected
    assert (rows["split"] == rows["archive_split"]).all()


def test_train_and_test_get_validation_from_train(tmp_path):
    rows = splits(zipped(tmp_path, divided("train", "test")), tmp_path)
    assert set(rows["split"][rows["archive_split"] == "test"]) == {"test"}
    assert set(rows["split"][rows["archive_split"] == "train"]) == {"train", "validation"}


@pytest.mark.parametrize("names", [list(FLAT), [f"animals/{name}" for name in FLAT]])
def test_class_folders_are_found_also_under_groups(tmp_path, names):
    rows = splits(zipped(tmp_path, names), tmp_path)
    assert sorted(set(rows["label"])) == ["cat", "dog", "owl"]
    assert set(rows["split"]) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg"], ["cat", "dog"]),
        (["train/cat/1.jpg", "train/dog/2.jpg", "test/3.jpg"], ["cat", "dog"]),
        (["d/train/cat/1.jpg", "d/train/dog/2.jpg", "d/test/3.jpg"], ["cat", "dog"]),
        (["train/train/1.jpg", "train/car/2.jpg"], ["car", "train"]),
        (["cat/1.jpg", "dog/2.jpg", "notes/readme.txt", ".cache/3.jpg"], ["cat", "dog"]),
        (["train/cat/1.jpg", "train/dog/2.jpg", "valid/cat/3.jpg", "valid/4.jpg"], ["cat", "dog"]),
        (["train/cat/1.jpg", "train/dog/2.jpg", "owl/3.jpg", "test/4.jpg"], ["cat", "dog", "owl"]),
    ],
)
def test_folders_of_splits_and_of_no_images_are_no_classes(names, labels):
    assert list(find_labels(names, None, "images.zip")) == labels


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.jpg", "2.jpg"], "two or more classes. Received: 0: none"),
        (["train/1.jpg", "val/2.jpg"], "two or more classes. Received: 0: none"),
        (["cat/1.jpg"], "two or more classes. Received: 1: cat"),
        (["cat/1.jpg", "x/Cat/2.jpg"], "labels that differ in more than upper and lower case"),
        (["none/1.jpg", "cat/2.jpg"], "labels of printable characters"),
    ],
)
def test_archive_without_classes_shows_what_is_expected_and_what_was_found(names, message):
    with pytest.raises(InputError) as error:
        find_labels(names, None, "images.zip")
    line, *trees = str(error.value).split("\n")
    assert line.startswith(f"images.zip: expected {message}")
    assert "photos/" in trees
    assert trees[trees.index("Received:") + 1 :]


@pytest.mark.parametrize(
    ("names", "received"),
    [
        (["valid/1.jpg", "invalid/2.jpg", "blurry/3.jpg"], "'valid' beside 'blurry'"),
        (["test/1.jpg", "cat/2.jpg"], "'test' beside 'cat'"),
        (
            ["cat/train/1.jpg", "cat/siamese/train/2.jpg", "dog/train/3.jpg"],
            "'cat/train' beside 'siamese'",
        ),
    ],
)
def test_folder_of_images_that_may_be_a_class_or_a_split_is_refused_in_one_line(names, received):
    with pytest.raises(InputError) as error:
        find_labels(names, None, "images.zip")
    assert f"Received: {received}. Name the classes" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_order_of_a_set_does_not_decide_the_classes(seed):
    """The order of a set of strings depends on PYTHONHASHSEED."""
    code = "from pawprint.dataset.layout import find_labels\n"
    code += "names = ['d/test/1.jpg', 'd/train/cat/train/2.jpg', 'e/train/dog/3.jpg']\n"
    code += "print(list(find_labels(names, None, 'images.zip')))"
    result = run("python", "-c", code, cwd=PROJECT, PYTHONHASHSEED=seed)
    assert result.stdout == "['cat', 'dog']\n"


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_tar_gives_the_images_and_bytes_of_a_folder(tmp_path, suffix):
    files = photos_of(sorted(FLAT))
    source = tarred(tmp_path / f"photos.{suffix}", [(f"./{name}", data) for name, data in files])
    rows = splits(source, tmp_path)
    assert sorted(rows["path"]) == sorted(FLAT)
    pack(tmp_path / "expected.zip", files)
    made = (tmp_path / "raw" / "images.zip").read_bytes()
    assert made == (tmp_path / "expected.zip").read_bytes()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def damaged_header(data: bytes) -> bytes:
    at = data.index(b"b/2.jpg")
    return data[:at] + b"?" + data[at + 1 :]


@pytest.mark.parametrize(
    ("suffix", "change"),
    [("tar", cut), ("tar", damaged_header), ("tar.gz", cut), ("tar.bz2", cut), ("tar.xz", cut)],
)
def test_damaged_tar_is_refused_in_one_line_and_leaves_nothing(tmp_path, suffix, change):
    source = tarred(
        tmp_path / f"photos.{suffix}", [("a/1.jpg", photo(1) * 20), ("b/2.jpg", photo(2) * 20)]
    )
    source.write_bytes(change(source.read_bytes()))
    with pytest.raises(InputError, match=r"expected a (complete tar|folder, a zip)") as error:
        fetched(source, tmp_path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("suffix", ["tar.bz2", "tar.xz"])
def test_tar_that_grows_too_much_is_refused(tmp_path, suffix):
    source = tarred(tmp_path / f"bomb.{suffix}", [("a/1.jpg", bytes(10**7))])
    assert source.stat().st_size < 5000
    with pytest.raises(InputError, match="too many for a file of this size"):
        fetched(source, tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_link_or_device_in_a_tar_is_named(tmp_path, kind):
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        entry = tarfile.TarInfo("a/1.jpg")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(InputError, match=r"Received: a/1\.jpg, which is a (link|device)"):
        fetched(tmp_path / "photos.tar", tmp_path)


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(48):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(("name", "comma"), [("labels.csv", ","), ("labels.TSV", "\t")])
def test_table_gives_labels_and_is_divided(tmp_path, name, comma):
    lines = [f"./{n}.jpg{comma}{('cat/tabby', 'test', 'owl')[n % 3]}" for n in range(48)]
    text = "\ufeff" + "\n".join([f"path{comma}label", *lines]) + "\n"
    rows = splits(table(tmp_path / "photos", text, name), tmp_path)
    assert len(rows) == 48
    assert dict(zip(rows["path"], rows["label"]))["3.jpg"] == "cat/tabby"
    assert sorted(set(rows["label"])) == ["cat/tabby", "owl", "test"]


def test_splits_of_a_table_are_kept_and_labels_can_be_joined(tmp_path):
    names = ("Train", "val", "testing")
    lines = [f"{n}.jpg,{'abc'[n % 3]},{names[n // 3 % 3]}" for n in range(48)]
    source = table(tmp_path / "photos", "\n".join(["path,label,split", *lines]))
    rows = splits(source, tmp_path, {"x": ["a", "b"], "y": ["C"]})
    assert set(rows["label"]) == {"x", "y"}
    assert (rows["split"] == rows["archive_split"]).all()
    assert set(rows["split"]) == {"train", "validation", "test"}


def test_columns_of_a_table_are_in_any_order(tmp_path):
    lines = [f"train,{'ab'[n % 2]},{n}.jpg" for n in range(4)]
    source = table(tmp_path / "photos", "\n".join(["split,label,path", *lines]))
    found = read_table(fetched(source, tmp_path)[1], SOURCE_TABLE)
    assert found.to_numpy().tolist() == [[f"{n}.jpg", "train", "ab"[n % 2]] for n in range(4)]


def test_labels_of_an_earlier_table_are_removed(tmp_path):
    source = table(tmp_path / "photos", "path,label\n1.jpg,a\n2.jpg,b\n")
    assert fetched(source, tmp_path)[1].exists()
    assert not fetched(source.parent, tmp_path)[1].exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\n1.jpg,a\n", "line 1: expected the columns path,label or path,label,split"),
        ("path,label,label\n1.jpg,a,b\n", "line 1: expected the columns"),
        ("path;label\n1.jpg;a\n", "line 1: .* separate them by commas"),
        ("path,label\n1.jpg,\n", "line 2: expected 2 cells, none of them empty"),
        ("path,label\n1.jpg,a,b\n", "line 2: expected 2 cells"),
        ("path,label\n99.jpg,a\n", "line 2: expected the path of a file, .* does not exist"),
        (
            "path,label\n1.jpg,a\n1.jpg,b\n",
            "line 3: .* once. Received: '1.jpg' again, as b after a",
        ),
        ("path,label\na\\1.jpg,a\n", "line 2: expected a path with /"),
        ("path,label\n../1.jpg,a\n", "line 2: expected a path below the folder of the table"),
        ("path,label\nC:/1.jpg,a\n", "line 2: expected a path below the folder of the table"),
        ("path,label,split\n1.jpg,a,holdout\n", "line 2: expected a split: train, "),
        ("path,label\n", "expected a line for each image"),
    ],
)
def test_wrong_table_is_refused_in_one_line(tmp_path, text, message):
    source = table(tmp_path / "photos", text)
    with pytest.raises(InputError, match=message) as error:
        fetched(source, tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "raw" / "images.zip").exists()


def test_label_without_an_image_is_named(tmp_path):
    source = table(tmp_path / "photos", "path,label\n1.jpg,a\n2.jpg,b\n")
    with pytest.raises(InputError, match=r"expected a label named dog \(clean\.labels\.y\)"):
        splits(source, tmp_path, {"x": ["a"], "y": ["dog"]})


def test_folder_of_a_table_is_watched(tmp_path):
    source = table(tmp_path / "photos", "path,label\n")
    require_watched([str(source)], str(source.parent))
    with pytest.raises(InputError, match=rf"Set fetch\.watch to '{source.parent}'\."):
        require_watched([str(source)], str(source))


@pytest.mark.parametrize("name", ["labels.csv", "../labels.csv", "photos/../../labels.csv", ".."])
def test_source_around_the_project_is_refused_as_dvc_cannot_watch_it(tmp_path, monkeypatch, name):
    (tmp_path / "project" / "photos").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    for folder in ("photos", ".", ".."):
        Path(folder, "labels.csv").touch()
    for watch in (UNWATCHED, str(Path(name).parent), name):
        with pytest.raises(InputError, match=r"Move the images, .* folder of their own") as error:
            require_watched([name], watch)
        assert f"Received: {name!r}. " in str(error.value)
        assert "\n" not in str(error.value)
    require_watched(["photos/labels.csv"], "photos")
