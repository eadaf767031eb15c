"""Test photos as cameras, scanners and programs write them: complete pictures are kept as seen."""

import io
import re
import shutil
import threading
import tracemalloc
import zlib
from pathlib import Path

import pytest
from conftest import CATS_AND_DOGS, PROJECT, encode, photo, photos_of, write_files
from faults import JPEG, LARGE, PHOTO, part, profile_of_swapped_colours
from PIL import Image, ImageCms, PngImagePlugin

from pawprint import paths
from pawprint.columns import DECODED
from pawprint.dataset.cleaning import clean as clean_images
from pawprint.dataset.cleaning import describe_pages
from pawprint.dataset.folders import find_layout
from pawprint.decoding import decoder
from pawprint.decoding.decoder import decoding
from pawprint.decoding.jpeg import MAX_EXTRA, MAX_PADDING
from pawprint.files import pack
from pawprint.images.archive import UnusableImageError, members, open_archive
from pawprint.images.reading import decode, decode_file
from pawprint.tables import read_table, write_table

END = b"\xff\xd9"
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
SCAN = JPEG.index(b"\xff\xda")


def with_bytes(data: bytes, before: bytes, at_end: bytes) -> bytes:
    """Return a JPEG with extra bytes before each of its restart markers, and before its end."""
    start = data.index(b"\xff\xda")
    scans = RESTART.sub(lambda marker: before + marker[0], data[start:-2])
    return data[:start] + scans + at_end + END


def same_picture(data: bytes, expected: bytes) -> bool:
    return decode(data).tobytes() == decode(expected).tobytes()


ENCODINGS = {
    "without intervals": {},
    "rows": {"restart_marker_rows": 1},
    "units": {"restart_marker_blocks": 1},
    "intervals across rows": {"restart_marker_blocks": 7, "subsampling": 0},
    "own codes": {"restart_marker_rows": 3, "optimize": True},
    "progressive": {"progressive": True},
    "progressive with intervals": {"progressive": True, "restart_marker_rows": 2},
}


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bytes_before_markers_leave_the_picture_as_it_is(encoding, mode):
    """Webcams, CCTV and drones: opencv/opencv 9477, lovell/sharp 4149, nothings/stb 1182."""
    data = encode(PHOTO.convert(mode), quality=90, **ENCODINGS[encoding])
    for extra in (b"\x00", b"\x55" * 14, b"\x28\xff\x00\xff"):
        assert same_picture(with_bytes(data, extra, bytes(12)), data)
        assert same_picture(with_bytes(data, b"", extra), data)
    assert same_picture(with_bytes(data, b"", b"\x20" * 200), data)


def test_bytes_between_segments_leave_the_picture_as_it_is():
    """lilohuang/PyTurboJPEG 77: 608 bytes before a comment. opencv/opencv 20531: before 0xdb."""
    behind_app0, comment = 20, b"\xff\xfe\x00\x06cam1"
    assert same_picture(JPEG[:20] + bytes(608) + comment + JPEG[20:], JPEG)
    for segment in re.finditer(rb"\xff[\xdb\xc0\xc4\xda]", JPEG[: SCAN + 2]):
        padded = JPEG[: segment.start()] + b"\x00\x2f" + JPEG[segment.start() :]
        assert same_picture(padded, JPEG), segment
    assert same_picture(JPEG[:2] + b"\x00" + JPEG[2:], JPEG)
    together = JPEG[:behind_app0] + b"\x2f" + JPEG[behind_app0:-2] + bytes(12) + END
    assert same_picture(together, JPEG)


def test_intervals_after_the_last_one_leave_the_picture_as_it_is():
    """image-rs/jpeg-decoder 100: a scanner writes more data than its picture has."""
    data = encode(PHOTO, restart_marker_rows=1)
    number = len(RESTART.findall(data))
    more = b"".join(
        bytes([0xFF, 0xD0 + (number + place) % 8]) + 600 * b"\x28" for place in range(9)
    )
    assert same_picture(data[:-2] + more + END, data)


