import hashlib

import pytest

from pawprint.core.errors import InputError
from pawprint.reports.seeds import is_current


def test_seeds_are_of_this_model_while_every_output_has_its_recorded_hash(tmp_path):
    outputs = [tmp_path / name for name in ("history.csv", "scores.csv")]
    for path in outputs:
        path.write_text(path.name)
    hashes = {path.as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in outputs}
    record = {"outputs": hashes}
    assert is_current(record, *outputs)
    assert not is_current({"seeds": 5}, *outputs)  # as earlier commits have it
    for path in outputs:
        content = path.read_text()
        path.write_text("another")
        assert not is_current(record, *outputs)
        path.write_text(content)
    outputs[1].unlink()
    with pytest.raises(InputError, match=r"scores\.csv: expected the file that a stage wrote"):
        is_current(record, *outputs)
