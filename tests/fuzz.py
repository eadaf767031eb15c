"""Damaged inputs without end: `PYTHONPATH=. python tests/fuzz.py SECONDS [FIRST]`.

Input number n of a target is made from a seed of its kind by changes drawn from n, so a find is
told by its number. A target breaks if it raises anything but what it promises.
"""

import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import PROJECT, clean_archive
from faults import ARCHIVES, IMAGES, JPEG, MEMBERS, PNG, write_archive, zipped

from pawprint.core.errors import CONTROL_CHARACTERS, InputError
from pawprint.core.files import read_json
from pawprint.core.params.whole import load_params
from pawprint.core.tables import IMAGES as MANIFEST
from pawprint.core.tables import NEAR_DUPLICATES, SPLIT, read_table, write_table
from pawprint.images.archive import open_archive
from pawprint.images.decoder import decode, open_image
from pawprint.images.resizing import resize
from pawprint.images.unusable import REASONS, UnusableImageError
from recipes.overlay import apply

SMALL = 20_000  # bytes; a larger seed is changed too seldom where it matters
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def fuzz_decode(data: bytes, folder: Path) -> None:
    try:
        image = decode(data)
    except UnusableImageError as unusable:
        assert unusable.reason in REASONS
        assert unusable.detail
    else:
        assert resize(image, 32, "crop").shape == (32, 32, 3)


def fuzz_archive(data: bytes, folder: Path) -> None:
    """What `clean` keeps goes through a manifest, and is found and decoded again."""
    path, manifest = folder / "images.zip", folder / "images.csv"
    path.write_bytes(data)
    try:
        kept, rejected = clean_archive(path)
    except InputError as error:
        assert not CONTROL_CHARACTERS.search(str(error).replace("\n", " ")), error
        return
    assert set(rejected["reason"]) <= set(REASONS)
    write_table(manifest, kept, MANIFEST)
    with open_archive(path) as archive:
        for name in read_table(manifest, MANIFEST)["path"]:
            open_image(archive, name)


def fuzz_manifest(data: bytes, folder: Path) -> None:
    path = folder / "images.csv"
    path.write_bytes(data)
    for read in (
        lambda: read_table(path, SPLIT),
        lambda: read_table(path, NEAR_DUPLICATES),
        lambda: read_json(path),
    ):
        try:
            read()
        except InputError as error:
            assert str(error).startswith(f"{path}: ")


def fuzz_params(data: bytes, folder: Path) -> None:
    path = folder / "params.yaml"
    path.write_bytes(data)
    try:
        load_params(path)
    except InputError as error:
        for line in str(error).split("\n"):
            assert line.startswith(f"{path}: ")
            assert not CONTROL_CHARACTERS.search(line), line


def archives() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.zip"
        kinds = IMAGES | {name: each for name, each in MEMBERS.items() if "bomb" not in name}
        small = {
            name: each for name, each in kinds.items() if name in MEMBERS or len(each.made) < 500
        }
        write_archive(path, ["cats"], [(f"dogs/{n}.jpg", JPEG) for n in range(4)], small)
        plain = zipped(*((f"{of}/{n}.png", PNG) for of in ("cats", "dogs") for n in range(4)))
        refused = [fault.made(plain) for fault in ARCHIVES.values()]
        return 5 * [plain, path.read_bytes()] + [data for data in refused if data]


PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")
TEXTS = [apply(PARAMS, name).encode() for name in ("default", "local-zip-dense")]
RECORDS = [
    b'path,label,split\n"a ""b"", c.jpg",cat,train\nd.jpg,dog,test\n',
    b"group,path,label,archive_split,split,nearest,distance\na,a,cat,,train,b,1\na,b,cat,,test,a,1\n",
    b'{"a": {"b": [1.5]}}',
]
# What a change puts in instead of any bytes, so that text stays text.
WORDS = (
    "null ~ true .nan -.inf 1e400 0x1f 1_000 2001-13-45 !!float !!python/object:os.system !!binary "
    "<<: &a *a { } [ ] , : - ? | > % @ ` ' \" # \n \t \r \\x00 \x07 \x85 \u2028 \ud83d ж 猫 \ufeff"
)
YAML_WORDS = [word.encode("utf-8", "surrogatepass") for word in WORDS.split(" ")]
YAML_WORDS += [b" ", b"  ", b": ", b"\n  ", b"\n", b"9" * 400]
CSV_WORDS = [
    b",",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"]",
    b"NaN",
    b"1e999",
]
TARGETS: dict[str, tuple[Callable, list[bytes], list[bytes]]] = {
    "decode": (
        fuzz_decode,
        [fault.made for fault in IMAGES.values() if 0 < len(fault.made) < SMALL],
        [],
    ),
    "archive": (fuzz_archive, archives(), []),
    "manifest": (fuzz_manifest, RECORDS, CSV_WORDS),
    "params": (fuzz_params, TEXTS, YAML_WORDS),
}


def make(target: str, number: int) -> bytes:
    """Input `number` of a target: one of its seeds with a few changes, most often one."""
    _, seeds, words = TARGETS[target]
    random = np.random.default_rng(number)
    data = bytearray(seeds[random.integers(len(seeds))])
    for _ in range(random.geometric(0.5)):
        at, size = int(random.integers(len(data) + 1)), int(2 ** random.uniform(0, 7))
        change = random.integers(6)
        if change == 0:
            end = int(random.integers(len(data) + 1))
            data[at:at] = data[end : end + size]
        elif change == 1:
            del data[at : at + size]
        elif words:
            word = words[random.integers(len(words))]
            data[at : at + len(word) * (change == 2)] = word
        elif change == 2:
            data[at : at + size] = random.bytes(len(data[at : at + size]))
        elif change == 3:
            width = int(random.choice([1, 2, 4]))
            value = int(random.choice(NUMBERS)) % 256**width
            order = "little" if random.integers(2) else "big"
            data[at : at + width] = value.to_bytes(width, order)
        elif data:
            data[at % len(data)] ^= 1 << int(random.integers(8))
    return bytes(data)


def main(seconds: float, number: int = 0) -> int:
    """Go through the targets in turn, from an input on, for so many seconds of this process.

    Exit status 1 if anything broke.
    """
    inputs, finds = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.process_time() < seconds:
            for target, (check, *_) in TARGETS.items():
                inputs += 1
                try:
                    check(make(target, number), Path(folder))
                except KeyboardInterrupt:
                    raise
                except BaseException:
                    traceback.print_exc()
                    print(f"make({target!r}, {number})", flush=True)
                    finds += 1
            number += 1
    print(f"{inputs:,} inputs in {time.process_time() / 60:.0f} minutes, {finds} finds")
    return int(finds > 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main(float(sys.argv[1]), *map(int, sys.argv[2:])))
