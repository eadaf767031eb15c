"""A project's dvc.yaml is refused where DVC would keep results that are out of date."""

import contextlib
import copy
from pathlib import Path

import pytest
import yaml
from conftest import refused

from pawprint.files import parse_yaml
from pawprint.templates import pipeline, require_stages

STAGES = parse_yaml(pipeline(is_outside=False), "template")["stages"]
CLEAN = STAGES["clean"]["cmd"]
PLACES = [
    (name, key, place)
    for name, stage in STAGES.items()
    for key, value in stage.items()
    if key not in ("cmd", "desc")  # DVC itself needs `cmd`
    for place in ((None, -1) if isinstance(value, list) else (None,))
]


def check(stages: dict) -> None:
    """Check a dvc.yaml in this folder."""
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    require_stages(Path("dvc.yaml"))


@pytest.fixture
def stages(tmp_path):
    with contextlib.chdir(tmp_path):
        yield copy.deepcopy(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_stage_that_is_missing_or_frozen_is_refused(stages, name):
    del stages[name]
    with refused(f"dvc.yaml: stages.{name}.cmd: expected {STAGES[name]['cmd']}"):
        check(stages)
    stages[name] = STAGES[name] | {"frozen": True}
    with refused(f"dvc.yaml: stages.{name}.frozen: expected false"):
        check(stages)


@pytest.mark.parametrize(("name", "key", "place"), PLACES)
def test_key_or_entry_that_is_missing_is_refused(stages, name, key, place):
    own = stages[name] if place is None else stages[name][key]
    del own[key if place is None else place]
    stages[name]["cmd"] = ["echo", f"nice -n 5 {STAGES[name]['cmd']}"]
    with refused(f"dvc.yaml: stages.{name}.{key}: expected "):
        check(stages)


@pytest.mark.parametrize(
    ("name", "key", "place", "changed"),
    [
        ("code", "outs", 0, "data/code"),
        ("clean", "metrics", 0, {"metrics/clean.json": {"cache": True}}),
        ("plot", "params", 0, {"params.yaml": ["clean"]}),
    ],
)
def test_option_that_decides_what_is_kept_or_noticed_is_refused(stages, name, key, place, changed):
    stages[name][key][place] = changed
    with refused(f"dvc.yaml: stages.{name}.{key}: expected "):
        check(stages)


def test_another_program_in_place_of_the_stage_is_refused(stages):
    stages["clean"]["cmd"] = "bash clean.sh"
    with refused(f"dvc.yaml: stages.clean.cmd: expected {CLEAN}"):
        check(stages)


def test_what_is_the_users_to_change_is_accepted(stages):
    check(parse_yaml(pipeline(is_outside=True), "template")["stages"])
    stages["own"] = {"cmd": "bash own.sh", "frozen": True}
    for key in ("deps", "params", "outs", "metrics"):
        stages["clean"][key].append("own")
    stages["clean"] |= {"cmd": ["echo", f"nice {CLEAN}"], "desc": "Ours", "frozen": False}
    plots = stages["evaluate"]["plots"]
    of_review = next(plot for plot in plots if "plots/labels_to_review.csv" in plot)
    of_review["plots/labels_to_review.csv"] = {"cache": False, "title": "X"}
    check(stages)
    Path("stages").mkdir()
    Path("stages/split.py").touch()
    stages["split"] = {"cmd": "python -m stages.split"}
    check(stages)
