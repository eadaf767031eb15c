"""Test damaged inputs: Hypothesis cuts, flips, overwrites and mixes inputs of each kind.

`make test-extended` reads a hundred times as many; nightly.yaml sets a limit of memory, too.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("hypothesis", reason="install the `dev` extra")

from conftest import PROJECT, clean_archive, tarred
from faults import ARCHIVES, IMAGES, JPEG, MEMBERS, PNG, REASONS, write_archive, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawprint.base.columns import IMAGES as MANIFEST
from pawprint.base.errors import CONTROL_CHARACTERS, InputError
from pawprint.base.package import EXAMPLE_MODEL
from pawprint.base.tables import read_table, write_table
from pawprint.data.sources import fetch
from pawprint.given.archive import UnusableImageError, open_archive
from pawprint.given.decoding.decoder import pixels_sha256
from pawprint.given.metadata_csv import parse_metadata_csv
from pawprint.given.reading import decode, decode_file, open_image
from pawprint.given.user_tables import read_corrections
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import load_predictor
from pawprint.network.views import resize
from pawprint.pipeline.params.model import load_params

SMALL = 20_000  # bytes; in a larger input, relevant places change too rarely


def require_one_line(error: InputError) -> None:
    assert not CONTROL_CHARACTERS.search(str(error).replace("\n", " ")), error


def check_decode(data: bytes, original: bytes, path: Path) -> None:
    """A PNG has checksums, so if it is decoded, its pixels are the original ones."""
    try:
        image = decode(data)
    except UnusableImageError as unusable:
        assert unusable.reason in REASONS
        assert unusable.detail
    else:
        assert resize(image, 32, "crop").shape == (32, 32, 3)
        if original == PNG:
            assert image == decode(PNG)


def check_archive(data: bytes, original: bytes, path: Path) -> None:
    """Images that `clean` keeps must be listed, and must be found and decoded again.

    A zip has checksums, so they have the pixels of images that were put into it.
    """
    path.write_bytes(data)
    try:
        kept, rejected, _ = clean_archive(path)
    except InputError as error:
        require_one_line(error)
        return
    assert set(rejected["reason"]) <= REASONS
    assert set(kept["pixels_sha256"]) <= pixels_of_images()
    write_table(path.with_suffix(".csv"), kept, MANIFEST)
    with open_archive(path) as archive:
        for name in read_table(path.with_suffix(".csv"), MANIFEST)["path"]:
            open_image(archive, name)


@cache
def pixels_of_images() -> set[str]:
    found = set()
    for fault in IMAGES.values():
        try:
            found.add(pixels_sha256(decode_file(fault.made, None).pixels))
        except UnusableImageError:
            continue
    return found


def check_tar(data: bytes, original: bytes, path: Path) -> None:
    """A tar.gz has a checksum, so if it is packed, it has the original files."""
    folder = path.with_name("raw")
    path.write_bytes(original)
    fetch(path, folder)
    expected = (folder / "images.zip").read_bytes()
    path.write_bytes(data)
    try:
        fetch(path, folder)
    except InputError as error:
        require_one_line(error)
    else:
        assert (folder / "images.zip").read_bytes() == expected


def check_model(data: bytes, original: bytes, path: Path) -> None:
    """A model's files have checksums, so only the original one answers."""
    shutil.copytree(EXAMPLE_MODEL, path, dirs_exist_ok=True)
    for file in path.iterdir():
        if file.read_bytes() == original:
            file.write_bytes(data)
    try:
        if original == RULES:
            read_metadata(path)
        elif data != original:
            load_predictor(path)
            raise AssertionError("a damaged model was loaded")
    except InputError as error:
        require_one_line(error)


def check_table(data: bytes, original: bytes, path: Path) -> None:
    path.write_bytes(data)
    names = ["a/1.jpg", "b/é.jpg", "", "metadata.csv"]
    for read in (
        lambda: read_corrections(path, names, ["a", "b"]),
        lambda: parse_metadata_csv("photos", names, lambda _: data),
    ):
        try:
            read()
        except InputError as error:
            require_one_line(error)


def check_params(data: bytes, original: bytes, path: Path) -> None:
    path.write_bytes(data)
    try:
        load_params(path)
    except InputError as error:
        require_one_line(error)


def archives() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.zip"
        faults = {name: fault for name, fault in MEMBERS.items() if "bomb" not in name}
        faults |= {name: fault for name, fault in IMAGES.items() if len(fault.made) < 500}
        write_archive(path, ["cats"], [(f"dogs/{n}.jpg", JPEG) for n in range(4)], faults)
        plain = zipped(*((f"{of}/{n}.png", PNG) for of in ("cats", "dogs") for n in range(4)))
        return [plain, path.read_bytes(), *(fault.made(plain) for fault in ARCHIVES.values())]


def tars() -> list[bytes]:
    files = [(f"{of}/{n}.png", PNG) for of in ("cats", "dogs") for n in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        return [tarred(Path(folder) / "images.tar.gz", files).read_bytes()]


RULES = (EXAMPLE_MODEL / "model.json").read_bytes()
TABLES = [
    "path,label,pixels_sha256\na/1.jpg,a,\nb/é.jpg,b,\n".encode(),
    'file_name;label;split\r\na/1.jpg;a;train\r\n"b/é.jpg";b;test\r\n'.encode("utf-16"),
    b"file_name,label\n2.jpg,a\n",
]
ENDS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
NUMBER = st.sampled_from([end.to_bytes(size, "little") for end in ENDS for size in (4, 8)])
ANY = st.binary(max_size=64)


@st.composite
def damaged(draw, inputs: list[bytes]) -> tuple[bytes, bytes]:
    """Return one of the inputs with a few parts replaced, removed or repeated, and the input."""
    data = original = draw(st.sampled_from(inputs))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 128)))
        put = draw(NUMBER | ANY | st.just(data[start:end] * 2))
        data = data[:start] + put + data[end:]
    return data, original


TARGETS = {
    "decode": (
        check_decode,
        damaged([fault.made for fault in IMAGES.values() if len(fault.made) < SMALL]),
        300,
    ),
    "archive": (check_archive, damaged(archives()), 100),
    "tar": (check_tar, damaged(tars()), 100),
    "model": (check_model, damaged([path.read_bytes() for path in EXAMPLE_MODEL.iterdir()]), 50),
    "table": (check_table, damaged(TABLES), 200),
    "params": (check_params, damaged([(PROJECT / "params.yaml").read_bytes()]), 50),
}


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("times", [1, pytest.param(100, marks=pytest.mark.extended)])
@pytest.mark.parametrize("target", TARGETS)
def test_damaged_input_breaks_nothing(target, times, tmp_path):
    check, inputs, number = TARGETS[target]

    @settings(
        max_examples=times * number,
        deadline=None,
        derandomize=times == 1,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def holds(pair: tuple[bytes, bytes]) -> None:
        check(*pair, tmp_path / "input")

    holds()
