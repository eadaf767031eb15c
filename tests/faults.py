"""Everything that is known to go wrong with images and archives, made here, with what is promised.

`IMAGES` are files by name with their bytes, `MEMBERS` write a member into an archive, `ARCHIVES`
change the bytes of a whole one, and `FOLDERS` make an entry of a folder. What is promised of an
image or a member is KEPT or one of the reasons in images.REASONS, and of an archive or a folder the
one line that refuses it.
"""

import io
import os
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from conftest import encode
from PIL import Image

from pawprint.core.errors import printable
from pawprint.images.decoder import MAX_BYTES

KEPT = "kept"
# Names that zipfile does not write, by what stands for them until it has written the others, and
# how it reads them: in code page 437, and up to a zero byte.
RAW_NAMES = {
    "caf@@.jpg": (b"caf\xe9\xe8.jpg", "cafΘΦ.jpg"),
    "zero@.jpg": (b"zero\0.jpg", "zero"),
}

PHOTO = Image.merge(
    "RGB",
    [
        Image.linear_gradient("L").resize((96, 64)),
        Image.linear_gradient("L").rotate(90).resize((96, 64)),
        Image.radial_gradient("L").resize((96, 64)),
    ],
)
JPEG, PNG = encode(PHOTO), encode(PHOTO, "PNG")
# PHOTO and PHOTO.rotate(180), and PHOTO shown after a quarter turn, written by pillow-heif 1.4.
HEIC, TURNED_HEIC = (
    Path(__file__).with_name(name).read_bytes() for name in ("two.heic", "turned.heic")
)
TABLES, CODES, SCAN = (JPEG.index(marker) for marker in (b"\xff\xdb", b"\xff\xc4", b"\xff\xda"))


@dataclass
class Fault:
    """The bytes of a file, or how it is written into an archive, and what is promised of it."""

    made: bytes | Callable
    promise: str


def flipped(data: bytes, start: int, count: int = 1) -> bytes:
    """The data with all bits of `count` bytes from `start` on turned over."""
    turned = bytes(255 - byte for byte in data[start : start + count])
    return data[:start] + turned + data[start + count :]


