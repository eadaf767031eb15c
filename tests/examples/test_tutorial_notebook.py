"""Test the notebook examples/tutorial.ipynb as Jupyter runs it."""

import pytest

pytest.importorskip("nbformat", reason="install the `dev` extra")

import nbformat
from conftest import PROJECT
from notebook import TUTORIAL, run_notebook, texts

MOST = 500_000  # bytes


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
    run_notebook(made, tmp_path)
    assert texts(made) == texts(shown)
