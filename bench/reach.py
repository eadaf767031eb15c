"""Print docs/reach.md: for each module, the stages that an edit of it runs.

Run `python -m bench.reach > docs/reach.md` after a change of imports. A test compares both.
"""

from pathlib import Path

from pawprint.pipeline.fingerprint import DECODED_ROW, FEATURE_ROW, Code
from pawprint.yaml_file import read_mapping

PROJECT = Path(__file__).resolve().parent.parent
INTRODUCTION = """\
# What an edit runs

After an edit of a module, `dvc repro` runs the stages below. A comment, a docstring or a new layout
runs none. Most stages take seconds, because two things are kept for each photo:

- `clean` decodes a photo again only after an edit of `decoding/`.
- `features` runs the frozen layers again only after an edit of `features/rows.py` and its imports.

`python -m bench.reach > docs/reach.md` makes this page from the imports. Modules that are not
listed run no stage.

| module | stages | photos |
|---|---|---|
"""


def reach() -> str:
    """Return the page."""
    code = Code(PROJECT)
    stages = [stage for stage in read_mapping(PROJECT / "dvc.yaml")["stages"] if stage != "code"]
    closures = {stage: code.closure(f"stages/{stage}.py") for stage in stages}
    rows = {"decoded": code.closure(DECODED_ROW), "features computed": code.closure(FEATURE_ROW)}
    lines = []
    for module in sorted(set().union(*closures.values())):
        if not code.path_of(module).stat().st_size or not module.startswith("pawprint/"):
            continue
        names = [stage for stage in stages if module in closures[stage]]
        again = " and ".join(name for name, modules in rows.items() if module in modules)
        reached = "all" if names == stages else ", ".join(names)
        lines.append(f"| `{module.removeprefix('pawprint/')}` | {reached} | {again} |\n")
    return INTRODUCTION + "".join(lines)


if __name__ == "__main__":
    print(reach(), end="")