def part(data: bytes, percent: int) -> bytes:
    return data[: len(data) * percent // 100]


def ycck() -> bytes:
    """PHOTO as a JPEG in YCCK: CMYK whose first three channels are stored as luma and chroma.

    Pillow writes CMYK only, inverted as Adobe does, and marks it with transform 0; the same bytes
    marked with 2 are YCCK.
    """
    luma_and_chroma = PHOTO.point(lambda value: 255 - value).convert("YCbCr").split()
    inverted = [channel.point(lambda value: 255 - value) for channel in luma_and_chroma]
    data = encode(Image.merge("CMYK", [*inverted, Image.new("L", PHOTO.size)]), quality=95)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\x02" + data[transform + 1 :]


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    return encode(PHOTO, exif=exif)


def damaged_exif() -> bytes:
    data = rotated()
    return flipped(data, data.index(b"Exif") + 6, 8)


def with_comment() -> bytes:
    """A JPEG whose letters JFIF stand beyond its first ten bytes."""
    return JPEG[:2] + b"\xff\xfe\x00\x12" + b"." * 16 + JPEG[2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def black_png(side: int) -> bytes:
    """A whole PNG of one bit per pixel, a few kilobytes however large the picture."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side // 8 + 1) * side))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def scans(number: int) -> bytes:
    """A progressive JPEG with its last scan sent again and again."""
    data = encode(PHOTO, progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * number + data[-2:]


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def sixteen_bits(form: str) -> bytes:
    grey = np.asarray(PHOTO.convert("L")).astype(np.uint16) * 256
    return encode(Image.fromarray(grey), form)


def float_pixels() -> bytes:
    return encode(PHOTO.convert("F"), "TIFF")


def animated(form: str) -> bytes:
    return encode(PHOTO, form, save_all=True, append_images=[PHOTO.rotate(180)], duration=100)


IMAGES = {
    "empty.jpg": Fault(b"", "empty"),
    "jpeg 10 percent.jpg": Fault(part(JPEG, 10), "truncated"),
    "jpeg 50 percent.jpg": Fault(part(JPEG, 50), "truncated"),
    "jpeg 99 percent.jpg": Fault(part(JPEG, 99), "truncated"),
    "png 10 percent.png": Fault(part(PNG, 10), "truncated"),
    "png 50 percent.png": Fault(part(PNG, 50), "truncated"),
    "png 99 percent.png": Fault(part(PNG, 99), "truncated"),
    "jpeg header flipped.jpg": Fault(flipped(JPEG, 0, 4), "not_an_image"),
    "jpeg quantization flipped.jpg": Fault(flipped(JPEG, TABLES + 4, 8), "not_an_image"),
    "jpeg codes flipped.jpg": Fault(flipped(JPEG, CODES + 5, 8), "damaged"),
    # JPEG has no checksum: such pixels are wrong, and nothing says so.
    "jpeg scan flipped.jpg": Fault(flipped(JPEG, SCAN + 200, 2), KEPT),
    "png header flipped.png": Fault(flipped(PNG, 0, 4), "not_an_image"),
    "png size flipped.png": Fault(flipped(PNG, 18, 1), "not_an_image"),
    "png pixels flipped.png": Fault(flipped(PNG, 100, 2), "damaged"),
    "avif items flipped.avif": Fault(flipped(encode(PHOTO, "AVIF"), 81, 4), "damaged"),
    "heic 10 percent.heic": Fault(part(HEIC, 10), "damaged"),
    "heic 50 percent.heic": Fault(part(HEIC, 50), "truncated"),
    "heic header flipped.heic": Fault(flipped(HEIC, 4, 4), "not_an_image"),
    "heic pixels flipped.heic": Fault(flipped(TURNED_HEIC, len(TURNED_HEIC) - 300, 40), "damaged"),
    "png as.jpg": Fault(PNG, KEPT),
    "gif as.jpg": Fault(encode(PHOTO, "GIF"), KEPT),
    "bmp as.jpg": Fault(encode(PHOTO, "BMP"), KEPT),
    "webp as.jpg": Fault(encode(PHOTO, "WEBP"), KEPT),
    "tiff as.jpg": Fault(encode(PHOTO, "TIFF"), KEPT),
    "avif as.jpg": Fault(encode(PHOTO, "AVIF"), KEPT),
    "heic as.jpg": Fault(HEIC, KEPT),
    "turned.heic": Fault(TURNED_HEIC, KEPT),
    "page as.jpg": Fault(b"<!doctype html><title>404 Not Found</title>", "not_an_image"),
    "text as.jpg": Fault(b"a dog was meant to sit here", "not_an_image"),
    # Pillow would run Ghostscript on it.
    "postscript as.jpg": Fault(encode(PHOTO, "EPS"), "not_an_image"),
    "zip as.jpg": Fault(zipped(("cats/1.jpg", JPEG)), "not_an_image"),
    "cmyk.jpg": Fault(encode(PHOTO.convert("CMYK")), KEPT),
    "ycck.jpg": Fault(ycck(), KEPT),
    "grey.jpg": Fault(encode(PHOTO.convert("L")), KEPT),
    "grey.png": Fault(encode(PHOTO.convert("L"), "PNG"), KEPT),
    "grey and alpha.png": Fault(encode(PHOTO.convert("LA"), "PNG"), KEPT),
    "palette.png": Fault(encode(PHOTO.quantize(16), "PNG"), KEPT),
    "palette and alpha.png": Fault(encode(PHOTO.quantize(16), "PNG", transparency=0), KEPT),
    "one bit.png": Fault(encode(PHOTO.convert("1"), "PNG"), KEPT),
    "16 bits.png": Fault(sixteen_bits("PNG"), KEPT),
    "16 bits.tiff": Fault(sixteen_bits("TIFF"), KEPT),
    "float.tiff": Fault(float_pixels(), "unsupported"),
    "rgba.png": Fault(encode(PHOTO.convert("RGBA"), "PNG"), KEPT),
    "animated.gif": Fault(animated("GIF"), KEPT),
    "animated.png": Fault(animated("PNG"), KEPT),
    "progressive.jpg": Fault(encode(PHOTO, progressive=True), KEPT),
    "exif orientation.jpg": Fault(rotated(), KEPT),
    "exif damaged.jpg": Fault(damaged_exif(), KEPT),
    "jfif after a comment.jpg": Fault(with_comment(), KEPT),
    "jfif revision.jpg": Fault(flipped(JPEG, 11, 2), KEPT),
    "trailing garbage.jpg": Fault(JPEG + b"garbage" * 100, KEPT),
    "1x1.png": Fault(encode(Image.new("RGB", (1, 1)), "PNG"), KEPT),
    "20000x20000.png": Fault(black_png(20_000), "too_large"),
    "thousand scans.jpg": Fault(scans(1000), "too_large"),
    "Thumbs.db": Fault(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "not_an_image"),
    ".DS_Store": Fault(b"\x00\x00\x00\x01Bud1" + bytes(504), "not_an_image"),
    "__MACOSX/._1.jpg": Fault(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "not_an_image"),
    "with space.jpg": Fault(JPEG, KEPT),
    "with 'single' and \"double\" quotes, and a comma.jpg": Fault(JPEG, KEPT),
    "Кот 猫 🐈 e\u0301.jpg": Fault(JPEG, KEPT),
    f"{251 * 'x'}.jpg": Fault(JPEG, KEPT),
}


def member(name: str, data: bytes = JPEG, times: int = 1, **changes) -> Callable:
    """Write a member; its entry in the directory is then made to say otherwise by `changes`."""

    def write(archive: zipfile.ZipFile, folder: str) -> str:
        for _ in range(times):
            info = zipfile.ZipInfo(name.format(folder=folder))
            info.compress_type = changes.get("method", zipfile.ZIP_STORED)
            with archive.open(info, "w", force_zip64=changes.get("zip64", False)) as file:
                file.write(data)
            for key in changes.keys() & {"file_size", "flag_bits", "compress_type", "CRC"}:
                setattr(info, key, changes[key])
            info.external_attr = changes.get("mode", 0) << 16
        return info.filename

    return write


BOMB = bytes(MAX_BYTES + 1)
DEFLATED = zipfile.ZIP_DEFLATED
MEMBERS = {
    "same name twice": Fault(member("{folder}/twice.jpg", times=2), "duplicate_name"),
    "encrypted": Fault(member("{folder}/secret.jpg", flag_bits=1), "encrypted"),
    "absolute path": Fault(member("/{folder}/absolute.jpg"), "unsafe_name"),
    "drive": Fault(member("C:/{folder}/drive.jpg"), "unsafe_name"),
    "path out of the folder": Fault(member("../../{folder}/out.jpg"), "unsafe_name"),
    "backslash": Fault(member("{folder}/back\\slash.jpg"), "unsafe_name"),
    "newline in the name": Fault(member("{folder}/new\nline.jpg"), "unsafe_name"),
    "carriage return in the name": Fault(member("{folder}/carriage\rreturn.jpg"), "unsafe_name"),
    "escape in the name": Fault(member("{folder}/\x1b[31mred.jpg"), "unsafe_name"),
    "zero byte in the name": Fault(member("{folder}/zero@.jpg"), "unsafe_name"),
    "name that is not UTF-8": Fault(member("{folder}/caf@@.jpg"), KEPT),
    "symbolic link": Fault(
        member("{folder}/link.jpg", b"/etc/passwd", mode=stat.S_IFLNK | 0o777),
        "not_a_file",
    ),
    "device": Fault(member("{folder}/device.jpg", mode=stat.S_IFCHR | 0o666), "not_a_file"),
    "folder with bytes": Fault(member("{folder}/folder.jpg/"), "unsafe_name"),
    "says more bytes than it has": Fault(
        member("{folder}/more.jpg", file_size=len(JPEG) + 9), "unreadable"
    ),
    "says fewer bytes than it has": Fault(
        member("{folder}/fewer.jpg", file_size=len(JPEG) - 9), "unreadable"
    ),
    "other checksum": Fault(member("{folder}/checksum.jpg", CRC=1), "unreadable"),
    "unknown method": Fault(member("{folder}/method.jpg", compress_type=9), "unreadable"),
    "method without a bound": Fault(
        member("{folder}/bzip2.jpg", method=zipfile.ZIP_BZIP2), "unreadable"
    ),
    "bomb": Fault(member("{folder}/bomb.jpg", BOMB, method=DEFLATED), "too_large"),
    "bomb that says it is small": Fault(
        member("{folder}/small.jpg", BOMB, method=DEFLATED, file_size=1000), "unreadable"
    ),
    "hidden": Fault(member("{folder}/.hidden.jpg"), KEPT),
    "no suffix": Fault(member("{folder}/0"), KEPT),
    "deflated": Fault(member("{folder}/deflated.jpg", method=DEFLATED), KEPT),
    "zip64 member": Fault(member("{folder}/zip64.jpg", zip64=True), KEPT),
}


def write_archive(
    path: Path, folders: list[str], drawn: Iterable[tuple[str, bytes]], faults: dict[str, Fault]
) -> dict:
    """An archive of drawn images and, in each of the folders, the faults given.

    Returns the name of the fault behind each of its members, by the path that a manifest shows.
    """
    behind = {}
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile warns of names that it writes twice
        for name, data in drawn:
            archive.writestr(name, data)
        for folder in folders:
            for name, fault in faults.items():
                write = (
                    fault.made if callable(fault.made) else member(f"{{folder}}/{name}", fault.made)
                )
                path_shown = printable(write(archive, folder))
                for placeholder, (_, read) in RAW_NAMES.items():
                    path_shown = path_shown.replace(placeholder, read)
                behind[path_shown] = name
    data = path.read_bytes()
    for placeholder, (raw, _) in RAW_NAMES.items():
        data = data.replace(placeholder.encode(), raw)
    path.write_bytes(data)
    return behind


def cut(data: bytes) -> bytes:
    return part(data, 50)


def without_start(data: bytes) -> bytes:
    return data[100:]


def directory_damaged(data: bytes) -> bytes:
    return flipped(data, data.index(b"PK\x01\x02"), 2)


def names_said_to_be_utf8(data: bytes) -> bytes:
    """Names of letters beyond ASCII are flagged as UTF-8; here one of them is none."""
    return data.replace("ж".encode(), b"\xd0\x28")


def members_in_one_place(data: bytes) -> bytes:
    """Every entry of the directory leads to the first member, and takes all bytes for its own."""
    entry = data.index(b"PK\x01\x02")
    while entry >= 0:
        sizes = struct.pack("<II", entry, entry)
        data = data[: entry + 20] + sizes + data[entry + 28 :]
        data = data[: entry + 42] + bytes(4) + data[entry + 46 :]
        entry = data.find(b"PK\x01\x02", entry + 4)
    return data


ARCHIVES = {
    "cut off in the middle": Fault(cut, "expected a complete zip archive"),
    "without its start": Fault(without_start, "some outside the file"),
    "directory damaged": Fault(directory_damaged, "expected a complete zip archive"),
    "a name that is no UTF-8 and says so": Fault(
        names_said_to_be_utf8, "expected a complete zip archive"
    ),
    "members in one place": Fault(members_in_one_place, "lists .* bytes of members"),
    "empty": Fault(lambda data: b"", "expected a complete zip archive"),
    "a page": Fault(lambda data: b"<!doctype html>", "expected a complete zip archive"),
    "no members": Fault(lambda data: zipped(), "expected a folder named cat or cats"),
    "a class empty after cleaning": Fault(
        lambda data: zipped(("cats/1.jpg", JPEG), ("dogs/1.jpg", b"")),
        r"expected a usable image of class dog. Received: kept 1 of 2 files \(1 empty\)",
    ),
}


def link_to_folder(path: Path) -> None:
    (path.parents[1] / "elsewhere").mkdir()
    path.symlink_to(path.parents[1] / "elsewhere", target_is_directory=True)


def link_to_file(path: Path) -> None:
    (path.parents[1] / "secret.txt").write_bytes(b"secret")
    path.symlink_to(path.parents[1] / "secret.txt")


def link_to_sibling(path: Path) -> None:
    path.with_name("sibling.jpg").write_bytes(JPEG)
    path.symlink_to("sibling.jpg")


FOLDERS = {
    "link to a folder": Fault(link_to_folder, "which is a link"),
    "link to a file": Fault(link_to_file, "which is a link"),
    "link inside the folder": Fault(link_to_sibling, "which is a link"),
    "broken link": Fault(lambda path: path.symlink_to("nowhere"), "which is a link"),
    "pipe": Fault(lambda path: os.mkfifo(path), "which is neither"),
}
