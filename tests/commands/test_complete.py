"""Test that a dvc.yaml is rejected if DVC would keep outdated results with it."""

import contextlib
import copy
from pathlib import Path

import pytest
import yaml
from conftest import refused

from pawprint.base.package import require_stages, stages

STAGES = stages()
PLACES = [
    (name, key, place)
    for name, stage in STAGES.items()
    for key, value in stage.items()
    if key not in ("cmd", "desc")
    for place in ((None, -1) if isinstance(value, list) else (None,))
]


def check(own: dict) -> None:
    """Check a dvc.yaml in this folder."""
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": own}), encoding="utf-8")
    require_stages(Path("dvc.yaml"))


@pytest.fixture
def own(tmp_path):
    with contextlib.chdir(tmp_path):
        yield copy.deepcopy(STAGES)


def test_stage_key_or_entry_that_is_missing_is_refused(own):
    for name, key, place in PLACES:
        stage = copy.deepcopy(STAGES[name])
        part = stage if place is None else stage[key]
        del part[key if place is None else place]
        with refused(f"dvc.yaml: stages.{name}: expected ", "pawprint init --renew"):
            check(own | {name: stage})
    del own["clean"]
    with refused("dvc.yaml: stages.clean: expected deps: "):
        check(own)


def test_option_that_decides_what_is_kept_or_noticed_is_refused(own):
    for name, key, changed in (("split", "metrics", {"metrics/split.json": {"cache": True}}),):
        stage = STAGES[name] | {key: [changed, *STAGES[name][key][1:]]}
        with refused(f"dvc.yaml: stages.{name}: expected "):
            check(own | {name: stage})


def test_what_is_the_users_to_change_is_accepted(own):
    own["own"] = {"cmd": "bash own.sh", "frozen": True}
    for key in ("deps", "params", "outs"):
        own["clean"][key].append("own")
    own["clean"] |= {"cmd": ["echo", f"nice {STAGES['clean']['cmd']}"], "desc": "Ours"}
    plots = own["evaluate"]["plots"]
    of_review = next(plot for plot in plots if "plots/labels_to_review.csv" in plot)
    of_review["plots/labels_to_review.csv"] = {"cache": False, "title": "X"}
    check(own)
    Path("stages").mkdir()
    Path("stages/split.py").touch()
    own["split"] = {"cmd": "python -m stages.split"}
    check(own)
