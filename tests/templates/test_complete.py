"""Test that a dvc.yaml is rejected if DVC would keep outdated results with it."""

import contextlib
import copy
from pathlib import Path

import pytest
import yaml
from conftest import refused

from pawprint.templates import pipeline, require_stages
from pawprint.yaml_file import parse_yaml

STAGES = parse_yaml(pipeline(is_outside=False), "template")["stages"]
CLEAN = STAGES["clean"]["cmd"]
PLACES = [
    (name, key, place)
    for name, stage in STAGES.items()
    for key, value in stage.items()
    if key not in ("cmd", "desc")  # DVC itself requires `cmd`
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


def test_stage_that_is_missing_or_frozen_is_refused(stages):
    for name, stage in STAGES.items():
        del stages[name]
        with refused(f"dvc.yaml: stages.{name}.cmd: expected {stage['cmd']}"):
            check(stages)
        stages[name] = stage | {"frozen": True}
        with refused(f"dvc.yaml: stages.{name}.frozen: expected false"):
            check(stages)
        stages[name] = stage


def test_key_or_entry_that_is_missing_is_refused(stages):
    for name, key, place in PLACES:
        stage = copy.deepcopy(STAGES[name])
        own = stage if place is None else stage[key]
        del own[key if place is None else place]
        stage["cmd"] = ["echo", f"nice -n 5 {STAGES[name]['cmd']}"]
        with refused(f"dvc.yaml: stages.{name}.{key}: expected "):
            check(stages | {name: stage})


def test_option_that_decides_what_is_kept_or_noticed_is_refused(stages):
    for name, key, changed in (
        ("clean", "metrics", {"metrics/clean.json": {"cache": True}}),
        ("plot", "params", {"params.yaml": ["clean"]}),
    ):
        stage = STAGES[name] | {key: [changed, *STAGES[name][key][1:]]}
        with refused(f"dvc.yaml: stages.{name}.{key}: expected "):
            check(stages | {name: stage})


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
