"""Imports point one way, from room to room, as the design says."""

from pathlib import PurePosixPath

import pytest
from conftest import CODE, MODULES

# Which rooms a folder of code imports, besides the modules of `pawprint/` itself.
MAY_IMPORT = {
    "pawprint": set(),
    "pawprint/params": set(),
    "pawprint/images": {"params"},
    "pawprint/engine": set(),
    "pawprint/dataset": {"engine", "images", "params"},
    "pawprint/runtime": set(),
    "pawprint/features": {"engine", "images", "params", "runtime"},
    "pawprint/serving": {"engine", "images", "params", "runtime"},
    "pawprint/network": {"engine", "features", "images", "params", "runtime", "serving"},
    "pawprint/evaluation": {"dataset", "images", "params", "serving"},
    "pawprint/reports": {"dataset", "evaluation", "images", "params"},
}
ROOMS = {name.removeprefix("pawprint/") for name in MAY_IMPORT} - {"pawprint"}
MAY_IMPORT |= {
    "pawprint/app": ROOMS,
    "pawprint/recipes": ROOMS,
    "pawprint/templates": {"dataset", "images", "recipes"},
    "pawprint/cli": ROOMS | {"recipes", "templates"},
    "stages": ROOMS | {"templates"},  # `code` checks a project's files
    "examples": ROOMS,
    "bench": ROOMS | {"recipes"},
}
PACKAGE = "stages/__init__.py"
STAGES = [each for each in MODULES if each.startswith("stages/") and each != PACKAGE]


def room(module: str) -> str:
    """The folder that a module belongs to: `pawprint/images`, `stages`, or `pawprint` itself."""
    parts = PurePosixPath(module).parts
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else parts[0]


def test_module_imports_only_the_rooms_that_the_design_allows():
    for module in MODULES:
        others = {room(file) for file in CODE.imported_files(module)} - {room(module), "pawprint"}
        rooms = {each.removeprefix("pawprint/") for each in others}
        assert rooms <= MAY_IMPORT[room(module)], module


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another_or_the_command_line(stage):
    closure = CODE.closure(stage)
    assert {module for module in closure if room(module) == "stages"} == {stage, PACKAGE}
    assert "pawprint/cli" not in {room(module) for module in closure}


@pytest.mark.parametrize(
    "stage", [f"stages/{stage}.py" for stage in ("predict", "calibrate", "evaluate")]
)
def test_prediction_and_calibration_do_not_depend_on_the_training_code(stage):
    assert "pawprint/network" not in {room(module) for module in CODE.closure(stage)}


def test_what_computes_a_row_of_features_depends_on_no_params_errors_or_tables():
    modules = CODE.closure("pawprint/features/rows.py") - {"pawprint/__init__.py"}
    assert not {room(module) for module in modules} & {"pawprint", "pawprint/params"}


def test_keras_and_tensorflow_are_imported_in_the_room_of_the_network_only():
    for module in MODULES:
        if room(module) not in ("pawprint/network", "bench", "examples"):
            names = {name.split(".")[0] for name in CODE.names_in(module)}
            assert not names & {"keras", "tensorflow"}, module
