"""The README is held against the project: what it shows is what there is."""

import json
import re
import subprocess

import pytest
from conftest import PROJECT
from ruamel.yaml import YAML

from pawprint.cli.seeds import table

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PARAMS_PAGE = (PROJECT / "docs" / "params.md").read_text(encoding="utf-8")
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
).stdout.splitlines()


def metrics(name: str) -> dict:
    return json.loads((PROJECT / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def percent(measured: dict) -> str:
    return f"{measured['accuracy']:.2%} ({measured['correct']}/{measured['total']})"


def test_result_table_shows_the_committed_metrics():
    evaluated = metrics("evaluate")
    rows = {
        "untrained head": (metrics("train_extract")["initial"],),
        "feature extraction": (metrics("train_extract")["validation"],),
        "fine-tuning": (evaluated["validation"], evaluated["test"]),
    }
    for step, measured in rows.items():
        row = next(line for line in README.splitlines() if line.startswith(f"| {step}"))
        for each in measured:
            assert percent(each) in row, row


def test_seeds_are_shown_as_the_command_prints_them():
    summary = metrics("seeds")
    assert table(summary.pop("seeds"), summary) in README


def test_every_param_is_explained():
    params = YAML(typ="safe").load(PROJECT / "params.yaml")
    for section, keys in params.items():
        for key in keys:
            assert f"`{section}.{key}`" in PARAMS_PAGE, f"{section}.{key}"


def test_every_param_explained_is_there():
    params = YAML(typ="safe").load(PROJECT / "params.yaml")
    table = PARAMS_PAGE.split("\n## ")[0]
    for section, key in re.findall(r"^\| `(\w+)\.(\w+)`", table, re.MULTILINE):
        assert key in params[section], f"{section}.{key}"


@pytest.mark.parametrize("folder", ["stages", "stages/shared", "recipes", "bench"])
def test_tree_names_every_module(folder):
    tree = README.split("## The tree")[1]
    for path in TRACKED:
        name = path.removeprefix(f"{folder}/")
        if path.startswith(f"{folder}/") and "/" not in name and name != "__init__.py":
            assert name in tree, path


@pytest.mark.parametrize("page", [path for path in TRACKED if path.endswith(".md")])
def test_every_link_leads_somewhere(page):
    text = (PROJECT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (PROJECT / page).parent.joinpath(target).exists(), target


def test_every_make_target_shown_is_there():
    targets = set(re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\$ make (\w+)", README)) <= targets


def test_license_and_version_range_are_the_packages():
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert "Apache License" in (PROJECT / "LICENSE").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11,<3.14"' in project
    assert "Python 3.11 to 3.13" in README


def test_lock_holds_every_direct_dependency_and_no_index():
    locked = (PROJECT / "requirements.txt").read_text(encoding="utf-8").lower()
    for line in (PROJECT / "requirements.in").read_text(encoding="utf-8").splitlines():
        name = line.split("#")[0].strip().lower().replace(".", "-")
        assert not name or re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE), name
    assert "--index" not in locked
    assert "--find-links" not in locked


def test_pictures_in_git_are_only_those_without_photos():
    pictures = {path for path in TRACKED if path.endswith((".png", ".jpg"))}
    assert pictures <= {
        "plots/class_counts.png",
        "plots/confusion.png",
        "plots/learning_curves.png",
        "plots/reliability.png",
        "plots/roc.png",
    }


def test_table_of_what_runs_again_is_the_one_that_is_tested():
    table = YAML(typ="safe").load(PROJECT / "docs" / "staleness.yaml")
    params_of: dict[str, list[str]] = {}
    for param, stages in table.items():
        params_of.setdefault(", ".join(stages), []).append(f"`{param}`")
    rows = [f"| {', '.join(params)} | {stages} |" for stages, params in params_of.items()]
    expected = "\n".join(["| change | runs again |", "|---|---|", *rows])
    assert expected in PARAMS_PAGE, f"docs/params.md should hold:\n{expected}"
