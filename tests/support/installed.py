"""An environment with the package installed from a wheel, independent of the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Self

from conftest import (
    FROZEN,
    PROJECT,
    SAMPLE_SHA256,
    SAMPLE_WEIGHTS,
    copy_into,
    replace,
    repro,
    run,
    succeed,
)

# A tiny run on the project's own photos, with weights in a file of the project.
SMALL = FROZEN.replace("fetch: {source: ../images.zip}", "").replace(
    "model: {", "model: {backbone: MobileNetV2, alpha: 0.35, "
)
SMALL += f"weights: {{source: {SAMPLE_WEIGHTS.name}, sha256: {SAMPLE_SHA256}}}\n"

# With an empty KERAS_HOME, only weights in the project are available.
NO_NETWORK = {"https_proxy": "http://127.0.0.1:9"}


class Installed:
    """A virtual environment with the package from a wheel, and all other packages of this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.source = folder / "source"

    def create(self, *edits: tuple[str, str, str]) -> Self:
        """Create the environment and install a wheel of this project's files, after these edits."""
        folder = self.folder
        succeed(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"), cwd=PROJECT)
        base = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
        site = Path(sysconfig.get_path("purelib", "venv", base))
        (site / "others.pth").write_text(sysconfig.get_path("purelib"))
        files = succeed("git", "ls-files", "-co", "--exclude-standard", cwd=PROJECT).splitlines()
        for name in files:
            if (PROJECT / name).is_file():
                copy_into(self.source, PROJECT, name)
        self.install(*edits)
        return self

    def install(self, *edits: tuple[str, str, str]) -> None:
        """Build and install a wheel of `source`. An edit is a file, its old and its new text."""
        for name, old, new in edits:
            replace(self.source / name, old, new)
        shutil.rmtree(self.source / "build", ignore_errors=True)
        wheels = self.folder / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        pip, options = (sys.executable, "-m", "pip", "--quiet"), ("--no-deps", "-w", str(wheels))
        built = (*options, "--no-build-isolation", str(self.source))
        succeed(*pip, "wheel", *built, cwd=self.folder)
        (wheel,) = wheels.glob("*.whl")
        into = ("--python", str(self.python), "install", "--no-deps", "--force-reinstall")
        succeed(*pip, *into, str(wheel), cwd=self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a user who has activated this one."""
        path = os.pathsep.join([str(self.python.parent), str(Path(sys.executable).parent)])
        return {"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}

    def run(self, *command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
        return run(*command, cwd=cwd, **self.environment | environment)

    def succeed(self, *command: str, cwd: Path, **environment: str) -> str:
        """Run a command, which must succeed, and return what it prints."""
        return succeed(*command, cwd=cwd, **self.environment | environment)

    def repro(self, project: Path, *options: str, **environment: str) -> list[str]:
        return repro(project, *options, **self.environment | environment)
