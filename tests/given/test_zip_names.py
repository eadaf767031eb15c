"""Test names in zips written by Windows, macOS and older programs."""

import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from conftest import clean_archive, photo, photos_of, refused, tarred

from pawprint.base.files import pack
from pawprint.commands.init import create
from pawprint.given.archive import describe_encoding, members, open_archive
from pawprint.given.names import describe_unsafe


def zip_of(path: Path, names: dict[bytes, bytes]) -> Path:
    """Write a zip of photos with these bytes as names, which are not marked as UTF-8.

    Each has an extra field in the zip's format, or b"".
    """
    placeholders = {}
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, extra) in enumerate(names.items()):
            placeholders[f"{number:03}".ljust(len(name), "@").encode()] = name
            info = zipfile.ZipInfo(f"{number:03}".ljust(len(name), "@"))
            info.extra = extra
            archive.writestr(info, b"" if name.endswith((b"/", b"\\")) else photo(number))
    data = path.read_bytes()
    for placeholder, name in placeholders.items():
        data = data.replace(placeholder, name)
    path.write_bytes(data)
    return path


def named(path: Path, *names: str, encoding: str = "utf-8") -> Path:
    return zip_of(path, {name.encode(encoding): b"" for name in names})


def read(path: Path) -> tuple[list[str], str]:
    with open_archive(path) as archive:
        return members(archive), describe_encoding(archive)


def test_backslashes_of_windows_are_slashes(tmp_path):
    """As PowerShell's Compress-Archive writes them."""
    names = [f"photos\\{label}\\{n}.jpg" for label in ("cat", "dog") for n in range(3)]
    path = named(tmp_path / "images.zip", "photos\\", "photos\\cat\\", *names)
    kept, rejected, _ = clean_archive(path)
    assert list(kept["path"]) == sorted(name.replace("\\", "/") for name in names)
    assert list(kept["label"]) == ["cat"] * 3 + ["dog"] * 3
    assert rejected.empty


def test_backslashes_make_no_name_safe(tmp_path):
    unsafe = ["..\\..\\cat\\1.jpg", "C:\\cat\\2.jpg", "\\cat\\3.jpg", "\\\\server\\cat\\4.jpg"]
    unsafe += ["cat/back\\slash.jpg", "cat\\\\5.jpg", "cat\\con\x1btrol.jpg"]
    path = named(tmp_path / "images.zip", "cat\\7.jpg", "dog\\8.jpg", *unsafe)
    kept, rejected, _ = clean_archive(path)
    assert list(kept["path"]) == ["cat/7.jpg", "dog/8.jpg"]
    assert list(rejected["reason"]) == ["unsafe_name"] * len(unsafe)


@pytest.mark.parametrize(
    ("encoding", "names", "others"),
    [
        ("gbk", ["猫/1.jpg", "狗/2.jpg"], 2),
        ("shift_jis", ["表/1.jpg", "ソ.jpg"], 2),  # one of its bytes is a backslash
        ("cp850", ["chats/é.jpg", "chiens/2.jpg"], 1),
        ("utf-8", ["cafe\u0301/2.jpg", "猫/1.jpg"], 0),  # as macOS writes them
    ],
)
def test_a_line_says_that_names_are_in_another_code_page(tmp_path, encoding, names, others):
    found, line = read(named(tmp_path / "images.zip", *names, encoding=encoding))
    read_as = "cp437" if others else "utf-8"
    assert found == sorted(name.encode(encoding).decode(read_as) for name in names)
    assert line.startswith(f"{others} name") if others else line == ""


def test_name_that_is_there_in_unicode_too_is_read(tmp_path):
    name = "ü.jpg".encode("cp850")
    content = struct.pack("<BI", 1, zlib.crc32(name)) + "ü.jpg".encode()
    path = zip_of(
        tmp_path / "images.zip", {name: struct.pack("<HH", 0x7075, len(content)) + content}
    )
    assert read(path) == (["ü.jpg"], "")


@pytest.mark.parametrize("prefix", ["/home/anna/photos/", "C:/Users/Anna/", "//server/x/", "../"])
@pytest.mark.parametrize("kind", ["photos.zip", "photos.tar"])
def test_archive_without_a_safe_name_is_refused_with_one_of_them(tmp_path, prefix, kind):
    files = photos_of(f"{prefix}{label}/{n}.jpg" for label in ("cat", "dog") for n in range(2))
    write = tarred if kind.endswith("tar") else pack
    write(tmp_path / kind, files.items())
    detail = "a path with .." if prefix == "../" else "an absolute path"
    with refused(f"{kind}: 4 images with {detail}", f"'{prefix}cat/0.jpg'", "Unpack"):
        create(tmp_path / "p", tmp_path / kind, None)
    assert not (tmp_path / "p").exists()
    # If at least one name is safe, the others are rejected one by one.
    assert describe_unsafe([*files, "bird/1.jpg"]) == ""
