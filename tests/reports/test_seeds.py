import hashlib

import pytest
from conftest import line_of

from pawprint.core.errors import InputError
from pawprint.reports.seeds import describe_seeds


def test_seeds_are_of_this_model_while_every_output_has_its_recorded_hash(tmp_path):
    outputs = [tmp_path / name for name in ("history.csv", "scores.csv")]
    for path in outputs:
        path.write_text(path.name)
    hashes = {path.as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in outputs}
    split = {"mean": 0.5, "min": 0.25, "max": 0.75}
    scores = ("validation accuracy", "test accuracy", "validation log loss", "test log loss")
    differ = {"images": 20, "disagree": 3}
    record = {
        "seeds": [7, 8],
        "outputs": hashes,
        "scores": dict.fromkeys(scores, split),
        "disagreements": {"validation": differ, "test": differ},
    }
    rows, text = describe_seeds(record, outputs)
    assert len(rows) == 3
    assert "the seeds 7, 8" in text
    older = describe_seeds({"seeds": 5}, outputs)  # as earlier commits have it
    assert older[0] == []
    assert "out of date" in older[1]
    for path in outputs:
        content = path.read_text()
        path.write_text("another")
        assert describe_seeds(record, outputs) == older
        path.write_text(content)
    for broken in ([], {"outputs": 1}, record | {"seeds": 1}, {"outputs": hashes, "seeds": [1]}):
        with pytest.raises(InputError, match=line_of("metrics/seeds.json: ")):
            describe_seeds(broken, outputs)
    outputs[1].unlink()
    with pytest.raises(InputError, match=r"scores\.csv: expected the file that a stage wrote"):
        describe_seeds(record, outputs)
