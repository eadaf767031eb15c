"""Test that rooms only import others in one direction, and that one door leads to the core."""

import ast
from pathlib import PurePosixPath

from conftest import CODE, MODULES

# The rooms of `pawprint/` that each room, or other folder of code, may import, besides itself.
CORE = {"base", "given", "pipeline", "data", "network", "model", "scores", "report"}
DOOR = "pawprint/artifacts.py"
OPEN = {"base", "given", "model", "scores"}  # rooms that modules above the door import freely
MAY_IMPORT = {
    "pawprint": {"base", "model", "pipeline"},  # loads models, starts commands
    "pawprint/base": set(),
    "pawprint/given": {"base"},
    "pawprint/pipeline": {"base"},
    "pawprint/data": {"base", "given", "pipeline"},
    "pawprint/network": {"base", "given", "pipeline"},
    "pawprint/model": {"base", "given", "network", "pipeline"},
    "pawprint/scores": {"base", "model", "pipeline"},
    "pawprint/report": {"base", "data", "given", "network", "pipeline", "scores"},
    "stages": CORE,
    "pawprint/artifacts": CORE,
    "pawprint/commands": CORE | {"artifacts"},
    "pawprint/app": CORE | {"artifacts", "commands"},
    "pawprint/recipes": set(),
    "examples": CORE | {"commands"},
    "bench": CORE | {"commands"},
}
# The names of the core that modules above the door take past it.
EXCEPTIONS = {
    "crop init params_file": (
        "MAX_LEFT_OUT Params check_content describe_empty describe_param_changes "
        "first_of_bursts left_out make_project track"
    ),
    "export export_formats export_page litert_model": (
        "HeadWeights IMAGENET KerasNetwork ONNX PACKAGES Params describe_score keras "
        "load_model load_params save_model with_features with_head"
    ),
    "candidates try_": "AUTO PACKAGES Params Resize WIDTHS check_content require_idle trials",
    "groups photos": "USUAL_C data_uri fit_regressions standardise",
    "check compare discard page_run": (
        "Code Recorded WORKSPACE check_out find_changed is_running read_revision require_idle"
    ),
    "score": "Clean Split describe_score near_duplicates without_duplicates",
}
PACKAGE = "stages/__init__.py"
STAGES = [module for module in MODULES if module.startswith("stages/") and module != PACKAGE]


def room(module: str) -> str:
    """Return the package of a module: `pawprint/data`, `stages`, or `pawprint` itself."""
    parts = PurePosixPath(module).parts
    if module == DOOR:
        return "pawprint/artifacts"
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else parts[0]


def test_module_imports_only_the_rooms_that_the_design_allows():
    for module in MODULES:
        others = {room(file) for file in CODE.imported_files(module)} - {room(module), "pawprint"}
        rooms = {folder.removeprefix("pawprint/") for folder in others}
        assert rooms <= MAY_IMPORT[room(module)], module


def test_what_is_above_the_door_takes_past_it_only_the_names_of_its_exception():
    closed = tuple(f"pawprint.{name}." for name in CORE - OPEN)
    taken: dict[str, set[str]] = {}
    for module in MODULES:
        if room(module) in ("pawprint/app", "pawprint/commands"):
            stem = PurePosixPath(module).stem
            key = next((modules for modules in EXCEPTIONS if stem in modules.split()), module)
            names = {name for name in CODE.imports_of(module) if name.startswith(closed)}
            taken[key] = taken.get(key, set()) | names
    found = {key: {name.rpartition(".")[2] for name in names} for key, names in taken.items()}
    expected = {modules: {*names.split()} for modules, names in EXCEPTIONS.items()}
    assert {key: names for key, names in found.items() if names} == expected
    assert len(EXCEPTIONS) <= 8 and len(set().union(*taken.values())) <= 44


def test_the_door_is_small():
    source = CODE.path_of(DOOR).read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    assert len(source.splitlines()) <= 250 and len(functions) <= 25


def test_no_stage_imports_another():
    for stage in STAGES:
        of_stages = {module for module in CODE.closure(stage) if room(module) == "stages"}
        assert of_stages == {stage, PACKAGE}


def test_prediction_and_calibration_do_not_depend_on_the_training_code():
    names = ("cross_validation", "keras_backbone", "new_head", "training")
    training = {f"pawprint/network/{name}.py" for name in names}
    for stage in ("stages/predict.py", "stages/evaluate.py"):
        assert not training & CODE.closure(stage)


def test_training_does_not_depend_on_the_scores_of_its_model_or_on_downloads():
    """A new score, or a new column of its table, trains nothing."""
    for stage in ("stages/train_extract.py", "stages/train_finetune.py"):
        modules = {"scores/metrics.py", "scores/calibration.py", "base/download.py"}
        assert not {f"pawprint/{name}" for name in modules} & CODE.closure(stage)


def test_only_plot_depends_on_the_report():
    """The others start without Matplotlib, which takes half a second."""
    reporting = [stage for stage in STAGES if "pawprint/report/" in CODE.fingerprint(stage)]
    assert reporting == ["stages/plot.py"]


def test_one_module_imports_dvc():
    """Another tool would have to replace only one page of DVC's features."""
    tops = {module: {name.split(".")[0] for name in CODE.imports_of(module)} for module in MODULES}
    asking = [module for module, names in tops.items() if names & {"dvc", "dvc_data"}]
    assert asking == ["pawprint/pipeline/dvc.py"]
