"""Compute the fingerprint of a script and all modules that it imports.

Comments, docstrings and formatting do not count. docs/decisions/24 explains the reasons.
"""

import ast
import contextlib
import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

from pawprint.errors import InputError, name_some
from pawprint.named_file import read_bytes
from pawprint.package import folders_of_code
from pawprint.paths import DECODED_ROW_CODE, FEATURE_ROW_CODE, REQUIREMENTS
from pawprint.pipeline.lock import SAME, not_as_pinned, read_pins, versions_of

# Distributions that do not affect the bytes of results: they schedule, check, show progress, send
# functions and results to workers, or find and lock the download folder.
DECIDE_NO_BYTE = {
    *("cloudpickle", "dask", "distributed", "dvc", "dvc-data", "filelock", "joblib", "packaging"),
    *("platformdirs", "pydantic", "pydantic-core", "tqdm"),
}
# Our own modules that do not affect bytes either. The package itself loads models for other
# programs, and `installation` finds out where it came from. The names in `paths` are also in
# dvc.yaml, so changing only one of the two is an error. The others show progress, count cores,
# import modules quickly, start and end stages, call DVC, and distribute work over threads or a
# cluster, where a test compares the bytes.
OURS_DECIDE_NO_BYTE = {
    *("pawprint/__init__.py", "pawprint/cores.py", "pawprint/installation.py"),
    *("pawprint/paths.py", "pawprint/progress.py", "pawprint/quick_imports.py"),
    *("pawprint/engine/__init__.py", "pawprint/engine/dask.py", "pawprint/engine/mapping.py"),
    *("pawprint/pipeline/dvc.py", "pawprint/pipeline/entry.py"),
}
# Distributions that affect bytes although another one imports them: h5py writes Keras' files. The
# lines of `keras` and `keras-nightly`, which only one Python each has, are in every fingerprint.
BROUGHT = {"keras": {"h5py", "keras-nightly"}, "keras-nightly": {"h5py", "keras"}}
OURS = ("pawprint", "stages")  # folders that contain code
# The keys of the rows that are reused. One folder has all code that computes a DECODED row from the
# bytes of a file.
DECODED_ROW = "pawprint/decoding/row.py"
# The row of features of a view: the row function, the views, the decoding of JPEGs at reduced size,
# and the runtime. An image's pixels are hashed after a full decode, so other readers do not count.
FEATURE_ROW = "pawprint/features/rows.py"
ROWS = {DECODED_ROW_CODE: DECODED_ROW, FEATURE_ROW_CODE: FEATURE_ROW}
# NumPy only stores numbers in a row of features: all versions write the same bytes
# (docs/decisions/39), so updating it does not recompute rows.
STORES = "numpy"
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # lists of statements in statements
# All stages parse the same modules, which do not change.
parse = functools.cache(ast.parse)


def syntax_of(source: str) -> str:
    """Return the syntax tree of a module without docstrings, as text that is equal on any Python.

    The result of `ast.dump` depends on the version of Python, because newer versions have more
    fields, which are empty for older code.
    """
    return _text(parse(source))


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if not isinstance(value, ast.AST):
        return ascii(value)  # `repr` depends on the Unicode version
    texts = []
    for name in value._fields:  # `ast.iter_fields` takes twice the time, in each stage
        field = getattr(value, name, None)
        if name == "body" and _has_docstring(value):
            field = (field or [])[1:]
        elif isinstance(value, ast.JoinedStr):  # Python 3.12.1 adds empty strings
            field = [part for part in value.values if getattr(part, "value", None) != ""]
        if field not in (None, []):
            texts.append(f"{name}={_text(field)}")
    return f"{type(value).__name__}({', '.join(texts)})"


def _has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, WITH_DOCSTRING):
        return False
    return ast.get_docstring(node, clean=False) is not None


@functools.cache  # all stages read the same modules
def imports(source: str) -> set[str]:
    """Return the full names that a module imports, including imports in functions.

    An example is `pawprint.files.replacing`. Raises ValueError for a relative import.
    """
    names = set()
    nodes = [parse(source)]
    while nodes:
        node = nodes.pop()
        for block in BLOCKS:  # unlike `ast.walk`, this skips expressions, which cannot import
            nodes += getattr(node, block, ())
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"a relative import in line {node.lineno}")
            module = str(node.module)
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


