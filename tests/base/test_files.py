import errno

import numpy as np
import pytest
from conftest import refused, sha256

from pawprint.base.files import read_arrays, read_json, replacing, write_arrays, write_json


def test_not_a_number_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert read_json(path) == {"loss": 1.0}


def test_last_bits_of_a_number_do_not_reach_the_file(tmp_path):
    for name, bits in (("a.json", 0), ("b.json", 1e-12)):
        write_json(tmp_path / name, {"scores": [{"loss": 0.1 + bits}]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("is_folder", [False, True])
def test_failure_while_writing_leaves_nothing_behind(tmp_path, is_folder):
    def fail() -> None:
        with replacing(tmp_path / "images.zip") as partial:
            if is_folder:
                partial.mkdir()
                partial /= "part"
            partial.write_text("half")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_folder_replaces_the_one_before_it_and_what_a_killed_process_left(tmp_path):
    (tmp_path / ".features.part").mkdir()
    (tmp_path / ".features.part" / "half").touch()
    for name in ("old", "new"):
        with replacing(tmp_path / "features") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in tmp_path.iterdir()] == ["features"]
    assert [path.name for path in (tmp_path / "features").iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (OSError(errno.ENOSPC, "Full"), ("write", "images.zip: ", "Full")),
        (PermissionError(errno.EACCES, "Denied", "1.jpg"), ("read", "1.jpg: ", "Denied")),
    ],
)
def test_error_of_the_file_system_names_the_file_that_it_is_about(tmp_path, error, parts):
    with refused(*parts), replacing(tmp_path / "images.zip"):
        raise error


ARRAYS = [np.arange(number + 2, dtype=np.float32).reshape(-1, 1) for number in range(12)]


def test_arrays_are_read_in_their_order_and_written_with_the_same_bytes(tmp_path):
    """Headers that `np.savez` writes differ between Python 3.11.2 and 3.11.7."""
    path = tmp_path / "arrays.npz"
    write_arrays(path, *ARRAYS)
    assert sha256(path).startswith("ea1d663a5ac607f5")
    read = list(read_arrays(path).values())
    assert len(read) == 12
    assert all(map(np.array_equal, read, ARRAYS))