def test_meaningless_numbers_of_a_scan_hide_no_damage():
    """lovell/sharp 1890: some phones cause the warning "Invalid SOS parameters"."""
    odd = JPEG[: SCAN + 11] + b"\x00\x00\x00" + JPEG[SCAN + 14 :]
    assert same_picture(odd, JPEG)
    with pytest.raises(UnusableImageError, match="missing"):
        decode(part(odd, 60) + END)


def is_kept(data: bytes) -> bool:
    try:
        decode(data)
    except UnusableImageError as unusable:
        assert unusable.reason in ("damaged", "truncated")
        return False
    return True


def damaged(data: bytes) -> dict[str, bytes]:
    """Return JPEGs with data missing, overwritten or in another order, each with its end."""
    scan = data.index(b"\xff\xda") + 14
    zeros = {f"zeros from {percent} %": part(data, percent) for percent in (60, 80, 95)}
    made = {name: cut.ljust(len(data) - 2, b"\0") + END for name, cut in zeros.items()}
    made |= {f"cut at {percent} %": part(data, percent) + END for percent in (60, 80, 95)}
    middle = (scan + len(data)) // 2
    made["bytes lost"] = data[: middle - 400] + data[middle:]
    intervals = [marker.start() for marker in RESTART.finditer(data)]
    if len(intervals) > 4:
        first, second, third, fourth = intervals[1:5]
        made["interval lost"] = data[:first] + data[second:]
        swapped = data[second:third] + data[first:second] + data[third:]
        made["intervals swapped"] = data[:first] + swapped
        made["end of an interval lost"] = data[: second - 20] + data[second:]
        made["interval empty"] = data[: first + 2] + data[second:]
        made["many intervals lost"] = data[:first] + data[fourth:]
    return made


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_extra_bytes_hide_no_damage(encoding):
    """libjpeg only reports its first warning, which is about the extra bytes."""
    data = encode(LARGE.resize((200, 150)), quality=90, **ENCODINGS[encoding])
    for name, bad in damaged(data).items():
        assert not is_kept(bad), name
        for extra, at_end in ((b"\0", bytes(12)), (b"\0", b"\x55" * 12), (b"", bytes(100))):
            assert not is_kept(with_bytes(bad, extra, at_end)), name
        start = bad.index(b"\xff\xda")
        padded = bad[:20] + b"\0" + bad[20:start] + with_bytes(bad, b"", bytes(12))[start:]
        assert not is_kept(padded), name


def test_many_extra_bytes_are_damage_as_they_may_stand_for_data():
    data = encode(PHOTO, restart_marker_rows=1)
    marker = RESTART.search(data).start()
    varied = bytes(range(1, MAX_EXTRA + 2))
    assert is_kept(data[:marker] + varied[:-1] + data[marker:])
    assert not is_kept(data[:marker] + varied + data[marker:])
    assert is_kept(data[:-2] + varied[:-1] + END)
    assert not is_kept(data[:-2] + 2 * varied + END)
    assert not is_kept(data[:-2] + bytes(MAX_PADDING + 10) + END)


def bmp_with_alpha(image: Image.Image, alpha: int) -> bytes:
    """Return a 32-bit BMP that has a mask for alpha, with this value for all pixels."""
    data = image.convert("RGBA")
    data.putalpha(alpha)
    pixels = data.tobytes("raw", "BGRA", 0, -1)
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    size = b"".join(side.to_bytes(4, "little") for side in image.size)
    header = (108).to_bytes(4, "little") + size + b"\x01\x00\x20\x00" + (3).to_bytes(4, "little")
    header = (header + len(pixels).to_bytes(4, "little")).ljust(40, b"\0") + masks
    header = header.ljust(108, b"\0")
    start = 14 + len(header)
    places = (start + len(pixels)).to_bytes(4, "little"), start.to_bytes(4, "little")
    return b"BM" + places[0] + bytes(4) + places[1] + header + pixels


