"""Imports point one way, from room to room, as the design says."""

import ast

import pytest
from code_graph import PACKAGES, closure, imported_files, imported_names, modules, room
from conftest import PROJECT

# Which other rooms a room of pawprint/ imports.
MAY_IMPORT = {
    "core": set(),
    "images": {"core"},
    "engine": {"core"},
    "dataset": {"core", "engine", "images"},
    "runtime": {"core"},
    "features": {"core", "images", "runtime"},
    "network": {"core", "features"},
    "serving": {"core", "engine", "images", "runtime"},
    "evaluation": {"core"},
    "reports": {"core", "images", "evaluation"},
}
ROOMS = {f"pawprint/{name}" for name in MAY_IMPORT}
# Which folders the code outside the rooms imports, besides the rooms.
OUTSIDE = {
    "pawprint": {"pawprint/cli"},  # __main__.py
    "pawprint/cli": set(),
    "stages": set(),
    "app": set(),
    "recipes": set(),
    "examples": set(),
    "bench": {"pawprint/cli", "recipes", "stages"},
}
ALLOWED = {
    f"pawprint/{name}": {f"pawprint/{each}" for each in MAY_IMPORT[name]} for name in MAY_IMPORT
}
ALLOWED |= {name: others | ROOMS for name, others in OUTSIDE.items()}


def test_every_folder_of_code_has_its_rule():
    assert {room(path) for path in modules(*PACKAGES)} == set(ALLOWED)


@pytest.mark.parametrize("folder", ALLOWED)
def test_folder_imports_only_those_that_the_design_allows(folder):
    for path in modules(*PACKAGES):
        if room(path) == folder:
            others = {room(file) for file in imported_files(path)} - {folder}
            assert others <= ALLOWED[folder], path


def test_no_stage_imports_another_or_the_command_line():
    for path in modules("stages"):
        assert [file for file in closure(path) if room(file) == "stages"] == [path]
        assert "pawprint/cli" not in {room(file) for file in closure(path)}


def test_evaluation_and_calibration_do_not_depend_on_the_training_code():
    for stage in ("calibrate", "evaluate"):
        imported = {room(path) for path in closure(PROJECT / "stages" / f"{stage}.py")}
        assert "pawprint/network" not in imported


def names_a_package(name: str, packages: set[str]) -> bool:
    return name.split(".")[0] in packages


def test_keras_and_tensorflow_are_imported_in_the_room_of_the_network_only():
    for path in modules("pawprint", "stages", "app", "recipes"):
        if room(path) != "pawprint/network":
            found = [n for n in imported_names(path) if names_a_package(n, {"keras", "tensorflow"})]
            assert found == [], path


@pytest.mark.parametrize(
    "stage", sorted((PROJECT / "stages").glob("*.py")), ids=lambda path: path.stem
)
def test_only_main_of_a_stage_uses_paths_and_params(stage):
    tree = ast.parse(stage.read_text(encoding="utf-8"))
    others = [node for node in tree.body if getattr(node, "name", "main") != "main"]
    names = {each.id for node in others for each in ast.walk(node) if isinstance(each, ast.Name)}
    assert not names & {"paths", "load_params"}
