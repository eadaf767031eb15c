"""Faulty images and archives, one of each kind, with the expected outcome.

`IMAGES` contains files keyed by name, `MEMBERS` functions that write a member to an archive, and
`ARCHIVES` functions that change the bytes of a whole archive. The expected outcome for an image or
a member is KEPT or one of the REASONS. For an archive, it is the line that rejects it. The images
that are kept show PHOTO, or have their own mean colour.
"""

import io
import re
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from conftest import PROJECT, encode
from PIL import Image, ImageCms

from pawprint.base.errors import printable
from pawprint.given.decoding.limits import MAX_BYTES

KEPT = "kept"
CODE = "".join(path.read_text(encoding="utf-8") for path in PROJECT.glob("pawprint/**/*.py"))
REASONS = {*re.findall(r'(?:UnusableImage|Decoding)Error\(\s*"(\w+)"', CODE)}
REASONS |= {"unlabelled", "label_none", "duplicate", "contradictory"}
# Names that zipfile cannot write, by the placeholder that is used until it has written the others,
# and how it reads them: in code page 437, and up to a zero byte.
RAW_NAMES = {"caf@@.jpg": (b"caf\xe9\xe8.jpg", "cafΘΦ.jpg"), "zero@.jpg": (b"zero\0.jpg", "zero")}

PHOTO = Image.merge(
    "RGB",
    [
        Image.linear_gradient("L").resize((96, 64)),
        Image.linear_gradient("L").rotate(90).resize((96, 64)),
        Image.radial_gradient("L").resize((96, 64)),
    ],
)
JPEG, PNG = encode(PHOTO), encode(PHOTO, "PNG")
# PHOTO, PHOTO.rotate(180), and PHOTO shown after a quarter turn, written by pillow-heif 1.4.
HEIC, TURNED_HEIC = (
    Path(__file__).with_name(name).read_bytes() for name in ("two.heic", "turned.heic")
)


@dataclass
class Fault:
    """The bytes of a file, or a function that writes it to an archive, and the expected outcome."""

    made: bytes | Callable
    promise: str
    colour: tuple[float, float, float] | None = None


def flipped(data: bytes, start: int, count: int = 1) -> bytes:
    """Return the data with all bits flipped in `count` bytes from `start` on."""
    turned = bytes(255 - byte for byte in data[start : start + count])
    return data[:start] + turned + data[start + count :]


def part(data: bytes, percent: int) -> bytes:
    return data[: len(data) * percent // 100]


def ycck() -> bytes:
    """Return PHOTO as a YCCK JPEG: CMYK with the first three channels stored as luma and chroma.

    Pillow only writes CMYK, inverted as Adobe does, and marks it with transform 0. The same bytes
    marked with 2 are YCCK.
    """
    luma_and_chroma = PHOTO.point(lambda value: 255 - value).convert("YCbCr").split()
    inverted = [channel.point(lambda value: 255 - value) for channel in luma_and_chroma]
    data = encode(Image.merge("CMYK", [*inverted, Image.new("L", PHOTO.size)]), quality=95)
    transform = data.index(b"Adobe") + 11
    return data[:transform] + b"\x02" + data[transform + 1 :]


def with_zeros(data: bytes, percent: int) -> bytes:
    """Replace the end by zeros, as in an interrupted download to a preallocated file."""
    return part(data, percent).ljust(len(data), b"\0")


END = b"\xff\xd9"
LARGE = PHOTO.resize((960, 640))
PROGRESSIVE = encode(LARGE, progressive=True)
RESTARTED = encode(LARGE, restart_marker_rows=1)
CODES = JPEG.index(b"\xff\xc4")
DEEP = Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 256)


def profile_of_swapped_colours() -> bytes:
    """Return an ICC profile in which red and green are swapped."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"-XYZ").replace(b"gXYZ", b"rXYZ").replace(b"-XYZ", b"gXYZ")


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn
    return encode(PHOTO, exif=exif)


def black_png(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that claims to have this size."""
    data = encode(Image.new("1", (8, 8)), "PNG")
    header = data[12:16] + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def scans(number: int, image: Image.Image = PHOTO) -> bytes:
    """Return a progressive JPEG in which the first scan is repeated."""
    data = encode(image, progressive=True)
    first = data.index(b"\xff\xda")
    end = data.index(b"\xff\xc4", first)  # the codes for the next scan
    return data[:end] + data[first:end] * number + data[end:]


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def surplus(data: bytes, extra: bytes) -> bytes:
    """Return a JPEG with extra bytes before each of its restart markers, and before its end.

    Webcams, CCTV and drones: opencv/opencv 9477, lovell/sharp 4149, nothings/stb 1182.
    """
    start = data.index(b"\xff\xda")
    scan = re.sub(rb"\xff[\xd0-\xd7]", lambda marker: extra + marker[0], data[start:-2])
    return data[:start] + scan + extra + END


