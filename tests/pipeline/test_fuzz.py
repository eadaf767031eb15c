import pytest
from fuzz import TARGETS, make

INPUTS = {"decode": 300, "archive": 100, "manifest": 200, "params": 50}


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.extended)])
@pytest.mark.parametrize("target", TARGETS)
def test_damaged_input_breaks_nothing(target, times, tmp_path):
    check, *_ = TARGETS[target]
    for number in range(times * INPUTS[target]):
        try:
            check(make(target, number), tmp_path)
        except BaseException as error:
            error.add_note(f"input: make({target!r}, {number})")
            raise
