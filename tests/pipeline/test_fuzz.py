"""Test damaged inputs: Hypothesis cuts, flips, overwrites and mixes inputs of each kind.

`make test-extended` reads a hundred times as many.
"""

import tempfile
from pathlib import Path

import pytest
from conftest import clean_archive
from faults import ARCHIVES, IMAGES, JPEG, MEMBERS, PNG, REASONS, write_archive, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawprint.base.columns import IMAGES as MANIFEST
from pawprint.base.errors import CONTROL_CHARACTERS, InputError
from pawprint.base.tables import read_table, write_table
from pawprint.data.archive import UnusableImageError, open_archive
from pawprint.data.reading import decode, open_image
from pawprint.network.views import resize

SMALL = 20_000  # bytes; in a larger input, relevant places change too rarely


def check_decode(data: bytes, path: Path) -> None:
    try:
        image = decode(data)
    except UnusableImageError as unusable:
        assert unusable.reason in REASONS
        assert unusable.detail
    else:
        assert resize(image, 32, "crop").shape == (32, 32, 3)


def check_archive(data: bytes, path: Path) -> None:
    """Images that `clean` keeps must be listed, and must be found and decoded again."""
    path.write_bytes(data)
    try:
        kept, rejected, _ = clean_archive(path)
    except InputError as error:
        assert not CONTROL_CHARACTERS.search(str(error).replace("\n", " ")), error
        return
    assert set(rejected["reason"]) <= REASONS
    write_table(path.with_suffix(".csv"), kept, MANIFEST)
    with open_archive(path) as archive:
        for name in read_table(path.with_suffix(".csv"), MANIFEST)["path"]:
            open_image(archive, name)


def archives() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.zip"
        faults = {name: fault for name, fault in MEMBERS.items() if "bomb" not in name}
        faults |= {name: fault for name, fault in IMAGES.items() if len(fault.made) < 500}
        write_archive(path, ["cats"], [(f"dogs/{n}.jpg", JPEG) for n in range(4)], faults)
        plain = zipped(*((f"{of}/{n}.png", PNG) for of in ("cats", "dogs") for n in range(4)))
        return [plain, path.read_bytes(), *(fault.made(plain) for fault in ARCHIVES.values())]


ENDS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
NUMBER = st.sampled_from([end.to_bytes(size, "little") for end in ENDS for size in (4, 8)])
ANY = st.binary(max_size=64)


@st.composite
def damaged(draw, inputs: list[bytes]) -> bytes:
    """Return one of the inputs with a few parts replaced, removed or repeated."""
    data = draw(st.sampled_from(inputs))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 128)))
        put = draw(NUMBER | ANY | st.just(data[start:end] * 2))
        data = data[:start] + put + data[end:]
    return data


TARGETS = {
    "decode": (
        check_decode,
        damaged([fault.made for fault in IMAGES.values() if len(fault.made) < SMALL]),
        300,
    ),
    "archive": (check_archive, damaged(archives()), 100),
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
    def holds(data: bytes) -> None:
        check(data, tmp_path / "input")

    holds()
