"""Test that packages only import others in one direction."""

from pathlib import PurePosixPath

from conftest import CODE, MODULES

# The rooms of `pawprint/` that each room, or other folder of code, may import, besides itself.
CORE = {"base", "pipeline", "data", "network", "model", "scores", "report"}
MAY_IMPORT = {
    "pawprint": {"base", "pipeline", "serving"},  # loads models, starts commands
    "pawprint/base": set(),
    "pawprint/pipeline": {"base"},
    "pawprint/data": {"base", "pipeline"},
    "pawprint/network": {"base", "data", "pipeline"},
    "pawprint/model": {"base", "network", "pipeline"},
    "pawprint/scores": {"base", "model", "pipeline"},
    "pawprint/report": {"base", "data", "network", "pipeline", "scores"},
    "stages": CORE,
    "pawprint/serving": {"base", "data", "model", "network", "pipeline"},
    "pawprint/commands": CORE | {"serving"},
    "pawprint/app": CORE | {"commands", "serving"},
    "pawprint/recipes": set(),
    "examples": CORE | {"commands", "serving"},
    "bench": CORE | {"commands", "serving"},
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


def test_prediction_and_calibration_do_not_depend_on_the_training_code():
    names = ("cross_validation", "keras_backbone", "new_head", "training")
    training = {f"pawprint/network/{name}.py" for name in names}
    for stage in ("stages/predict.py", "stages/evaluate.py"):
        assert not training & CODE.closure(stage)


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
