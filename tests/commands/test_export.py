import argparse
import contextlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from conftest import PROJECT, change, refused, write_files
from networks import PLAIN, colour_model, metadata, sample_backbone, with_probabilities

from pawprint import paths
from pawprint.columns import SPLIT
from pawprint.commands.export import run as run_export
from pawprint.errors import InputError
from pawprint.files import md5
from pawprint.images.archive import members, open_archive, read_member
from pawprint.model.detector import fit_detector
from pawprint.model.exports import FORMATS, Reference, export, read_pixels, require_modules
from pawprint.model.int8_export import INT8
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import load_predictor, predict_each
from pawprint.model.served_model import write_served_model
from pawprint.network.hardware import keras
from pawprint.network.keras_model import build_head, build_model, convert, save_model, with_features
from pawprint.projects.export import LITERT, describe_int8, export_model
from pawprint.tables import write_table

METADATA = metadata(temperature=1.5, thresholds={"dog": 0.4}, unknown_threshold=0.2)
ROUNDING = 2e-4  # maximum difference from the outputs of the served model
FAST = ("keras", "onnx")
EACH_FORMAT = [
    pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
    for name in FORMATS
    if name != "page"  # see tests/model/test_html_page.py
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, drawn_archive) -> Path:
    """Return a folder with drawn images, their split, and a model that classifies most of them."""
    folder = tmp_path_factory.mktemp("workspace")
    archive = folder / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    shutil.copy(drawn_archive, archive)
    with open_archive(archive) as opened:
        names = [name for name in members(opened) if re.search(r"\.\d{4}\.jpg$", name)]
        photos = {name.replace("/", "-"): read_member(opened, name) for name in names}
    write_files(folder / "photos", photos)
    split = pd.DataFrame(dict.fromkeys(SPLIT, names))
    split["label"] = ["cat" if "/cats/" in name else "dog" for name in names]
    split["split"] = ["train" if "/train/" in name else "test" for name in names]
    write_table(folder / paths.SPLIT_CSV, split, SPLIT)
    train = split[split["split"] == "train"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pixels = np.stack(list(read_pixels(archive.parent, train["path"], METADATA)))
    model = model_for(pixels, (train["label"] == "dog").to_numpy())
    save_model(model, folder / paths.TRAINED_MODEL)
    shutil.copy(PROJECT / paths.PARAMS, folder)
    both = with_features(model)
    detector = fit_detector(both.predict(pixels.astype(np.float32), verbose=0)[1])
    served = folder / paths.SERVED_MODEL
    write_served_model(convert(both), METADATA, detector, served, is_mirrored=True)
    return folder


def model_for(pixels: np.ndarray, is_dog: np.ndarray) -> keras.Model:
    """Return a model that compares an image's distances to the mean features of both classes."""
    head = build_head(PLAIN, 2)
    model = build_model("MobileNetV2", sample_backbone(), head, "average")
    features = keras.Model(model.input, model.get_layer("pooling").output)(pixels).numpy()
    cat, dog = features[~is_dog].mean(axis=0), features[is_dog].mean(axis=0)
    kernel = 4 / np.sum((dog - cat) ** 2) * (dog - cat)[:, None]
    head.layers[-1].set_weights([kernel, -(kernel.T @ (cat + dog) / 2)])
    return model


@pytest.fixture(scope="module")
def exported(workspace, tmp_path_factory) -> Callable[[str], tuple[pd.DataFrame, list[str]]]:
    """Return a function that exports a format, once for all formats that are wanted together."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # outside the project, like a notebook
    made: dict[tuple, tuple[pd.DataFrame, list[str]]] = {}

    def export_once(name: str) -> tuple[pd.DataFrame, list[str]]:
        wanted = wanted_for(name)
        if wanted not in made:
            with contextlib.chdir(elsewhere), pytest.MonkeyPatch.context() as patch:
                patch.setenv("GIT_CEILING_DIRECTORIES", str(workspace.parent))
                made[wanted] = export_model(workspace, *wanted)
            assert not [*elsewhere.iterdir()]
        return made[wanted]

    return export_once


def wanted_for(name: str) -> tuple[tuple[str, ...], bool, bool]:
    """Return the export in which a format is tested: LiteRT with INT8, and both fast ones."""
    if name == LITERT:
        return (LITERT,), False, True
    return tuple(filter(is_possible, FAST)) if name in FAST else (name,), False, False


def is_possible(name: str) -> bool:
    with contextlib.suppress(InputError):
        require_modules(name)
        return True
    return False


def require(name: str, **options: bool) -> None:
    try:
        require_modules(name, **options)
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", EACH_FORMAT)
def test_format_gives_the_outputs_of_the_served_model_in_its_own_runtime(
    workspace, exported, monkeypatch, name
):
    require(name)
    table, notes = exported(name)
    formats, _, is_int8 = wanted_for(name)
    assert [*table["format"]] == ["served", *formats, *([INT8] if is_int8 else [])]
    assert is_int8 or notes == []
    row = table.set_index("format").loc[name]
    assert 0.1 < float(row["MB"]) < 10
    assert float(row["largest difference"]) <= ROUNDING
    assert row["changed labels"] == 0
    monkeypatch.chdir(workspace)
    folder = paths.EXPORT / name
    served = read_metadata(paths.SERVED_MODEL).model_dump(mode="json")  # including the identity
    described = served | {"data_md5": md5(paths.SPLIT_CSV)}
    assert json.loads((folder / "model.json").read_text()) == described
    if name != "saved_model":
        assert {path.name for path in folder.iterdir()} == {FORMATS[name].file, "model.json"}

    batch = np.random.default_rng(0).uniform(0, 255, (3, 96, 96, 3)).astype(np.float32)
    outputs = FORMATS[name].open(folder / FORMATS[name].file)(batch)
    assert sorted(outputs) == ["probability", "unknown_score"]
    assert all(output.shape == (3, 1) for output in outputs.values())
    if name == "onnx":
        described = onnx.load(folder / "model.onnx").graph
        dimensions = [
            tensor.type.tensor_type.shape.dim[0].dim_param
            for tensor in (*described.input, *described.output)
        ]
        assert dimensions == ["batch"] * 3

    photos = sorted(Path("photos").iterdir())
    expected = [*predict_each(load_predictor(paths.SERVED_MODEL), photos)]
    assert {row["label"] for row in expected} == {"cat", "dog", "unknown"}
    if name == "keras":
        return  # only Keras reads this format
    rows = [*predict_each(load_predictor(folder), photos)]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, of_served in zip(rows, expected):
        for key in ("probabilities", "unknown_score"):
            assert row[key] == pytest.approx(of_served[key], abs=ROUNDING)


@pytest.mark.slow
def test_int8_is_compared_with_the_served_model_on_validation_and_test_images(
    workspace, exported, monkeypatch, capsys
):
    require(LITERT)
    monkeypatch.chdir(workspace)

    def export_as_above(folder: Path, *wanted: object) -> tuple[pd.DataFrame, list[str]]:
        assert (folder, wanted) == (Path(), wanted_for(LITERT))
        return exported(LITERT)

    monkeypatch.setattr("pawprint.commands.export.export_model", export_as_above)
    run_export(argparse.Namespace(format=(LITERT,), single=False, int8=True))
    _, *table, changes, fraction = capsys.readouterr().out.splitlines()
    served, of_float, of_int8 = (line.split() for line in table)
    assert [row[0] for row in (served, of_float, of_int8)] == ["served", "litert", "litert_int8"]
    assert float(of_int8[1]) < float(of_float[1])
    assert ROUNDING < float(of_int8[2]) < 0.2
    assert served[4] == of_float[4]  # log loss
    assert float(of_int8[5]) > 0  # milliseconds
    images = (pd.read_csv(paths.SPLIT_CSV)["split"] != "train").sum()
    assert f" {of_int8[3]} of {images} " in changes
    assert "interval" in fraction
    identities = [read_metadata(paths.EXPORT / row[0]).model for row in (of_float, of_int8)]
    assert identities[0] == read_metadata(paths.SERVED_MODEL).model != identities[1]
    photos = sorted(Path("photos").iterdir())
    rows = [*predict_each(load_predictor(paths.EXPORT / "litert_int8"), photos)]
    expected = [*predict_each(load_predictor(paths.SERVED_MODEL), photos)]
    assert np.mean([a["label"] == b["label"] for a, b in zip(rows, expected)]) > 0.8


def lines(changed: dict[int, tuple[str, str]], images: int) -> list[str]:
    """Describe this many cats, some of which have other labels before and in 8 bits."""
    rows = pd.DataFrame({"path": [f"{number}.jpg" for number in range(images)]})
    served, int8 = np.full(images, "cat", object), np.full(images, "cat", object)
    for number, (before, after) in changed.items():
        served[number], int8[number] = before, after
    return describe_int8(rows.assign(group=rows["path"]), served, int8).splitlines()


def test_changed_labels_have_an_interval_and_unknown_images_are_counted():
    changed = {
        3: ("cat", "dog"),
        5: ("cat", "unknown"),
        7: ("unknown", "cat"),
        9: ("dog", "unknown"),
    }
    labels, fraction = lines(changed, 200)
    assert "4 of 200" in labels
    assert "3.jpg (cat, then dog)" in labels
    assert "2.0% (95% interval 0.8% to 5.0%)" in fraction
    assert fraction.endswith("images newly unknown: 2, no longer unknown: 1")


@pytest.mark.parametrize(("changed", "is_warned"), [(0, False), (3, False), (10, True)])
def test_warning_where_surely_more_than_one_percent_of_labels_change(changed, is_warned):
    said = lines(dict.fromkeys(range(changed), ("cat", "dog")), 200)
    assert any("warning" in line for line in said) == is_warned


def test_missing_package_is_one_line_that_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # as if the package were not installed
    with refused("onnx: ", "tf2onnx", "[export]"):
        require_modules("onnx")


def test_network_of_an_onnx_file_is_exported_as_onnx_alone_and_without_tf2onnx(
    tmp_path, monkeypatch
):
    shutil.copy(PROJECT / paths.PARAMS, tmp_path)
    change(tmp_path, "weights: {source: a.onnx, sha256: null}")
    change(tmp_path, "model: {backbone: onnx, alpha: null, fine_tune_at: null}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with refused("--format: expected onnx or page", "Received: litert"):
        run_export(argparse.Namespace(format=["litert"], single=False, int8=False))
    require("onnx", is_of_keras=False)
    with refused("models/served"):  # the next file that `export` needs
        run_export(argparse.Namespace(format=["onnx"], single=False, int8=False))


def test_litert_refuses_operations_that_only_tensorflow_has(tmp_path):
    require("litert")
    pixels = keras.Input((32, 32, 3), name="pixels")
    logits = keras.layers.Dense(1)(keras.layers.Flatten()(keras.ops.erf(pixels)))
    model = with_probabilities(keras.Model(pixels, [logits, logits]))
    with refused("cannot convert the model to litert", "TensorFlow op"):
        export("litert", model, METADATA, tmp_path / "new", Reference([], {}))
    assert list(tmp_path.iterdir()) == []


def write(folder: Path, *expected: list[float]) -> None:
    """Export a model that returns 0.5 for each class of a black image."""
    images = np.zeros((len(expected), 32, 32, 3), np.uint8)
    reference = Reference(images, {"probability": np.array(expected)})
    model = with_probabilities(colour_model(32))
    export("saved_model", model, METADATA, folder, reference)


def test_model_with_other_probabilities_is_not_kept(tmp_path):
    with refused("a difference of 0.5000"):
        write(tmp_path / "new", [0.5, 0.5], [0.0, 1.0])
    assert list(tmp_path.iterdir()) == []


def test_files_that_export_did_not_write_are_not_deleted(tmp_path):
    folder = tmp_path / "new"
    for _ in range(2):  # the second export replaces the first one
        write(folder, [0.5, 0.5])
    notes, before = folder / "notes.txt", (folder / "saved_model.pb").stat().st_mtime_ns
    notes.write_text("mine")
    with refused(f"{notes}: cannot replace "):
        write(folder, [0.5, 0.5])
    assert notes.read_text() == "mine"
    assert (folder / "saved_model.pb").stat().st_mtime_ns == before
