"""Draw which packages import which, from the imports in the code, as the diagram on a page.

Run `PYTHONPATH=.:tests:tests/support python tests/support/house.py`, and put the output into
docs/development.md.
"""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from conftest import CODE, MODULES

DRAWN = ("pawprint", "stages")  # the folders whose packages are drawn


def package_of(module: str) -> str:
    """Return the package of a module: `pawprint/images`, `stages`, or `pawprint` itself."""
    parts = PurePosixPath(module).parts
    return "/".join(parts[:2]) if parts[0] == "pawprint" and len(parts) > 2 else parts[0]


def imports_of_packages(modules: Iterable[str] = MODULES) -> dict[str, set[str]]:
    """Return the other packages that each package imports, without the modules in `pawprint/`."""
    found: dict[str, set[str]] = {}
    for module in modules:
        package = package_of(module)
        others = {package_of(file) for file in CODE.imported_files(module)}
        found.setdefault(package, set()).update(others - {package, "pawprint"})
    return found


def layers_of(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the packages in layers, the lowest first: each only imports packages in lower ones.

    Raises ValueError if packages import each other in a circle.
    """
    layers: list[list[str]] = []
    below: set[str] = set()
    while left := imports.keys() - below:
        layer = sorted(package for package in left if imports[package] <= below)
        if not layer:
            raise ValueError(f"a circle of imports between {', '.join(sorted(left))}")
        layers.append(layer)
        below.update(layer)
    return layers


def drawing_of(imports: Mapping[str, set[str]]) -> str:
    """Return a Mermaid diagram. It leaves out an arrow if a path of other arrows says the same."""
    layers = layers_of(imports)
    reached: dict[str, set[str]] = {}
    for package in (package for layer in layers for package in layer):
        others = imports[package]
        reached[package] = others.union(*(reached[other] for other in others))
    lines = ["flowchart TD"]
    for package in (package for layer in reversed(layers) for package in layer):
        others = imports[package]
        implied = set().union(*(reached[other] for other in others))
        lines += [f"    {_name(package)} --> {_name(other)}" for other in sorted(others - implied)]
    return "\n".join(lines) + "\n"


def drawing() -> str:
    """Return the diagram of the package's folders and of the stages."""
    found = imports_of_packages(name for name in MODULES if name.startswith(DRAWN))
    del found["pawprint"]  # the modules next to the folders, which every folder imports
    return drawing_of(found)


def _name(package: str) -> str:
    return package.removeprefix("pawprint/")


if __name__ == "__main__":
    print(drawing(), end="")