def with_alpha(alpha: int | Image.Image) -> Image.Image:
    image = PHOTO.copy()
    image.putalpha(alpha)
    return image


def tiff(values: np.ndarray) -> bytes:
    """Return a little-endian TIFF of RGB and further channels, `(height, width, channels)`."""
    height, width, channels = values.shape
    pixels = values.tobytes()
    depths = struct.pack(f"<{channels}H", *channels * [values.dtype.itemsize * 8])
    start = 8 + len(pixels) + len(depths)
    cells = [(256, 1, width), (257, 1, height), (258, channels, 8 + len(pixels)), (259, 1, 1)]
    cells += [(262, 1, 2), (273, 1, 8), (277, 1, channels), (278, 1, height)]
    cells += [(279, 1, len(pixels))] + ([(338, 1, 0)] if channels == 4 else [])
    directory = b"".join(struct.pack("<HHLL", tag, 3 if n > 1 else 4, n, v) for tag, n, v in cells)
    head = b"II*\0" + struct.pack("<L", start)
    return head + pixels + depths + struct.pack("<H", len(cells)) + directory + bytes(4)


def half_of_zeros(image: Image.Image) -> bytes:
    """Return a PNG whose second half is black, and whose pixels no longer have their checksum."""
    data = encode(image, "PNG", compress_level=0)
    start, end = len(data) // 2, data.rindex(b"IEND") - 12
    return data[:start] + bytes(end - start) + data[end:]


DEFLATED = encode(PHOTO, "TIFF", compression="tiff_adobe_deflate")
END_OF_STRIP = 8 + Image.open(io.BytesIO(DEFLATED)).tag_v2[279][0]
RGB16 = np.asarray(PHOTO).astype(np.uint16) * 257
ALPHA = Image.linear_gradient("L").resize(PHOTO.size)
ON_WHITE = Image.composite(PHOTO, Image.new("RGB", PHOTO.size, "white"), ALPHA)
WHITE = (255.0, 255.0, 255.0)


def mean_colour(image: Image.Image) -> tuple[float, ...]:
    return tuple(np.asarray(image.convert("RGB")).mean((0, 1)))


