"""Test how much there is to maintain, and that packages only import others in one direction."""

import tomllib
from itertools import pairwise, product
from pathlib import PurePosixPath
from typing import get_args

from conftest import CODE, MODULES, PROJECT

from pawprint.__main__ import COMMANDS
from pawprint.params.model import Params
from pawprint.params.section import Section
from pawprint.yaml_file import read_yaml

# The concepts that a maintainer has to deal with. To raise a number, lower another one or write a
# decision; see docs/decisions/33.
THERE_IS = {
    "params": 47,
    "params that the schema knows": 81,
    "commands": 14,
    "stages": 11,
    "extras": 8,
}

# The packages that each folder of code may import, besides the modules in `pawprint/` itself.
MAY_IMPORT = {
    "pawprint": {"model", "pipeline", "projects"},  # loads models, opens projects
    "pawprint/pipeline": set(),
    "pawprint/params": set(),
    "pawprint/decoding": set(),
    "pawprint/images": {"decoding"},
    "pawprint/engine": {"pipeline"},
    "pawprint/dataset": {"decoding", "engine", "images", "params"},
    "pawprint/features": {"decoding", "engine", "images", "params", "pipeline"},
    "pawprint/network": {"features", "images", "params"},
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
    "pawprint/recipes": ROOMS | {"projects"},  # only the demo, which no module imports
    "pawprint/app": ROOMS | {"projects"},
    "stages": ROOMS | {"templates"},  # `code` checks a project's files
    "examples": ROOMS,
    "bench": ROOMS | {"projects", "recipes"},
}
CODE_ROOMS = [name for name in MAY_IMPORT if name.startswith("pawprint")]
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


def test_drawing_of_the_packages_has_the_arrows_of_their_imports():
    """An import is an arrow, or leads along several."""
    page = (PROJECT / "docs/development.md").read_text(encoding="utf-8")
    (block,) = (text for text in page.split("```") if "→" in text)
    drawn: set[tuple[str, str]] = set()
    for line in block.splitlines()[1:]:
        layers = [layer.strip().split(", ") for layer in line.split("→")]
        drawn |= {pair for layer in pairwise(layers) for pair in product(*layer)}
    imports = {
        (room(module).removeprefix("pawprint/"), room(file).removeprefix("pawprint/"))
        for module in MODULES
        if room(module) in {*CODE_ROOMS, "stages"} - {"pawprint"}
        for file in CODE.imported_files(module)
        if room(file) not in (room(module), "pawprint")
    }
    assert drawn <= imports
    implied = set(drawn)
    for middle, start, end in product({place for pair in drawn for place in pair}, repeat=3):
        if (start, middle) in implied and (middle, end) in implied:
            implied.add((start, end))
    assert imports <= implied
    assert not any((end, start) in implied for start, end in implied)


def test_no_stage_imports_another():
    for stage in STAGES:
        of_stages = {module for module in CODE.closure(stage) if room(module) == "stages"}
        assert of_stages == {stage, PACKAGE}


def test_no_command_imports_another():
    """`rows.py` and the functions of `__init__.py` are shared, and no commands."""
    commands = {f"pawprint/commands/{place}.py" for place, _ in COMMANDS.values()}
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


def test_what_there_is_is_what_the_table_says():
    """Params are values in params.yaml. The schema also has some that may be left out."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    sections = read_yaml(PROJECT / "params.yaml").values()
    assert {
        "params": sum(map(count_values, sections)),
        "params that the schema knows": count_leaves(Params),
        "commands": len(COMMANDS),
        "stages": len(read_yaml(PROJECT / "dvc.yaml")["stages"]),
        "extras": len(extras),
    } == THERE_IS


def count_leaves(section: type[Section]) -> int:
    """Count the values in a section, including nested sections that may be null."""
    kinds = ((*get_args(field.annotation), field.annotation) for field in fields_of(section))
    inner = [[kind for kind in of_field if is_section(kind)] for of_field in kinds]
    return sum(count_leaves(found[0]) if found else 1 for found in inner)


def fields_of(section: type[Section]) -> list:
    return list(section.model_fields.values())


def is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def count_values(value: object) -> int:
    return sum(map(count_values, value.values())) if isinstance(value, dict) and value else 1