def with_alpha(image: Image.Image, alpha: int | Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(alpha)
    return image


BLACK = Image.new("RGB", PHOTO.size)


def test_alpha_of_zero_everywhere_hides_no_picture():
    """image-rs/image 539, SixLabors/ImageSharp 581."""
    for form in ("PNG", "TGA", "TIFF"):
        assert decode(encode(with_alpha(PHOTO, 0), form)).tobytes() == PHOTO.tobytes()
    assert decode(bmp_with_alpha(PHOTO, 0)).tobytes() == PHOTO.tobytes()
    assert decode(bmp_with_alpha(PHOTO, 128)).tobytes() == PHOTO.tobytes()
    assert decode(bmp_with_alpha(BLACK, 0)).tobytes() == BLACK.tobytes()
    grey = encode(with_alpha(PHOTO.convert("L"), 0), "PNG")
    assert decode(grey).tobytes() == PHOTO.convert("L").convert("RGB").tobytes()


def test_what_is_meant_to_be_transparent_is_white():
    white = Image.new("RGB", PHOTO.size, "white")
    half = Image.new("L", PHOTO.size)
    half.paste(255, (0, 0, PHOTO.width // 2, PHOTO.height))
    expected = Image.composite(PHOTO, white, half)
    assert decode(encode(with_alpha(BLACK, 0), "PNG")).tobytes() == white.tobytes()
    assert decode(encode(with_alpha(PHOTO, 0), "WEBP")).tobytes() == white.tobytes()
    assert decode(encode(with_alpha(PHOTO, half), "PNG")).tobytes() == expected.tobytes()
    assert decode(bmp_with_alpha(PHOTO, 255)).tobytes() == PHOTO.tobytes()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def texts(**values: str | bytes) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in values.items():
        info.add_text(key, value, zip=True)
        info.add_itxt(key, value, zip=True)
    return info


def test_png_with_a_large_profile_or_text_is_kept():
    """Slide scanners write such files: KatherLab/STAMP 76, python-pillow/Pillow 2445."""
    large = SRGB + bytes(1_300_000)
    assert same_picture(encode(PHOTO, "PNG", icc_profile=large), encode(PHOTO, "PNG"))
    swapped = profile_of_swapped_colours()
    profiles = (swapped, swapped + bytes(1_300_000))
    small, padded = (encode(PHOTO, "PNG", icc_profile=profile) for profile in profiles)
    assert same_picture(padded, small)
    assert not same_picture(padded, encode(PHOTO, "PNG"))
    slide = texts(Slide="x" * 1_300_000, Notes="y" * 70_000_000)
    assert same_picture(encode(PHOTO, "PNG", pnginfo=slide), encode(PHOTO, "PNG"))


def test_orientation_in_a_text_of_a_png_is_honoured():
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>', zip=True)
    xmp.add_text("Comment", "of a scanner")
    assert decode(encode(PHOTO, "PNG", pnginfo=xmp)).size == PHOTO.size[::-1]


def test_bomb_in_a_png_takes_little_memory():
    bomb = zlib.compress(bytes(200_000_000))
    data = encode(PHOTO, "PNG")
    for kind, start in ((b"zTXt", b"Comment\0\0"), (b"iCCP", b"icc\0\0"), (b"zTXt", b"exif\0\0")):
        content = kind + start + bomb
        chunk = (len(content) - 4).to_bytes(4) + content + zlib.crc32(content).to_bytes(4)
        tracemalloc.start()
        assert same_picture(data[:33] + chunk + data[33:], data)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 20_000_000


@pytest.fixture(scope="module")
def of_108_megapixels() -> bytes:
    image = Image.new("L", (12_000, 9_000), 90)
    image.paste(200, (6_000, 0, 12_000, 9_000))
    return encode(image)


def test_jpeg_of_a_phone_is_decoded_in_full_for_clean(of_108_megapixels):
    """The hash is computed from all pixels. A prediction only needs the scale of its square."""
    with decoding(of_108_megapixels, None) as decoded:
        assert (decoded.image.size, decoded.scale) == ((12_000, 9_000), 1)
        assert decoder.ONE_LARGE_JPEG.locked()  # so no other thread decodes a large JPEG
        others = threading.Thread(target=decode, args=(JPEG,))
        others.start()
        others.join()  # other threads can still decode other images
    assert not decoder.ONE_LARGE_JPEG.locked()
    small = decode_file(of_108_megapixels, None, side=512)
    assert (small.image.size, small.scale) == ((1_500, 1_125), 8)


def test_jpeg_for_which_memory_lacks_has_that_reason(of_108_megapixels, tmp_path, monkeypatch):
    meminfo = write_files(tmp_path, {"meminfo": "MemAvailable:     500000 kB\n"}) / "meminfo"
    monkeypatch.setattr(decoder, "MEMORY", meminfo)
    with pytest.raises(UnusableImageError, match=r"0\.9 GB of free memory") as error:
        decode(of_108_megapixels)
    assert error.value.reason == "too_large"
    assert decode(of_108_megapixels, side=512).size == (1_500, 1_125)
    assert not decoder.ONE_LARGE_JPEG.locked()


def pages(*images: Image.Image, form: str = "TIFF", **options) -> bytes:
    return encode(images[0], form, save_all=True, append_images=images[1:], **options)


def has_more(data: bytes) -> bool:
    return decode_file(data, None).has_more


def test_files_of_several_pages_are_told_from_others():
    """alephdata/aleph 20, BodenmillerGroup/imctools 93."""
    turned = PHOTO.rotate(180)
    assert has_more(pages(PHOTO, turned, turned))
    assert has_more(pages(PHOTO.convert("I;16"), turned.convert("I;16")))
    for form in ("GIF", "PNG", "WEBP"):
        assert has_more(pages(PHOTO, turned, form=form))
        assert not has_more(encode(PHOTO, form))
    assert not has_more(encode(PHOTO, "TIFF"))
    # A smaller copy of the first page, such as a preview, does not count as another page.
    data = bytearray(pages(PHOTO, turned, tiffinfo={254: 0}))
    second = data.rindex(b"\xfe\x00\x04\x00\x01\x00\x00\x00")
    data[second + 8] = 1
    assert not has_more(bytes(data))
    assert not has_more(pages(PHOTO, turned, form="MPO"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a project folder with the committed params, and multi-page files to clean."""
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    scans = {f"cat/{n}.tif": pages(*(Image.open(io.BytesIO(photo(n))),) * 3) for n in (50, 51, 52)}
    files = photos_of([f"{label}/{n}.jpg" for label in ("cat", "dog") for n in range(4)]) | scans
    path = tmp_path / paths.RAW_ARCHIVES / "images.zip"
    path.parent.mkdir(parents=True)
    shutil.copy(PROJECT / paths.LABELS_CSV, tmp_path)
    pack(path, sorted(files.items()))
    write_files(tmp_path, {str(paths.DECODED_ROW_CODE): "code"})
    return tmp_path


def test_count_of_known_files_is_that_of_their_rows(folder):
    """A second run does not decode any of them again."""
    with open_archive(folder / paths.RAW_ARCHIVES) as archive:
        layout = find_layout(members(archive), None, CATS_AND_DOGS, archive.filename)
        first, _, _ = clean_images(archive, layout, "decodes", [])
        write_table(folder / "decoded.csv", first, DECODED)
        known = read_table(folder / "decoded.csv", DECODED)
        again, _, _ = clean_images(archive, layout, "decodes", [], known)
        assert describe_pages(again) == describe_pages(first)
        other = known.assign(has_more=True)
        again, _, _ = clean_images(archive, layout, "decodes", [], other)
        assert describe_pages(again).startswith(f"{len(first)} files")
