"""Test that rooms only import others in one direction, and that one door leads to the core."""

import ast
from pathlib import PurePosixPath

from conftest import CODE, MODULES

# The rooms of `pawprint/` that each room, or other folder of code, may import, besides itself.
CORE = {"base", "pipeline", "data", "network", "model", "scores", "report"}
DOOR = "pawprint/artifacts.py"
OPEN = {"base", "scores"}  # rooms that modules above the door import freely
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
    "pawprint/artifacts": CORE,
    "pawprint/serving": {"artifacts", "base", "data", "model", "network", "pipeline"},
    "pawprint/commands": CORE | {"artifacts", "serving"},
    "pawprint/app": CORE | {"artifacts", "commands", "serving"},
    "pawprint/recipes": set(),
    "examples": CORE | {"commands", "serving"},
    "bench": CORE | {"commands", "serving"},
}
# The names of the core that modules above the door take past it.
EXCEPTIONS = {
    "crop init given_images label_tables params_file unpacking": (
        "AUTO Archive EMPTY_TABLES FILE_NAME FORMATS MAX_LEFT_OUT NOT_ON_WINDOWS Params "
        "READINGS SPLIT_OF_FOLDER UnusableImageError check_content count_suffixes "
        "describe_class_counts describe_empty describe_encoding describe_names "
        "describe_param_changes describe_unsafe find_layout first_of_bursts "
        "is_image_name is_metadata is_tar is_visible left_out make_project members open_archive "
        "parse_csv parse_metadata_csv problem_of_name read_exif read_member require_utf8 "
        "split_in_words tar_files track what_is"
    ),
    "export export_formats export_litert export_page": (
        "Detector HeadWeights IMAGENET Metadata ONNX PACKAGES Params activation_for "
        "describe_score is_mirrored keras load_backbone load_model load_params save_model "
        "with_features with_head write_metadata"
    ),
    "candidates": (
        "AUTO Archive Code FEATURE_ROW IDENTITY PACKAGES Params Resize StoredExamples WIDTHS "
        "check_content count_shards cross_validate feature_reuse keras load_extractor "
        "needs_keras open_archive open_examples row_function stored_features"
    ),
    "groups labelling page_label page_try photos": (
        "Archive Cells FORMATS HOW LABEL_COLUMNS MARKS Metadata OF_PAGE USUAL_C "
        "UnusableImageError csv_rows data_uri decoded_side fit_regressions members open_image "
        "parse_csv reviewed_images sample_weights spellings standardise unit_length"
    ),
    "boxes predictor saliency": (
        "DecodedImage FILE_NAME MAX_BYTES METADATA_FILE Metadata UnusableImageError "
        "count_suffixes csv_rows decode_file is_image_name "
        "problem_of_name read_again read_file read_metadata resize served_model "
        "sha256_of_all_pixels to_upright_rgb"
    ),
    "check compare discard page_run": (
        "Code Recorded WORKSPACE check_out find_changed is_running read_revision require_idle"
    ),
    "keep_splits": "EMPTY_TABLES SPLIT_COLUMNS parse_csv read_kept_splits",
    "score": (
        "Clean OUTER Split describe_score folders_of is_metadata label_and_split "
        "near_duplicates parse_metadata_csv perceptual_hash without_duplicates"
    ),
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
        if room(module) in ("pawprint/app", "pawprint/commands", "pawprint/serving"):
            stem = PurePosixPath(module).stem
            key = next((modules for modules in EXCEPTIONS if stem in modules.split()), module)
            names = {name for name in CODE.imports_of(module) if name.startswith(closed)}
            taken[key] = taken.get(key, set()) | names
    found = {key: {name.rpartition(".")[2] for name in names} for key, names in taken.items()}
    expected = {modules: {*names.split()} for modules, names in EXCEPTIONS.items()}
    assert {key: names for key, names in found.items() if names} == expected
    assert len(EXCEPTIONS) <= 8 and len(set().union(*taken.values())) <= 115


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


def test_split_does_not_depend_on_the_report_of_the_results():
    lines = CODE.fingerprint("stages/split.py").splitlines()
    of_report = {line.split("/")[-1] for line in lines if "report/" in line}
    assert of_report == {"__init__.py", "pictures.py", "pictures.mplstyle"}


def test_one_module_imports_dvc():
    """Another tool would have to replace only one page of DVC's features."""
    tops = {module: {name.split(".")[0] for name in CODE.imports_of(module)} for module in MODULES}
    asking = [module for module, names in tops.items() if names & {"dvc", "dvc_data"}]
    assert asking == ["pawprint/pipeline/dvc.py"]
