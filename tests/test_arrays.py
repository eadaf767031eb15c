import numpy as np

from pawprint.files import read_arrays, write_arrays

ARRAYS = [np.arange(each + 2, dtype=np.float32).reshape(-1, 1) for each in range(12)]


def test_arrays_are_read_in_their_order_and_written_with_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_arrays(tmp_path / name, *ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    read = list(read_arrays(tmp_path / "a.npz").values())
    assert len(read) == 12
    assert all(map(np.array_equal, read, ARRAYS))
