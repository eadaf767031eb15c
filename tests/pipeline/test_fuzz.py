import pytest
from fuzz import TARGETS, make

INPUTS = {"decode": 3000, "archive": 1000, "manifest": 2000, "params": 500}


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("target", TARGETS)
def test_damaged_input_breaks_nothing(target, tmp_path):
    check, *_ = TARGETS[target]
    for number in range(INPUTS[target]):
        try:
            check(make(target, number), tmp_path)
        except BaseException as error:
            error.add_note(f"input: make({target!r}, {number})")
            raise
