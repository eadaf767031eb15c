"""Test `pawprint.load`, the whole public interface in Python."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, encode, refused, succeed, write_files
from networks import metadata, write_colour_model
from PIL import Image

import pawprint
from pawprint.base import paths
from pawprint.model.metadata import write_metadata


def test_package_exports_these_names_cheaply_and_nothing_that_trains():
    names = ["InputError", "Prediction", "load"]
    assert dir(pawprint) == pawprint.__all__ == names
    code = (
        "import sys, pawprint; cheap = {*sys.modules}; from pawprint import *; "
        "print(*({'pandas', 'openvino', 'dvc'} & cheap), *({'tensorflow', 'keras', 'dvc'} & "
        "sys.modules.keys()))"
    )
    assert succeed("python", "-c", code, cwd=PROJECT).split() == []


def test_model_labels_files_and_folders_of_folders_in_a_table(tmp_path):
    write_colour_model(tmp_path / "served")
    red = encode(Image.new("RGB", (40, 40), (200, 0, 0)), "PNG")
    files = {"all/cat/1.png": red, "all/dog/2.png": red, "all/dog/broken.png": b"no"}
    write_files(tmp_path, files)
    model = pawprint.load(tmp_path / "served")
    table = model.predict(tmp_path / "all")
    assert [Path(path).name for path in table["path"]] == ["1.png", "2.png", "broken.png"]
    assert table["label"].tolist() == [model.predict(red).label] * 2 + [""]
    total = table[["probability_cat", "probability_dog"]].sum(axis=1, skipna=False)
    assert total[:2].tolist() == pytest.approx([1, 1]) and pd.isna(total[2])
    assert table["error"][2] and not table["error"][:2].any()
    for name in ("all/dog/broken.png", "nothing.png"):
        with refused(str(tmp_path / name)):
            model.predict(tmp_path / name)
    with pytest.raises(pawprint.InputError):
        model.predict(b"no")
    both = model.predict([tmp_path / "all/cat/1.png", tmp_path / "nothing.png"])
    assert both["error"].tolist()[0] == "" and len(both) == 2


def test_folder_of_a_project_is_not_a_model_and_its_model_is_named(tmp_path):
    (tmp_path / paths.PARAMS).touch()
    with refused("model.json", str(tmp_path / paths.SERVED_MODEL)):
        pawprint.load(tmp_path)


@pytest.mark.parametrize(("files", "said"), [({"model.keras": b""}, "model.keras"), ({}, "0.6")])
def test_export_that_only_other_programs_run_is_named(tmp_path, files, said):
    write_files(tmp_path / "export", files).mkdir(exist_ok=True)
    write_metadata(tmp_path / "export", metadata())
    with refused(f"{tmp_path / 'export'}: expected model.xml", said) as stop:
        pawprint.load(tmp_path / "export")
    assert ("0.6" in str(stop.value)) == (not files)


def test_model_without_a_folder_is_of_the_project_or_the_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pawprint.load().metadata.labels == ["cat", "dog"]
    write_colour_model(tmp_path / paths.SERVED_MODEL, labels=["blue", "green", "red"])
    assert pawprint.load().metadata.labels == ["blue", "green", "red"]


def test_model_labels_any_series_of_paths_and_refuses_arrays_and_images_in_one(tmp_path):
    write_colour_model(tmp_path / "served")
    red = Image.new("RGB", (40, 40), (200, 0, 0))
    write_files(tmp_path, {"all/1.png": encode(red, "PNG"), "all/2.png": encode(red, "PNG")})
    model = pawprint.load(tmp_path / "served")
    folder = tmp_path / "all"
    expected = model.predict(folder)["label"].tolist()
    for paths_of in (tuple, iter, pd.Series):
        assert model.predict(paths_of(sorted(folder.iterdir())))["label"].tolist() == expected
    for wrong in (np.asarray(red), [np.asarray(red)]):
        with pytest.raises(TypeError, match=r"ndarray.*fromarray"):
            model.predict(wrong)
    for wrong in ([red], [folder, None], None, 7):
        with pytest.raises(TypeError, match="list") as raised:
            model.predict(wrong)
        assert "fromarray" not in str(raised.value)
    with (folder / "1.png").open("rb") as file:
        assert model.predict(file.read()).label == expected[0]
        with pytest.raises(TypeError, match="bytes"):  # an open file, and not its lines
            model.predict(file)
    assert len(repr(model)) < 200 + len(str(tmp_path))
