"""Test that packages only import others in one direction."""

from pathlib import PurePosixPath

from conftest import CODE, MODULES

from pawprint.__main__ import COMMANDS, module_of

# The packages that each folder of code may import, besides the modules in `pawprint/` itself.
MAY_IMPORT = {
    "pawprint": {"model", "pipeline", "projects"},  # loads models, opens projects
    "pawprint/pipeline": set(),
    "pawprint/params": set(),
    "pawprint/decoding": set(),
    "pawprint/images": {"decoding"},
    "pawprint/engine": set(),
    "pawprint/dataset": {"decoding", "engine", "images", "params"},
    "pawprint/features": {"decoding", "engine", "images", "params"},
    "pawprint/network": {"engine", "features", "images", "params"},
    "pawprint/model": {
        *("decoding", "engine", "features", "images", "network", "params", "pipeline"),
    },
    "pawprint/scores": {"model", "params"},
    "pawprint/reports": {
        *("dataset", "decoding", "engine", "features", "images", "params", "pipeline", "scores"),
    },
}
ROOMS = {name.removeprefix("pawprint/") for name in MAY_IMPORT} - {"pawprint"}
MAY_IMPORT |= {
    "pawprint/templates": {"pipeline"},
    "pawprint/forms": {"dataset", "images"},  # loaded by `init` alone
    "pawprint/projects": ROOMS | {"forms", "templates"},
    "pawprint/commands": ROOMS | {"forms", "projects", "templates"},
    "pawprint/recipes": set(),
    "pawprint/app": ROOMS | {"projects"},
    "stages": ROOMS | {"templates"},  # `code` checks a project's files
    "examples": ROOMS | {"projects"},
    "bench": ROOMS | {"examples", "projects"},
}
PACKAGE = "stages/__init__.py"
STAGES = [module for module in MODULES if module.startswith("stages/") and module != PACKAGE]


def room(module: str) -> str:
    """Return the package of a module: `pawprint/images`, `stages`, or `pawprint` itself."""
    parts = PurePosixPath(module).parts
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else parts[0]


def test_module_imports_only_the_rooms_that_the_design_allows():
    for module in MODULES:
        others = {room(file) for file in CODE.imported_files(module)} - {room(module), "pawprint"}
        rooms = {folder.removeprefix("pawprint/") for folder in others}
        assert rooms <= MAY_IMPORT[room(module)], module


def test_no_stage_imports_another():
    for stage in STAGES:
        of_stages = {module for module in CODE.closure(stage) if room(module) == "stages"}
        assert of_stages == {stage, PACKAGE}


def test_no_command_imports_another():
    """`rows.py` and the functions of `__init__.py` are shared, and no commands."""
    commands = {f"{module_of(name).replace('.', '/')}.py" for name in COMMANDS}
    for command in commands:
        assert not CODE.closure(command) & (commands - {command}), command


def test_prediction_and_calibration_do_not_depend_on_the_training_code():
    for stage in ("stages/predict.py", "stages/evaluate.py"):
        assert "pawprint/network" not in {room(module) for module in CODE.closure(stage)}


def test_training_does_not_depend_on_the_scores_of_its_model():
    """A new score, or a new column of its table, trains nothing."""
    for stage in ("stages/train_extract.py", "stages/train_finetune.py"):
        modules = {"pawprint/scores/metrics.py", "pawprint/scores/evaluation.py"}
        assert not modules & CODE.closure(stage)


def test_one_module_imports_dvc():
    """Another tool would have to replace only one page of DVC's features."""
    tops = {module: {name.split(".")[0] for name in CODE.imports_of(module)} for module in MODULES}
    asking = [module for module, names in tops.items() if names & {"dvc", "dvc_data"}]
    assert asking == ["pawprint/pipeline/dvc.py"]
