"""Compute the fingerprint of a script and all modules that it imports.

Comments, docstrings and formatting do not count. docs/decisions/24 explains the reasons.
"""

import ast
import contextlib
import functools
import hashlib
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path, PurePosixPath

from pawprint.base.errors import InputError, name_some
from pawprint.base.files import read_bytes
from pawprint.base.package import folders_of_code
from pawprint.base.paths import DECODED_ROW_CODE, FEATURE_ROW_CODE, REQUIREMENTS

# Modules of ours, and packages by the name of their import, that do not affect the bytes of
# results. Modules that only they import do not count either.
DECIDE_NO_BYTE = {
    "pawprint/__init__.py",  # loads models for other programs
    "pawprint/base/paths.py",  # dvc.yaml has the same paths, so changing only one is an error
    "pawprint/pipeline/dvc.py",  # calls DVC
    "pawprint/pipeline/entry.py",  # starts and ends a stage, imports the same modules sooner
    "pawprint/base/threads.py",  # uses threads or a cluster; a test compares the bytes
    *("filelock", "platformdirs"),  # lock and find the folder of downloads, which have a hash
    *("pydantic", "pydantic_core"),  # check params, whose values DVC compares
}
OURS = ("pawprint", "stages")  # folders that contain code
# The keys of the rows that are reused. One folder has all code that computes a DECODED row from the
# bytes of a file.
DECODED_ROW = "pawprint/given/decoding/content.py"
# The row of features of a view: the row function, the views, the decoding of JPEGs at reduced size,
# and the runtime. An image's pixels are hashed after a full decode, so other readers do not count.
FEATURE_ROW = "pawprint/network/rows.py"
ROWS = {DECODED_ROW_CODE: DECODED_ROW, FEATURE_ROW_CODE: FEATURE_ROW}
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# All stages import the same packages, which do not change.
distributions = functools.cache(packages_distributions)
version_of = functools.cache(version)


@functools.cache  # to find imports, and to compute a hash
def syntax_of(source: str) -> tuple[ast.Module, list[ast.Import | ast.ImportFrom]]:
    """Return the syntax tree of a module without docstrings, and the imports in it."""
    tree = ast.parse(source)
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
    return tree, imports


class Code:
    """The code that a project runs: the installed package, and the project's folder `stages/`.

    Files are named after their import: `pawprint/base/files.py`, `pawprint/stages/clean.py` in an
    installed package, and `stages/clean.py` in the project.
    """

    def __init__(self, folder: Path = Path()) -> None:
        self.folder = folder
        self.folders = folders_of_code(folder)
        self.imports_of = functools.cache(self._find_imports)
        self.imported_files = functools.cache(self._find_imported)
        self._files_of = functools.cache(self._find_files)
        self._line_of = functools.cache(self._hash_file)
        self._versions = functools.cache(self._find_versions)
        self._data_in = functools.cache(self._find_data)

    def path_of(self, file: str) -> Path:
        """Return the path of a file."""
        for name, folder in self.folders.items():
            if file.startswith(f"{name}/"):
                return folder / file.removeprefix(f"{name}/")
        return self.folder / file

    def fingerprint(self, script: str) -> str:
        """Return a line `HASH  FILE` for each file that a script's results depend on, and versions.

        The files are the script, all modules that it imports directly or indirectly, including
        imports in functions, the `__init__.py` of every package on the way, and data files next to
        a module, such as templates. A folder without `__init__.py` is not a package: all
        its files, including scripts, count as data of the package above.

        A line such as `PIL==12.0.0` has the installed version of a package that these modules
        import. Raises InputError for a package that is not installed, and for a relative import.
        """
        modules = self.closure(script)
        folders = {PurePosixPath(module).parent.as_posix() for module in modules}
        files = {file for folder in folders for file in self._data_in(folder)} | modules
        versions = {line for module in modules for line in self._versions(module)}
        if script == FEATURE_ROW:
            # NumPy only stores the numbers: all versions write the same bytes (docs/decisions/24).
            versions = {line for line in versions if not line.startswith("numpy==")}
        lines = [*map(self._line_of, sorted(files)), *sorted(versions)]
        return "".join(f"{line}\n" for line in lines)

    def closure(self, script: str) -> set[str]:
        """Return the script and all modules that it imports, directly or indirectly.

        Modules in DECIDE_NO_BYTE, and modules that only they import, are left out.
        """
        modules: set[str] = set()
        own = self._files_of(script.removesuffix(".py").replace("/", "."))
        new = own - DECIDE_NO_BYTE | {script}
        while new:
            modules |= new
            new = {file for module in new for file in self.imported_files(module)}
            new -= modules | DECIDE_NO_BYTE
        return modules

    def _find_imported(self, module: str) -> set[str]:
        """Return the files of code that a module imports directly."""
        return {file for name in self.imports_of(module) for file in self._files_of(name)}

    def _find_files(self, name: str) -> set[str]:
        """Return the files of code for the full name of a module, and for the packages around it.

        Python runs the `__init__.py` of these packages first.
        """
        parts = name.split(".")
        paths = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        files = [f"{path}{end}" for path in paths for end in ("/__init__.py", ".py")]
        return {file for file in files if parts[0] in OURS and self.path_of(file).is_file()}

    def _find_imports(self, module: str) -> set[str]:
        """Return the full names that a module imports, including imports in functions.

        An example is `pawprint.base.files.replacing`. Raises InputError if the module is not
        Python, or for a relative import.
        """
        names = set()
        try:
            _, imports = syntax_of(self.path_of(module).read_text(encoding="utf-8"))
        except (SyntaxError, ValueError) as error:
            raise InputError(f"{module}: expected Python. Received: {error}") from None
        for node in imports:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif node.level:
                raise InputError(f"{module}: line {node.lineno}: expected an absolute import.")
            else:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        return names

    def _find_versions(self, module: str) -> list[str]:
        """Return the lines of a module in a fingerprint for the packages that it imports."""
        packages = {name.split(".")[0] for name in self.imports_of(module)}
        lines = []
        for package in packages - sys.stdlib_module_names - DECIDE_NO_BYTE - {*OURS}:
            if not (names := distributions().get(package)):
                raise InputError(
                    f"{module}: the package that it imports as {package} is not installed. Run "
                    f"`pip install -r {REQUIREMENTS}`. A file of your own belongs into stages/."
                )
            lines += [f"{package}=={version_of(name)}" for name in names]
        return lines

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

    def _hash_file(self, file: str) -> str:
        """Return the line `HASH  FILE` for a file."""
        content = read_bytes(self.path_of(file))
        if file.endswith(".py"):
            # The file may be a template, or an unfinished edit.
            with contextlib.suppress(SyntaxError, ValueError):
                content = ast.dump(syntax_of(content.decode())[0]).encode()
        return f"{hashlib.sha256(content).hexdigest()[:16]}  {file}"


def describe_difference(before: str | None, after: str) -> str:
    """Return the names of files and packages whose lines differ in two fingerprints of a stage."""
    if before is None:
        return "its earlier code is not in the cache"
    lines = set(before.splitlines()) ^ set(after.splitlines())
    return name_some(sorted({line.split("  ")[-1] for line in lines}))
