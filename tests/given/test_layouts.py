"""Test all layouts and sources, and one-line messages about problems."""

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import clean_archive, photo, photos_of, refused, tarred, write_files
from faults import flipped, part

from pawprint.base.files import pack
from pawprint.base.labels import UNKNOWN
from pawprint.data.sources import fetch
from pawprint.given import tar
from pawprint.given.archive import members, open_archive
from pawprint.given.tar import PADDING
from pawprint.given.unpacking import unpack


def divided(*splits: str) -> list[str]:
    return [f"{name}/{label}/{n}.jpg" for name in splits for label in "ab" for n in range(8)]


def cleaned(source: Path, folder: Path, labels: dict | str = "auto") -> tuple[pd.DataFrame, ...]:
    """Return the usable images and the rejected files after the stages fetch and clean."""
    fetch(source, folder / "raw")
    return clean_archive(folder / "raw", labels=labels)[:2]


def zipped(folder: Path, names: list[str]) -> Path:
    pack(folder / "given.zip", photos_of(names).items())
    return folder / "given.zip"


@pytest.mark.parametrize("labels", ["auto", {"a": ["a"], "b": ["b"]}])
def test_folder_unknown_holds_unknown_images_wherever_it_is(tmp_path, labels):
    unknown = ["Unknown/1.jpg", "test/unknown/2.jpg", "unknown/foxes/3.jpg", "unknown/a/4.jpg"]
    kept, rejected = cleaned(zipped(tmp_path, [*divided("train"), *unknown]), tmp_path, labels)
    assert rejected.empty
    is_unknown = kept["label"] == UNKNOWN
    assert sorted(kept["path"][is_unknown]) == sorted(unknown)
    assert kept.set_index("path")["archive_split"]["test/unknown/2.jpg"] == "test"
    assert set(kept["label"][~is_unknown]) == {"a", "b"}


@pytest.mark.parametrize(
    ("compress", "padding"),  # zeros at the end, as by `tar -b 20480`
    [
        (bytes, 0),
        (bytes, PADDING - tarfile.RECORDSIZE),
        *((module.compress, 15 * 10**6) for module in (bz2, gzip, lzma)),
    ],
)
def test_tar_gives_the_images_and_bytes_of_a_folder(tmp_path, compress, padding):
    files = photos_of(divided("train")).items()
    source = tarred(tmp_path / "photos.tar", [(f"./{name}", data) for name, data in files])
    source.write_bytes(compress(source.read_bytes() + bytes(padding)))
    assert sorted(cleaned(source, tmp_path)[0]["path"]) == divided("train")
    pack(tmp_path / "expected.zip", files)
    made = (tmp_path / "raw" / "images.zip").read_bytes()
    assert made == (tmp_path / "expected.zip").read_bytes()


LONG = photo(2) * 20


def header(kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo("a/2.jpg")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


DAMAGES = [
    ("cut.tar", "b/2.jpg", LONG, lambda data: part(data, 50), ""),
    ("cut.tar.xz", "b/2.jpg", LONG, lambda data: part(data, 50), ""),
    ("checksum.tar.gz", "b/2.jpg", LONG, lambda data: flipped(data, len(data) - 8), ""),
    (
        "zeros.tar",
        "b/2.jpg",
        LONG,
        lambda data: re.sub(rb"b/2.jpg.{505}", bytes(512), data, flags=re.S),
        "",
    ),
    ("zeros at the end.tar", "b/2.jpg", LONG, lambda data: data + bytes(200_000), ""),
    ("bomb.tar.xz", "b/2.jpg", bytes(10**7), bytes, "too many for a file of this size"),
    ("names.tar", "b/2.jpg", b"", lambda data: 3000 * (header(b"L", 1) + bytes(512)) + data, ""),
    ("size.tar", "b/2.jpg", b"", lambda data: header(b"0", -5120) + data, "a negative size"),
    ("pax.tar", "b/2.jpg", b"", lambda data: header(b"x", -5120) + data, "-5,120 bytes"),
    ("name.tar", f"a/{70_000 * 'x'}", b"", bytes, "name.tar: a name of 70,002 bytes"),
]


@pytest.mark.parametrize(("file", "name", "data", "damage", "message"), DAMAGES)
def test_damaged_tar_is_refused_in_one_line_and_leaves_nothing(
    tmp_path, file, name, data, damage, message
):
    source = tarred(tmp_path / file, [("a/1.jpg", photo(1) * 20), (name, data)])
    source.write_bytes(damage(source.read_bytes()))
    with refused(": expected ", message):
        fetch(source, tmp_path / "raw")
    assert list(tmp_path.iterdir()) == [source]


def test_what_is_no_photo_in_a_tar_is_left_out_and_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tar, "MAX_BYTES", 20_000)
    source = tarred(tmp_path / "photos.tar", [("a/1.jpg", photo(1)), ("a/film.mp4", bytes(30_000))])
    with tarfile.open(source, "a") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE):
            entry = tarfile.TarInfo(f"a/{ord(kind)}.jpg")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        archive.addfile(tarfile.TarInfo("a/0.jpg"))
    fetch(source, tmp_path / "raw")
    lines = [
        "left out 1 file (more than 20,000 bytes): a/film.mp4",
        "left out 4 files (link, device or sparse file): a/50.jpg, a/49.jpg, a/51.jpg, a/83.jpg",
    ]
    assert capsys.readouterr().out.splitlines() == [f"fetch: {line}" for line in lines]
    with open_archive(tmp_path / "raw") as archive:
        assert members(archive) == ["a/0.jpg", "a/1.jpg"]
    (tmp_path / "photos").mkdir()
    assert unpack(source, tmp_path / "photos") == lines
    assert {path.name for path in (tmp_path / "photos/a").iterdir()} == {"1.jpg", "0.jpg"}


