"""Test the notebook examples/tutorial.ipynb as Jupyter runs it."""

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from conftest import PROJECT, photos_of, write_files
from notebook import TUTORIAL, run_notebook, texts

from pawprint.dataset.sources import fetch
from pawprint.paths import RAW_ARCHIVES
from pawprint.projects.project import Project

MOST = 500_000  # bytes


def test_outputs_in_git_are_small_and_show_no_folder_of_a_user():
    text = TUTORIAL.read_text(encoding="utf-8")
    assert len(text) < MOST
    folders = ("/home/", "/tmp/", "/root/", "/Users/", str(PROJECT))
    assert not any(name in text for name in folders)


@pytest.mark.parametrize("number", [0, 1, 9])
def test_cells_on_suspects_run_for_any_number_and_keep_earlier_corrections(tmp_path, number):
    """A reader's own photos may have no wrong label, and the reader may have corrected some."""
    names = [f"cat/{index}.jpg" for index in range(number)]
    write_files(tmp_path / "photos", photos_of([*names, "cat/10.jpg", "dog/7.jpg"]))
    fetch(tmp_path / "photos", tmp_path / RAW_ARCHIVES)
    earlier = "path,label,seen_by\ndog/7.jpg,cat,Ann\ncat/0.jpg,none,\n"
    params = "clean: {labels: auto, rule: decodes, bits: null}\n"
    write_files(tmp_path, {"params.yaml": params, "labels.csv": earlier})
    suspects = pd.DataFrame({"path": names, "label": "cat", "likely": "dog"})
    here = {"project": Project(tmp_path), "suspects": suspects}
    plt.switch_backend("agg")
    cells = [cell.source for cell in nbformat.read(TUTORIAL, as_version=4).cells]
    after = next(at for at, cell in enumerate(cells) if "labels_to_review()" in cell)
    for cell in cells[after + 1 :]:
        if "suspects" in cell:
            exec(cell, here)
    plt.close("all")
    corrected = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False).set_index("path")
    assert corrected.loc["dog/7.jpg"].tolist() == ["cat", "Ann"]
    assert corrected.loc["cat/0.jpg", "label"] == ("dog" if number else "none")
    assert len(corrected) == 1 + max(number, 1)


@pytest.mark.slow
def test_notebook_gives_the_outputs_that_it_shows(tmp_path):
    """Times, paths and pictures are not compared."""
    shown = nbformat.read(TUTORIAL, as_version=4)
    made = nbformat.read(TUTORIAL, as_version=4)
    run_notebook(made, tmp_path)
    assert texts(made) == texts(shown)