GREY = mean_colour(PHOTO.convert("L"))
IMAGES = {
    **{
        f"{form} as.jpg": Fault(encode(PHOTO, form), KEPT)
        for form in ("PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM")
    },
    "heic as.jpg": Fault(HEIC, KEPT),
    "turned.heic": Fault(TURNED_HEIC, KEPT),
    "exif orientation.jpg": Fault(rotated(), KEPT),
    "progressive.jpg": Fault(encode(PHOTO, progressive=True), KEPT),
    "cmyk.jpg": Fault(encode(PHOTO.convert("CMYK")), KEPT),
    "ycck.jpg": Fault(ycck(), KEPT),
    "grey.jpg": Fault(encode(PHOTO.convert("L")), KEPT, GREY),
    "grey and alpha.png": Fault(encode(PHOTO.convert("LA"), "PNG"), KEPT, GREY),
    "16 bits.png": Fault(encode(DEEP, "PNG"), KEPT, GREY),
    "16 bits.tiff": Fault(encode(DEEP, "TIFF"), KEPT, GREY),
    "16 bits.pgm": Fault(
        b"P5 96 64 65535\n" + np.asarray(DEEP).astype(">u2").tobytes(), KEPT, GREY
    ),
    "16-bit colour.tiff": Fault(tiff(RGB16), KEPT),
    "16-bit colour.ppm": Fault(b"P6 96 64 65535\n" + RGB16.astype(">u2").tobytes(), KEPT),
    "four channels.tiff": Fault(tiff(np.dstack([RGB16, RGB16[..., 0]])), KEPT),
    "eight channels.tiff": Fault(tiff(np.zeros((4, 5, 8), np.uint16)), "unsupported"),
    "float.tiff": Fault(encode(PHOTO.convert("F"), "TIFF"), "unsupported"),
    "float.pfm": Fault(encode(PHOTO.convert("F"), "PPM"), "unsupported"),
    "thumbnail of a raw file.tiff": Fault(encode(PHOTO, "TIFF", tiffinfo={254: 1}), "unsupported"),
    "alpha.png": Fault(encode(with_alpha(ALPHA), "PNG"), KEPT, mean_colour(ON_WHITE)),
    # Some programs write an alpha of 0 by mistake: image-rs/image 539, SixLabors/ImageSharp 581.
    "alpha of 0.png": Fault(encode(with_alpha(0), "PNG"), KEPT),
    "alpha of 0.webp": Fault(encode(with_alpha(0), "WEBP"), KEPT, WHITE),
    "alpha.bmp": Fault(encode(with_alpha(128), "BMP"), KEPT),
    "swapped colours.png": Fault(
        encode(PHOTO, "PNG", icc_profile=profile_of_swapped_colours()),
        KEPT,
        mean_colour(Image.merge("RGB", [PHOTO.split()[place] for place in (1, 0, 2)])),
    ),
    # Slide scanners write such profiles: KatherLab/STAMP 76.
    "large profile.png": Fault(encode(PHOTO, "PNG", icc_profile=bytes(1_300_000)), KEPT),
    "animated.png": Fault(
        encode(PHOTO, "PNG", save_all=True, append_images=[PHOTO.rotate(180)], duration=100), KEPT
    ),
    "exif damaged.jpg": Fault(flipped(rotated(), rotated().index(b"Exif") + 6, 8), KEPT),
    "trailing garbage.jpg": Fault(JPEG + b"garbage" * 100, KEPT),
    "photo with a film after it.jpg": Fault(JPEG + b"\xff\xda" * 1000, KEPT),
    "surplus bytes.jpg": Fault(surplus(JPEG, b"\0\x55\0"), KEPT),
    "surplus bytes in intervals.jpg": Fault(surplus(RESTARTED, b"\x55" * 14), KEPT),
    "many surplus bytes.jpg": Fault(surplus(JPEG, bytes(1000)), "damaged"),
    "surplus bytes, cut.jpg": Fault(part(surplus(RESTARTED, b"\0"), 60), "damaged"),
    "other revision of JFIF.jpg": Fault(JPEG[:11] + b"\2" + JPEG[12:], KEPT),
    "empty.jpg": Fault(b"", "empty_file"),
    "jpeg cut.jpg": Fault(part(JPEG, 50), "truncated"),
    "jpeg without its end.jpg": Fault(part(JPEG, 99), "truncated"),
    "progressive cut and ended.jpg": Fault(part(PROGRESSIVE, 50) + END, "truncated"),
    "cmyk cut and ended.jpg": Fault(part(encode(PHOTO.convert("CMYK")), 60) + END, "truncated"),
    "jpeg with a hole.jpg": Fault(with_zeros(encode(LARGE, optimize=True), 70) + END, "damaged"),
    "jpeg header flipped.jpg": Fault(flipped(JPEG, 0, 4), "not_an_image"),
    "jpeg codes flipped.jpg": Fault(flipped(JPEG, CODES + 5, 8), "damaged"),
    "png cut.png": Fault(part(PNG, 50), "truncated"),
    "png pixels flipped.png": Fault(flipped(PNG, 100, 2), "damaged"),
    "half of zeros.png": Fault(half_of_zeros(PHOTO.convert("L")), "damaged"),
    "deflated.tiff": Fault(DEFLATED, KEPT),
    "other checksum.tiff": Fault(flipped(DEFLATED, END_OF_STRIP - 4, 4), "damaged"),
    "heic cut.heic": Fault(part(HEIC, 50), "truncated"),
    "avif items flipped.avif": Fault(flipped(encode(PHOTO, "AVIF"), 81, 4), "damaged"),
    # This item type would make pi-heif end the process.
    "heic item flipped.heic": Fault(flipped(TURNED_HEIC, TURNED_HEIC.index(b"Exif"), 4), "damaged"),
    "heic pixels flipped.heic": Fault(flipped(TURNED_HEIC, len(TURNED_HEIC) - 300, 40), "damaged"),
    "5000x5000 of plain text.ppm": Fault(b"P3 5000 5000 255\n0", "too_large"),
    "20000x20000.png": Fault(black_png(20_000, 20_000), "too_large"),
    "1x70000.png": Fault(encode(Image.new("1", (1, 70_000)), "PNG"), "too_large"),
    "1x1.png": Fault(encode(Image.new("RGB", (1, 1), "white"), "PNG"), KEPT, WHITE),
    "thousand scans.jpg": Fault(scans(1000), "too_large"),
    "90 scans, the first again and again.jpg": Fault(scans(80), "damaged"),
    "90 large scans.jpg": Fault(scans(80, Image.new("L", (4000, 4000))), "too_large"),
    "pointer as.jpg": Fault(b"version https://git-lfs.github.com/spec/v1\n", "no_content"),
    "page as.jpg": Fault(b"<!doctype html><title>404 Not Found</title>", "not_an_image"),
    # Pillow would run Ghostscript on this file.
    "postscript as.jpg": Fault(encode(PHOTO, "EPS"), "not_an_image"),
    "zip as.jpg": Fault(zipped(("cats/1.jpg", JPEG)), "not_an_image"),
    "AppleDouble/1.jpg": Fault(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "not_an_image"),
    "with 'single' and \"double\" quotes, and a comma.jpg": Fault(JPEG, KEPT),
    "Кот 猫 🐈 e\u0301.jpg": Fault(JPEG, KEPT),
    f"{251 * 'x'}.jpg": Fault(JPEG, KEPT),
}


