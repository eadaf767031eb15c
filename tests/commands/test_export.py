import json
import re
import shutil
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("onnx", reason="install the `export` extra")

import onnx
from conftest import PROJECT, refused, sha256, write_files
from networks import PLAIN, colour_model, metadata, sample_backbone, unlimited, with_probabilities
from tensorflow.lite.python import schema_py_generated as schema

from pawprint.artifacts import Run, read_pixels
from pawprint.base import paths
from pawprint.base.columns import SPLIT
from pawprint.base.tables import write_table
from pawprint.commands import export_formats, litert_model
from pawprint.commands.export import require_formats
from pawprint.commands.export_formats import export_model
from pawprint.given.archive import members, open_archive, read_member
from pawprint.model.metadata import FORMAT, RELEASE, Metadata, read_metadata
from pawprint.model.predictor import load_predictor, predict_each
from pawprint.model.served_model import write_served_model
from pawprint.model.unknown_score import fit_detector
from pawprint.network.hardware import keras
from pawprint.network.keras_model import build_head, build_model, convert, save_model, with_features
from pawprint.pipeline.params.model import load_params

METADATA = metadata(
    temperature=1.5, thresholds={"dog": 0.4}, unknown_threshold=0.2, crop_rule="as-is"
)
ROUNDING = 2e-4  # maximum difference from the outputs of the served model
SLOW = pytest.mark.slow
PARAMS = load_params(PROJECT / paths.PARAMS)
SPLIT_OF_RUN = "0" * 32  # the recorded run's MD5 of the split, which has changed since then


