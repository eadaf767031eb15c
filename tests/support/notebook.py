"""Run examples/tutorial.ipynb like Jupyter. As a script, write it again with its outputs."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from conftest import MIRROR, PROJECT
from nbclient import NotebookClient

TUTORIAL = PROJECT / "examples" / "tutorial.ipynb"
LARGEST = 100_000  # characters per output in Git
AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "You"), ("EMAIL", "you@example.org"))
}

CONTROL = re.compile(r"\x1b\[[\d;?]*[a-zA-Z]")  # of a terminal, such as a colour
# Bars, whose numbers are times, and what `init` prints about how this package was installed.
NOT_KEPT = re.compile(
    r"\[\d\d:\d|^Checking out|^ +\d+% |^[!⠋]|^Adding\.\.\.|line of requirements\.txt"
)

# If another program sets a Matplotlib backend, the notebook lacks figures.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
# Its cells call `dvc` and `pawprint` of this environment, which may not be activated.
ENVIRONMENT["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
if MIRROR.is_dir():
    real = {"PAWPRINT_MIRROR": str(MIRROR.resolve()), "KERAS_HOME": str(MIRROR.resolve() / "keras")}
    ENVIRONMENT |= real


def run_notebook(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in a folder and remove overwritten bars and the folder's name from outputs."""
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("execution", None)
    shutil.copy(TUTORIAL.with_name("demo.py"), folder)
    client = NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": folder}},
    )
    client.execute(env=ENVIRONMENT | AUTHOR | {"PYTHONPATH": str(PROJECT)}, cwd=str(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of execution
        for output in cell.get("outputs", []):
            _shorten(output, folder)


def _shorten(output: nbformat.NotebookNode, folder: Path) -> None:
    if output.output_type == "stream":
        text = CONTROL.sub("", output.text.replace("\r\n", "\n"))
        lines = [line.rpartition("\r")[2] for line in text.split("\n")]
        output.text = "\n".join(
            line for line in lines if line.strip() and not NOT_KEPT.search(line)
        )
        output.text = output.text.replace(f"{folder}{os.sep}", "")
        return
    data = output.get("data", {})
    for kind in [kind for kind, text in data.items() if len(text) > LARGEST]:
        del data[kind]
    for kind, text in data.items():
        if kind.startswith("text/"):
            data[kind] = text.replace(f"{folder}{os.sep}", "")


def texts(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what a reader sees below each cell, without bars, times and pictures."""
    return [
        [_text(output) for output in cell.outputs if output.get("name") != "stderr"]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _text(output: nbformat.NotebookNode) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return re.sub(r"\b\d+:\d\d\b|0x[0-9a-f]+|\[main [^\]]*\]", "…", text)


def main() -> None:
    """Run the notebook and write it."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        run_notebook(notebook, Path(folder).resolve())
    notebook.metadata.pop("language_info", None)  # contains the version of Python
    nbformat.write(notebook, TUTORIAL)


if __name__ == "__main__":
    main()
