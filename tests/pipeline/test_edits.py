"""Random edits of the whole code: what writes it differently runs nothing, what changes it does."""

import ast
import random
import shutil
from pathlib import Path

import pytest
from conftest import CODE, MODULES, PROJECT

from pawprint.core.fingerprint import Code, meaning

STAGES = [module for module in MODULES if module.startswith("stages/") and "code" not in module]
SHARED = [module for module in MODULES if module.startswith(("pawprint/", "stages/"))]


def documented(source: str) -> str:
    """Another docstring of the module, and of its last function or class."""
    tree = ast.parse(source)
    lines = source.splitlines()
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in [*definitions[-1:], tree]:
        if ast.get_docstring(node) is not None:
            first = node.body[0]
            indent = " " * first.col_offset
            lines[first.lineno - 1 : first.end_lineno] = [
                f'{indent}"""Other words.',
                "",
                '    é"""',
            ]
    return "\n".join(lines) + "\n"


def commented(source: str, rng: random.Random) -> str:
    """A comment, with blank lines around it, before a statement at a random place."""
    starts = [node.lineno for node in ast.parse(source).body]
    lines = source.splitlines()
    lines[(at := rng.choice(starts or [1]) - 1) : at] = ["", "# why", "", ""]
    return "\n".join(lines) + "\n"


def changed(source: str, rng: random.Random) -> str | None:
    """Another number, or None for a module without one."""
    numbers = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    ]
    if not numbers:
        return None
    node = rng.choice(numbers)
    lines = source.encode().splitlines(keepends=True)
    line = lines[node.lineno - 1]
    number = repr(node.value + 1).encode()
    lines[node.lineno - 1] = line[: node.col_offset] + number + line[node.end_col_offset :]
    return b"".join(lines).decode()


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("edits")
    shutil.copy(PROJECT / "requirements.txt", folder)
    pages = [f"pawprint/reports/pages/{name}" for name in ("model_card.md", "report.html")]
    for module in [*MODULES, *pages]:
        (folder / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / module, folder / module)
    return folder


@pytest.mark.parametrize("module", SHARED)
def test_module_written_differently_does_the_same(module):
    source = (PROJECT / module).read_text(encoding="utf-8")
    for same in (documented(source), commented(source, random.Random(0))):
        assert meaning(same) == meaning(source)


def test_changed_constant_reaches_exactly_the_stages_that_import_its_module(copy):
    before = {stage: CODE.fingerprint(stage) for stage in STAGES}
    rng = random.Random(0)
    for module in rng.sample(SHARED, 20):
        source = (PROJECT / module).read_text(encoding="utf-8")
        if other := changed(source, rng):
            (copy / module).write_text(other, encoding="utf-8")
            code = Code(copy)
            found = {stage for stage in STAGES if code.fingerprint(stage) != before[stage]}
            assert found == {stage for stage in STAGES if module in CODE.closure(stage)}
            (copy / module).write_text(source, encoding="utf-8")
