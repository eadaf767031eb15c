import numpy as np
import pytest
from conftest import refused

from pawprint.files import read_arrays, write_arrays

ARRAYS = [np.arange(each + 2, dtype=np.float32).reshape(-1, 1) for each in range(12)]


def test_arrays_are_read_in_their_order_and_written_with_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, *ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = list(read_arrays(tmp_path / "a.npz").values())
    assert len(read) == 12
    assert all(map(np.array_equal, read, ARRAYS))


@pytest.mark.parametrize("content", [None, b"PK\x03\x04"])
def test_missing_or_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "head.npz"
    if content is not None:
        path.write_bytes(content)
    with refused("head.npz: expected arrays of NumPy"):
        read_arrays(path)
