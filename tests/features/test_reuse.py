import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pawprint.core.recorded import Recorded
from pawprint.features.reuse import Journal, find_rows, recorded_rows
from pawprint.features.store import INDEX, checksum, key_of, write_shard

KINDS = {"cut": (2, 2), "top": (3,)}
TURNS = [np.array([[1.0, 0.0, turn], [0.0, 1.0, 0.0]]) for turn in range(2)]
FEATURES = Path("data/features")


def rows(images: range) -> dict:
    """Rows of two views of these images, by their keys, with numbers that tell them apart."""
    found = {}
    for image in images:
        for turn, transformation in enumerate(TURNS):
            key = (f"{image:02x}".ljust(64, "0").encode(), transformation.tobytes())
            value = np.float16(2 * image + turn)
            found[key] = [np.full(shape, value, np.float16) for shape in KINDS.values()]
    return found


def index_of(keys) -> np.ndarray:
    entries = [(sha256, 0, np.frombuffer(turn).reshape(2, 3), b"") for sha256, turn in keys]
    return np.array(entries, INDEX)


def assert_equal(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert all((one == other).all() for one, other in zip(row, expected[key], strict=True))


def written(path: Path, images: range) -> Journal:
    journal = Journal(path, KINDS)
    journal.append([rows(range(image, image + 1)) for image in images])
    return journal


def test_journal_gives_what_was_appended(tmp_path):
    journal = written(tmp_path / "below" / "0-of-1", range(3))
    journal.append([rows(range(3, 5))])
    assert_equal(find_rows(set(rows(range(9))), journal.read()), rows(range(5)))


def test_journal_of_a_killed_run_gives_its_complete_rows_and_goes_on(tmp_path):
    whole = written(tmp_path / "whole", range(4)).path.read_bytes()
    for size in range(0, len(whole), 7):
        journal = Journal(tmp_path / "cut", KINDS)
        journal.path.write_bytes(whole[:size])
        found = find_rows(set(rows(range(4))), journal.read())
        assert len(found) == size // journal.dtype.itemsize
        journal.append([rows(range(4, 6))])
        found |= rows(range(4, 6))
        assert_equal(find_rows(set(rows(range(9))), journal.read()), found)


def test_no_damaged_row_is_taken(tmp_path):
    """Whichever byte changes: of the features, the image, the transformation or the checksum."""
    whole = written(tmp_path / "whole", range(2)).path.read_bytes()
    expected, journal = rows(range(2)), Journal(tmp_path / "damaged", KINDS)
    size = journal.dtype.itemsize
    view = INDEX.fields["view"][1]
    for place in range(size):
        if view <= place < view + 4:
            continue  # a row is found by its transformation, not by the number of the view
        data = bytearray(whole)
        data[place] ^= 1
        journal.path.write_bytes(data)
        keys = set(expected) | {key_of(entry) for index, _ in journal.read() for entry in index}
        assert_equal(find_rows(keys, journal.read()), dict(list(expected.items())[1:]))


def test_row_of_another_image_or_transformation_is_not_taken(tmp_path):
    journal = written(tmp_path / "journal", range(2))
    assert find_rows(set(rows(range(2, 4))), journal.read()) == {}


@pytest.fixture
def recorded(tmp_path, monkeypatch) -> Path:
    """A project whose last recorded result is two shards of images; the folder of its cache."""
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "elsewhere"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(f"[cache]\n    dir = {cache}\n")
    (tmp_path / "written").mkdir()
    for shard, images in enumerate((range(3), range(128, 131))):
        found = rows(images)
        index = index_of(found)
        index["checksum"] = [checksum(key, row) for key, row in found.items()]
        write_shard(tmp_path / "written", shard, index, list(found.values()), KINDS)
    listing = []
    for number, path in enumerate(sorted((tmp_path / "written").iterdir())):
        listing.append({"md5": f"{number:032x}", "relpath": path.name})
        place = cache / "files" / "md5" / "00" / f"{number:030x}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    folder = "ff" + "0" * 30 + ".dir"
    (cache / "files" / "md5" / "ff").mkdir()
    (cache / "files" / "md5" / "ff" / folder[2:]).write_text(json.dumps(listing))
    lock = f"stages:\n  features:\n    outs:\n    - path: {FEATURES}\n      md5: '{folder}'\n"
    (tmp_path / "dvc.lock").write_text(lock)
    return cache


def reused(shards: int) -> dict:
    last, wanted, found = Recorded(), rows(range(256)), {}
    for shard in range(shards):
        found |= find_rows(
            set(wanted), recorded_rows(last, "features", FEATURES, shard, shards, KINDS)
        )
    return found


@pytest.mark.parametrize("shards", [1, 2, 4])
def test_last_result_is_found_in_the_cache_also_with_another_number_of_shards(recorded, shards):
    assert_equal(reused(shards), rows(range(3)) | rows(range(128, 131)))


def test_only_the_shards_that_may_hold_the_rows_are_read(recorded):
    first = recorded_rows(Recorded(), "features", FEATURES, 0, 2, KINDS)
    found = find_rows(set(rows(range(256))), first)
    assert_equal(found, rows(range(3)))


def test_nothing_is_reused_without_a_recorded_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reused(2) == {}
    assert Recorded().json("features", FEATURES) == []


@pytest.mark.parametrize("content", ["", "[", "stages: 1", "stages: {features: {outs: [1]}}"])
def test_damaged_lock_is_as_none(recorded, content):
    Path("dvc.lock").write_text(content)
    assert reused(2) == {}


def test_file_that_the_cache_lacks_costs_its_shard_only(recorded):
    (recorded / "files" / "md5" / "00" / f"{0:030x}").unlink()
    assert_equal(reused(2), rows(range(128, 131)))


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:150], lambda data: b"a" * 999]
)
def test_damaged_file_in_the_cache_costs_its_shard_only(recorded, damage):
    for number in (0, 2, 4):  # cut, index and top of the first shard
        place = recorded / "files" / "md5" / "00" / f"{number:030x}"
        whole = place.read_bytes()
        place.write_bytes(damage(whole))
        assert_equal(reused(2), rows(range(128, 131)))
        place.write_bytes(whole)


def test_files_of_the_cache_are_not_written(recorded):
    before = {path: path.read_bytes() for path in recorded.rglob("*") if path.is_file()}
    reused(2)
    assert before == {path: path.read_bytes() for path in recorded.rglob("*") if path.is_file()}
