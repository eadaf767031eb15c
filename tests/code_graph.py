"""The project's code as a graph: which module imports which, read from the source."""

import ast
from functools import cache
from pathlib import Path

from conftest import PROJECT

PACKAGES = ("pawprint", "stages", "app", "recipes", "examples", "bench")


def modules(*folders: str) -> list[Path]:
    """The Python files below these folders of the project."""
    return sorted(path for folder in folders for path in (PROJECT / folder).rglob("*.py"))


def room(path: Path) -> str:
    """The folder that a file belongs to: `pawprint/core`, or `app`, or `pawprint` itself."""
    parts = path.relative_to(PROJECT).parts
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else parts[0]


class WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.If | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else node


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Full names of all that a file imports, in functions too: `pawprint.core.files.replacing`.

    What is imported under TYPE_CHECKING only is left out, as it never runs.
    """
    found = set()
    tree = WithoutTypeChecking().visit(ast.parse(path.read_text(encoding="utf-8")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """The project's files that a file imports, without those that they import."""
    found = set()
    for name in imported_names(path):
        if name.split(".")[0] in PACKAGES:
            target = PROJECT / name.replace(".", "/")
            package = target if target.is_dir() else target.parent
            found |= {target.with_suffix(".py"), package / "__init__.py"}
    return frozenset(file for file in found if file.is_file())


def closure(path: Path) -> set[Path]:
    """The file, and all of the project's files that it imports, directly or through others."""
    found, new = set(), {path}
    while new:
        found |= new
        new = {file for each in new for file in imported_files(each)} - found
    return found