def member(name: str, data: bytes = JPEG, times: int = 1, **changes) -> Callable:
    """Write a member, and then change its directory entry according to `changes`."""

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
    "path out of the folder": Fault(member("../../{folder}/out.jpg"), "unsafe_name"),
    "backslash": Fault(member("{folder}/back\\slash.jpg"), "unsafe_name"),
    "control characters in the name": Fault(member("{folder}/\x1b[31m\n.jpg"), "unsafe_name"),
    "page of plots in the name": Fault(
        member("{folder}/</script><script>alert(1)</script>.jpg"), "unsafe_name"
    ),
    "65 folders in each other": Fault(member(f"{{folder}}/{64 * 'a/'}deep.jpg"), "unsafe_name"),
    "zero byte in the name": Fault(member("{folder}/zero@.jpg"), "unsafe_name"),
    "name that is not UTF-8": Fault(member("{folder}/caf@@.jpg"), KEPT),
    "symbolic link": Fault(
        member("{folder}/link.jpg", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "not_a_file"
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
    "no suffix": Fault(member("{folder}/0"), "other_file"),
    "hidden": Fault(member("{folder}/.hidden.jpg"), "other_file"),
    "zip64 member": Fault(member("{folder}/zip64.jpg", method=DEFLATED, zip64=True), KEPT),
}


def write_archive(
    path: Path, folders: list[str], drawn: Iterable[tuple[str, bytes]], faults: dict[str, Fault]
) -> dict:
    """Write an archive in which drawn images and faults alternate in the folders.

    Return the fault behind each of its members, by the path in a manifest.
    """
    behind = {}
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile warns about repeated names
        for name, data in drawn:
            archive.writestr(name, data)
        for folder, (name, fault) in zip(cycle(folders), faults.items()):
            write = fault.made if callable(fault.made) else member(f"{{folder}}/{name}", fault.made)
            path_shown = printable(write(archive, folder))
            for placeholder, (_, read) in RAW_NAMES.items():
                path_shown = path_shown.replace(placeholder, read)
            behind[path_shown] = name
    data = path.read_bytes()
    for placeholder, (raw, _) in RAW_NAMES.items():
        data = data.replace(placeholder.encode(), raw)
    path.write_bytes(data)
    return behind


COMPLETE = "expected a complete zip archive"


def members_in_one_place(data: bytes) -> bytes:
    """Make every directory entry refer to the first member, with all bytes as its content."""
    entry = data.index(b"PK\x01\x02")
    while entry >= 0:
        sizes = struct.pack("<II", entry, entry)
        data = data[: entry + 20] + sizes + data[entry + 28 :]
        data = data[: entry + 42] + bytes(4) + data[entry + 46 :]
        entry = data.find(b"PK\x01\x02", entry + 4)
    return data


ARCHIVES = {
    "cut off in the middle": Fault(lambda data: part(data, 50), COMPLETE),
    "without its start": Fault(lambda data: data[100:], "some outside the file"),
    "directory damaged": Fault(lambda data: flipped(data, data.index(b"PK\x01\x02"), 2), COMPLETE),
    # Non-ASCII names are flagged as UTF-8. Here, one of them is not valid UTF-8.
    "a name that is no UTF-8 and says so": Fault(
        lambda data: data.replace("ж".encode(), b"\xd0\x28"), COMPLETE
    ),
    "members in one place": Fault(members_in_one_place, "members that overlap"),
    "no members": Fault(lambda data: zipped(), "expected a folder or label named cat or cats"),
    "a class empty after cleaning": Fault(
        lambda data: zipped(("cats/1.jpg", JPEG), ("dogs/1.jpg", b"")),
        r"expected a usable image of class dog. Received: kept 1 of 2 images \(1 empty file\)",
    ),
}