class Code:
    """The code that a project runs: the installed package, and the project's folder `stages/`.

    Files are named after their import: `pawprint/files.py`, `pawprint/stages/clean.py` in an
    installed package, and `stages/clean.py` in the project.
    """

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder
        self.folders = folders_of_code(folder)
        self.imported_files = functools.cache(self._imported_files)
        self._line = functools.cache(self.line_of)
        self._pins = functools.cache(lambda module: [*self._pins_of(module)])
        self._data_in = functools.cache(self._find_data)
        self._file_of = functools.cache(self._find_file)

    @functools.cached_property
    def pins(self) -> dict[str, list[str]]:
        """The lines of requirements.txt, the lock file, keyed by distribution."""
        return read_pins(self.folder / REQUIREMENTS)

    @property
    def is_project(self) -> bool:
        """Whether the folder runs the installed package; the repository runs its own code."""
        return "pawprint/stages" in self.folders

    @functools.cached_property
    def distributions(self) -> Mapping[str, list[str]]:
        """The distributions that provide each installed top-level module."""
        return packages_distributions()

    def path_of(self, file: str) -> Path:
        """Return the path of a file."""
        for name, folder in self.folders.items():
            if file.startswith(f"{name}/"):
                return folder / file.removeprefix(f"{name}/")
        return self.folder / file

    def fingerprint(self, script: str) -> str:
        """Return a line `HASH  FILE` for each file that a script's results depend on, then pins.

        The files are the script, all modules that it imports directly or indirectly, including
        imports in functions, the `__init__.py` of every package on the way, and data files next to
        a module, such as templates. A folder without `__init__.py` is not a package: all
        its files, including scripts, count as data of the package above.

        The pins are the lines in requirements.txt for the distributions that these modules import,
        and for BROUGHT, except for STORES in the key of a row of features. If another version is
        installed in a project, or if it has no line there, the pin is the installed version. Raises
        InputError for a distribution without a version, for a relative import, and for an import
        of another file in the project, because editing that file would not run any stage.
        """
        modules = self.closure(script)
        for module in sorted(modules):
            for file in sorted(self.imported_files(module)):
                if not file.startswith(tuple(f"{folder}/" for folder in OURS)):
                    raise InputError(
                        f"{module}: expected imports from pawprint/ and stages/, on which the "
                        f"stage `code` depends. Received: an import of {file}. Move it into "
                        "stages/."
                    )
        folders = {PurePosixPath(module).parent.as_posix() for module in modules}
        files = {file for folder in folders for file in self._data_in(folder)}
        files |= modules
        pins = {pin for module in modules for pin in self._pins(module)}
        if script == FEATURE_ROW:
            pins = {pin for pin in pins if _name_of(pin) != STORES}
        return "".join(f"{line}\n" for line in [*map(self._line, sorted(files)), *sorted(pins)])

    def closure(self, script: str) -> set[str]:
        """Return the script and all modules that it imports, directly or indirectly.

        Modules in OURS_DECIDE_NO_BYTE, and modules that only they import, are left out.
        """
        # Python runs this file before any other.
        package = PurePosixPath(script).with_name("__init__.py").as_posix()
        modules: set[str] = set()
        new = {script}
        if self.path_of(package).is_file():
            new.add(package)
        while new:
            modules |= new
            new = {file for module in new for file in self.imported_files(module)} - modules
            new -= OURS_DECIDE_NO_BYTE
        return modules

    def _imported_files(self, module: str) -> set[str]:
        """Return the project's files that a module imports directly."""
        files = set()
        for name in self.imports_of(module):
            parts = name.split(".")
            packages = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            files |= {file for package in packages if (file := self._file_of(package))}
        if self.is_project and module.startswith("pawprint/"):
            # The installed package never imports files of the project, such as a `copy.py` in its
            # folder.
            files = {file for file in files if file.startswith("pawprint/")}
        return files

    def _find_file(self, name: str) -> str | None:
        """Return the project's file for a module, given the full name of the module."""
        path = name.replace(".", "/")
        files = (f"{path}/__init__.py", f"{path}.py")
        return next((file for file in files if self.path_of(file).is_file()), None)

    def imports_of(self, module: str) -> set[str]:
        """Return the full names that a module imports. Raises InputError if it is not Python."""
        try:
            return imports(self.path_of(module).read_text(encoding="utf-8"))
        except (SyntaxError, ValueError) as error:
            raise InputError(
                f"{module}: expected Python, with imports by full name. Received: {error}"
            ) from None

    def _pins_of(self, module: str) -> Iterator[str]:
        for top in {name.split(".")[0] for name in self.imports_of(module)}:
            installed = map(canonicalize_name, self.distributions.get(top, [top]))
            names: set[str] = {SAME.get(name, name) for name in installed}
            if top in (*OURS, *sys.stdlib_module_names) or names <= DECIDE_NO_BYTE:
                continue
            names = {name for name in names if name in self.pins} or names
            names = names.union(*(BROUGHT.get(name, ()) for name in names))
            pinned = [line for name in names for line in self._lines_of_pin(name)]
            if not pinned and top not in self.distributions:
                raise InputError(
                    f"{module}: the package that it imports as {top} is not installed. Add it to "
                    f"{REQUIREMENTS} if it is missing there and run `pip install -r "
                    f"{REQUIREMENTS}`."
                )
            if not pinned:
                raise InputError(
                    f"{REQUIREMENTS}: the version of {' or '.join(sorted(names))}, which {module} "
                    "imports, is missing. Add it."
                )
            yield from pinned

    def _lines_of_pin(self, name: str) -> list[str]:
        pins = self.pins.get(name, [])
        return versions_of(name, pins) if self.is_project else pins

    def as_locked(self, fingerprint: str) -> str:
        """Return a fingerprint as it would be with the versions in requirements.txt installed."""
        files, pins = split_fingerprint(fingerprint)
        locked: set[str] = set()
        for line in pins:
            lock = self.pins.get(_name_of(line), [])
            locked.update(lock if not_as_pinned(lock) else [line])
        return "".join(f"{line}\n" for line in [*files, *sorted(locked)])

    def _find_data(self, folder: str, is_package: bool = True) -> list[str]:
        """Return the files in a folder, and in its subfolders that are not packages.

        Modules of a package are left out. So are hidden files, which systems and editors create.
        """
        files = []
        for path in self.path_of(f"{folder}/").iterdir():
            name = f"{folder}/{path.name}"
            if path.name.startswith(".") or path.name == "__pycache__":
                continue
            if path.is_dir() and not (path / "__init__.py").is_file():
                files += self._find_data(name, is_package=False)
            elif path.is_file() and not (is_package and path.suffix == ".py"):
                files.append(name)
        return files

    def line_of(self, file: str) -> str:
        """Return the line `HASH  FILE` for a file."""
        path = self.path_of(file)
        content = read_bytes(path)
        if path.suffix == ".py":
            # The file may be a template, or an unfinished edit.
            with contextlib.suppress(SyntaxError, ValueError):
                content = syntax_of(content.decode()).encode()
        return f"{hashlib.sha256(content).hexdigest()[:16]}  {file}"


def split_fingerprint(fingerprint: str) -> tuple[list[str], list[str]]:
    """Split a fingerprint into its lines `HASH  FILE` and its pins."""
    lines = fingerprint.splitlines()
    return [line for line in lines if "  " in line], [line for line in lines if "  " not in line]


def _name_of(pin: str) -> str:
    return canonicalize_name(pin.partition("==")[0])


def describe_code_changes(before: dict[str, str | None], after: dict[str, str]) -> list[str]:
    """Return lines such as "clean, features changed (pawprint/decoding/decoder.py)".

    Both arguments contain fingerprints keyed by stage: before an edit (None if unknown) and after
    it.
    """
    stages: dict[str, list[str]] = {}
    for stage, text in after.items():
        if text != before[stage]:
            reason = "its earlier code is not in the cache"
            if earlier := before[stage]:
                lines = set(earlier.splitlines()) ^ set(text.splitlines())
                reason = name_some(sorted({line.split("  ")[-1] for line in lines}))
            stages.setdefault(reason, []).append(stage)
    return [f"{', '.join(names)} changed ({reason})" for reason, names in stages.items()]