def test_missing_photo_is_named_beside_a_member_without_a_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("x", b"1")
        archive.writestr("metadata.csv", "file_name,label\n1.jpg,a\n")
        archive.infolist()[0].filename = ""
    with refused("metadata.csv: line 2: ", "'1.jpg' (1 line), not found"):
        clean_archive(tmp_path / "photos.zip")


def with_metadata(folder: Path, text: str) -> Path:
    """Return a folder of 48 photos with a metadata.csv."""
    photos = photos_of(f"{number}.jpg" for number in range(48))
    return write_files(folder, photos | {"metadata.csv": text})


def test_metadata_gives_labels_splits_and_groups_and_other_columns_are_ignored(tmp_path):
    """The table has a byte order mark and upper-case column names."""
    labels, names = ("cat/tabby", "test", "owl"), ("Train", "val", "testing")
    lines = [f"{n % 5 or ''},./{n}.jpg,{labels[n % 3]},x,{names[n // 3 % 3]}" for n in range(48)]
    text = "\ufeff" + "\n".join(["group,File_Name,label,text,split", *lines]) + "\n"
    source = with_metadata(tmp_path / "photos", text)
    kept, rejected = cleaned(source, tmp_path)
    assert len(rejected) == 0  # metadata.csv is not rejected either
    row = kept.set_index("path").loc["3.jpg"]
    assert (row["label"], row["group"], row["archive_split"]) == ("cat/tabby", "3", "validation")
    assert sorted(set(kept["group"])) == ["", "1", "2", "3", "4"]
    assert sorted(set(kept["label"])) == sorted(labels)
    kept, _ = cleaned(source, tmp_path / "joined", {"x": ["cat/tabby", "test"], "y": ["OWL"]})
    assert set(kept["label"]) == {"x", "y"}
    assert set(kept["archive_split"]) == {"train", "validation", "test"}


def test_metadata_below_the_folders_of_splits_is_read_in_an_archive(tmp_path):
    """Hugging Face's ImageFolder allows one table per folder, and macOS adds its own files."""
    files = [("__MACOSX/train/metadata.csv", b"\0"), ("d/owl/9.jpg", photo(9))]
    for number, name in enumerate(("train", "test")):
        files.append((f"d/{name}/metadata.csv", b"file_name,label\n1.jpg,a\n2.jpg,b\n"))
        files += [(f"d/{name}/{n}.jpg", photo(10 * number + n)) for n in (1, 2)]
    pack(tmp_path / "given.zip", files)
    kept, rejected = cleaned(tmp_path / "given.zip", tmp_path)
    assert list(kept["archive_split"]) == ["test", "test", "train", "train"]
    assert list(kept["label"]) == list("abab")
    assert (
        dict(zip(rejected["path"], rejected["detail"]))["d/owl/9.jpg"] == "no row in metadata.csv"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name:label\n1.jpg:a\n", "separated by commas"),
        ("file_name,label\n../1.jpg,a\n", "line 2: expected a path to a file, "),
        ("file_name,label\n1.jpg,a\n./1.jpg,b\n", "'./1.jpg' again, labelled b; it was a above"),
        ("file_name,label,split\n1.jpg,a,holdout\n", "line 2: expected a split: train, "),
        ("file_name,label\n1.jpg,a\n2.jpg,UNSURE\n", "'UNSURE'"),
    ],
)
def test_wrong_metadata_is_refused_in_one_line(tmp_path, text, message):
    source = with_metadata(tmp_path / "photos", text)
    with refused("images.zip: ", message):
        cleaned(source, tmp_path)


def test_all_deleted_photos_of_a_table_are_named_at_once(tmp_path):
    """A photo of the same name in another folder, or with a row of its own, is not suggested."""
    rows = "".join(f"cat/{number}.jpg,a\n" for number in range(5)) + "dog/1.jpg,b\n1.JPG,b\n"
    names = ["cat/0.jpg", "dog/1.jpg", "dog/2.jpg", "1.JPG"]
    files = [("metadata.csv", f"file_name,label\n{rows}".encode()), *photos_of(names).items()]
    pack(tmp_path / "given.zip", files)
    with refused("line 3: ", "'cat/1.jpg', 'cat/2.jpg', 'cat/3.jpg' and 1 more", "(4 lines)") as at:
        cleaned(tmp_path / "given.zip", tmp_path)
    assert "Did you mean" not in str(at.value) and "Remove rows" in str(at.value)


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_composed_and_decomposed_names_are_one_class(tmp_path):
    files = photos_of([f"{COMPOSED}/0.jpg", f"{DECOMPOSED}/1.jpg", "bar/2.jpg"])
    pack(tmp_path / "given.zip", files.items())
    for labels in ("auto", {COMPOSED: [COMPOSED], "bar": ["bar"]}):
        kept, rejected = cleaned(tmp_path / "given.zip", tmp_path, labels)
        assert sorted(kept["label"]) == ["bar", COMPOSED, COMPOSED]
        assert len(rejected) == 0
