"""Test the notebook examples/tutorial.ipynb as Jupyter runs it."""

import re

import pytest

pytest.importorskip("nbformat", reason="install the `dev` extra")

import nbformat
from conftest import PROJECT
from notebook import TUTORIAL, run_notebook, texts

MOST = 500_000  # bytes
IN_EPOCHS = re.compile("## Train in epochs")


def test_outputs_in_git_are_small_and_show_no_folder_of_a_user():
    text = TUTORIAL.read_text(encoding="utf-8")
    assert len(text) < MOST
    folders = ("/home/", "/tmp/", "/root/", "/Users/", str(PROJECT))
    assert not any(name in text for name in folders)


@pytest.mark.slow
def test_notebook_gives_the_outputs_that_it_shows(mirror, tmp_path):
    """Times, paths and pictures are not compared."""
    shown = nbformat.read(TUTORIAL, as_version=4)
    made = nbformat.read(TUTORIAL, as_version=4)
    for notebook in (shown, made):
        sources = [cell.source for cell in notebook.cells]
        del notebook.cells[sources.index(next(filter(IN_EPOCHS.match, sources))) :]
    run_notebook(made, tmp_path)
    assert texts(made) == texts(shown)


@pytest.mark.extended
def test_cells_that_train_in_epochs_run(mirror, tmp_path):
    """Their losses differ between processors."""
    run_notebook(nbformat.read(TUTORIAL, as_version=4), tmp_path)
