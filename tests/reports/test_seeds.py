from conftest import refused
from made_up_run import SEEDS, SPREAD

from pawprint.reports.seeds import describe_seeds


def test_seeds_are_shown_while_images_code_and_params_are_theirs():
    inputs = {"data/split/images.csv": "1", "data/code/calibrate.txt": "2", "params.yaml": "3"}
    record = SEEDS | {"inputs": inputs}
    rows, text = describe_seeds(record, inputs)
    assert len(rows) == 3
    assert "the seeds 7, 8, 9" in text
    older = describe_seeds({"seeds": 5}, inputs)  # as earlier commits have it
    assert older[0] == []
    assert "is of other images" in older[1]
    for key in inputs:
        assert describe_seeds(record, inputs | {key: "another"}) == older
    too_large = dict.fromkeys(SEEDS["scores"], dict.fromkeys(SPREAD, 10**400))
    for broken in (
        [],
        record | {"seeds": 1},
        record | {"scores": too_large},
        {"inputs": inputs, "seeds": [1]},
    ):
        with refused("metrics/seeds.json: "):
            describe_seeds(broken, inputs)