def run_in(folder: Path, described: Metadata = METADATA) -> Run:
    """Return a run with photos in a folder, but without a detector or a split."""
    return Run(folder, described, None, pd.DataFrame())


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
    deps = [{"path": paths.SPLIT_CSV.as_posix(), "md5": SPLIT_OF_RUN}]
    write_files(folder, {paths.LOCK: json.dumps({"stages": {"predict": {"deps": deps}}})})
    train = split[split["split"] == "train"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pixels = np.stack([*read_pixels(run_in(folder), train["path"])])
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
def exported(workspace, tmp_path_factory) -> pd.DataFrame:
    """Export the project from outside, and return the table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("outside"))
        patch.setenv("GIT_CEILING_DIRECTORIES", str(workspace.parent))
        table, notes = export_model(workspace, PARAMS, ["keras", "onnx"], {})
    assert [*table["format"]] == ["served", "keras", "onnx"]
    assert len(notes) == 1 and "rule as-is" in notes[0]
    return table.set_index("format")


@pytest.mark.parametrize("name", ["keras", "onnx"])
def test_export_gives_the_outputs_of_the_served_model_in_its_own_runtime(
    workspace, exported, monkeypatch, name
):
    row = exported.loc[name]
    assert 0.1 < float(row["MB"]) < 10
    assert float(row["largest difference"]) <= ROUNDING
    assert row["changed labels"] == 0
    monkeypatch.chdir(workspace)
    folder = paths.EXPORT / name
    served = read_metadata(paths.SERVED_MODEL).model_dump(mode="json")  # including the identity
    files = {f"model.{name}": sha256(folder / f"model.{name}")}
    described = served | {"data_md5": SPLIT_OF_RUN, "files": files}
    described |= {"format": FORMAT, "release": RELEASE}
    for key in ("activation", "exclusive", "at_least_one"):
        del described[key]
    assert json.loads((folder / "model.json").read_text()) == described
    assert {path.name for path in folder.iterdir()} == {f"model.{name}", "model.json"}

    batch = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)
    open_file = export_formats.open_onnx if name == "onnx" else export_formats.open_keras
    outputs = open_file(folder / f"model.{name}")(batch)
    assert sorted(outputs) == ["probability", "unknown_score"]
    assert all(output.shape == (3, 1) for output in outputs.values())
    if name == "keras":
        return  # only Keras reads this format
    described = onnx.load(folder / "model.onnx").graph
    tensors = (*described.input, *described.output)
    dimensions = [tensor.type.tensor_type.shape.dim[0].dim_param for tensor in tensors]
    assert dimensions == ["batch"] * 3
    photos = sorted(Path("photos").iterdir())
    expected = [*predict_each(load_predictor(paths.SERVED_MODEL), photos)]
    assert {row["label"] for row in expected} == {"cat", "dog", "unknown"}
    rows = [*predict_each(load_predictor(folder), photos)]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, of_served in zip(rows, expected):
        for key in ("probabilities", "unknown_score"):
            assert row[key] == pytest.approx(of_served[key], abs=ROUNDING)


def answers_of_frigate(folder: Path, images: list[np.ndarray]) -> list[tuple[str, float]]:
    """Return each label and score, as Frigate's custom_classification.py computes them."""
    from ai_edge_litert.interpreter import Interpreter

    labels = (folder / "labelmap.txt").read_text(encoding="utf-8").splitlines()
    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=2)
    interpreter.allocate_tensors()
    (pixels,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    size, answers = pixels["shape"][1], []
    for image in images:
        interpreter.set_tensor(pixels["index"], cv2.resize(image, (size, size))[None])
        interpreter.invoke()
        (row,) = interpreter.get_tensor(output["index"])
        answers.append((labels[row.argmax()], (row / row.sum()).max()))
    return answers


@SLOW
def test_litert_is_read_by_cameras_and_has_the_answers_of_predict(workspace, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.chdir(workspace)
    folder = paths.EXPORT / "litert"
    table, _ = export_model(Path(), PARAMS, ["litert"], {})
    assert [*table["changed labels"]] == [0, 0]
    first = (folder / "model.tflite").read_bytes()
    described = read_metadata(folder)
    assert (described.activation, described.units) == ("softmax", 2)
    assert (described.unknown_threshold, described.min_confidence) == (None, None)
    served = unlimited(load_predictor(paths.SERVED_MODEL))
    names = pd.read_csv(paths.SPLIT_CSV)["path"]
    images = [*read_pixels(run_in(Path()), names)]
    probabilities = export_formats.all_outputs(served.run, images)["probability"]
    answers = answers_of_frigate(folder, images)
    assert {label for label, _ in answers} == {"cat", "dog"}
    assert [label for label, _ in answers] == [["cat", "dog"][n] for n in probabilities.argmax(1)]
    assert [score for _, score in answers] == pytest.approx(probabilities.max(1), abs=ROUNDING)
    photos = sorted(Path("photos").iterdir())
    labels = [row["label"] for row in predict_each(load_predictor(folder), photos)]
    assert labels == [row["label"] for row in predict_each(served, photos)]

    table, _ = export_model(Path(), PARAMS, ["litert"], {}, unknown_as="cat")
    assert [*table["changed labels"]] == [0, 0]
    unknown = export_formats.all_outputs(served.run, images)["unknown_score"][:, 0] > 0.2
    assert 0 < unknown.sum() < len(images)
    folded = answers_of_frigate(folder, [image for image, is_one in zip(images, unknown) if is_one])
    assert folded == [("cat", 1.0)] * unknown.sum()

    export_model(Path(), PARAMS, ["litert"], {}, size=64)
    large = [cv2.resize(image, (640, 480)) for image in images]
    assert {label for label, _ in answers_of_frigate(folder, large)} == {"cat", "dog"}
    assert read_metadata(folder).image_size == 64
    export_model(Path(), PARAMS, ["litert"], {})
    assert (folder / "model.tflite").read_bytes() == first


def test_litert_counts_the_labels_that_differ_because_it_has_no_thresholds(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = trained(with_probabilities(colour_model(32)), tmp_path, (BLACK,))
    run = run_in(tmp_path, metadata(image_size=32, thresholds={"dog": 0.4}))
    compared = export_formats.write_litert(model._replace(run=run))
    assert compared.changed == 1 and "dog" in compared.note


def table_at(content: bytes, place: int) -> int:
    return place + int.from_bytes(content[place : place + 4], "little")


def slot(content: bytes, table: int, number: int) -> int:
    """Return the place of a table's value in a flatbuffer."""
    places = table - int.from_bytes(content[table : table + 4], "little", signed=True)
    entry = places + 4 + 2 * number
    return table + int.from_bytes(content[entry : entry + 2], "little")


def follow(content: bytes, *steps: int) -> int:
    """Return the table reached from the root by slots; -1 is the first entry of a vector."""
    table = table_at(content, 0)
    for step in steps:
        table = table_at(content, table + 4 if step < 0 else slot(content, table, step))
    return table


def test_bytes_of_the_litert_file_say_what_programs_for_phones_look_for(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = litert_model.for_litert(with_probabilities(colour_model(32, 3)), 32)
    path = tmp_path / "model.tflite"
    export_formats.convert_with_keras(model, path, "litert")
    labels = ["a, b", "ü", " c "]
    litert_model.add_metadata(path, labels)
    content = path.read_bytes()
    assert content[4:8] == b"TFL3"
    read = schema.ModelT.InitFromPackedBuf(content, 0)
    (entry,) = [entry for entry in read.metadata if entry.name == b"TFLITE_METADATA"]
    inner = bytes(read.buffers[entry.buffer].data)
    assert inner[4:8] == b"M001"
    unit = follow(inner, 3, -1, 2, -1, 4, -1)
    assert inner[slot(inner, unit, 0)] == 1  # NormalizationOptions
    options = table_at(inner, slot(inner, unit, 1))
    terms = [table_at(inner, slot(inner, options, number)) for number in (0, 1)]
    assert [np.frombuffer(inner[term + 4 :][:4], "<f4")[0] for term in terms] == [0, 1]
    file = follow(inner, 3, -1, 3, -1, 6, -1)
    name = follow(inner, 3, -1, 3, -1, 6, -1, 0)
    assert inner[name + 4 : name + 14] == b"labels.txt"
    assert inner[slot(inner, file, 2)] == 2  # TENSOR_AXIS_LABELS
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.infolist()
        assert (member.filename, member.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read(member).decode().split("\n") == [*labels, ""]


def test_wrong_options_are_one_line(workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    with refused("--unknown-as: expected one of the classes cat, dog", "bird"):
        export_model(Path(), PARAMS, ["litert"], {}, unknown_as="bird")
    with refused("--format: cannot export", "OpenVINO"):
        require_formats(["keras"], "onnx")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)  # as if the package were not installed
    with refused("onnx: ", "tf2onnx", "[export]"):
        require_formats(["onnx"], "MobileNetV2")


def test_litert_refuses_operations_that_only_tensorflow_has(tmp_path):
    pytest.importorskip("ai_edge_litert")
    pixels = keras.Input((32, 32, 3), name="pixels")
    logits = keras.layers.Dense(1)(keras.layers.Flatten()(keras.ops.erf(pixels)))
    model = with_probabilities(keras.Model(pixels, [logits, logits]))
    with refused("cannot convert the model", "TensorFlow op"):
        export_formats.write_litert(trained(model, tmp_path))
    assert not any((tmp_path / paths.EXPORT).iterdir())


def trained(model: keras.Model, folder: Path, images: tuple = ()) -> export_formats.Trained:
    """Return a model that should return 0.5 for each class of a black image."""

    class OfImages(export_formats.Trained):
        def pixels(self):
            return iter(images)

    expected = {"probability": np.full((len(images), 2), 0.5)}
    return OfImages(run_in(folder, metadata(image_size=32)), model, pd.Series([]), expected)


BLACK = np.zeros((32, 32, 3), np.uint8)


@pytest.mark.parametrize(("bias", "difference"), [(3, "0.45"), (np.nan, "nan")])
def test_model_with_other_probabilities_is_not_kept(tmp_path, bias, difference):
    model = with_probabilities(colour_model(32, bias=bias))
    with refused(f"a difference of {difference}"):
        export_formats.write_keras(trained(model, tmp_path, (BLACK,)))
    assert not any((tmp_path / paths.EXPORT).iterdir())


@pytest.mark.parametrize("name", ["notes.txt", ".env"])
def test_files_that_export_did_not_write_are_not_deleted(tmp_path, name):
    model = trained(with_probabilities(colour_model(32)), tmp_path, (BLACK,))
    folder = tmp_path / paths.EXPORT / "keras"
    write_files(folder, {".DS_Store": "of a file manager"})
    for _ in range(2):  # the second export replaces the first one
        export_formats.write_keras(model)
    notes, before = folder / name, (folder / "model.keras").stat().st_mtime_ns
    notes.write_text("mine")
    with refused(f"{notes}: cannot replace "):
        export_formats.write_keras(model)
    assert notes.read_text() == "mine"
    assert (folder / "model.keras").stat().st_mtime_ns == before
