"""Test that the scripts in examples/ return the same as `predict`, without using this project.

Each script runs in a virtual environment with the packages in docs/use.md.
"""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, encode, environment_of, photo, run, succeed
from faults import profile_of_swapped_colours
from networks import COLOURS, LOGITS, metadata, with_classes_only, write_colour_model
from PIL import Image

from pawprint.artifacts import Run
from pawprint.commands.export_formats import (
    Trained,
    all_outputs,
    for_export,
    mean_over_flip,
    write_litert,
    write_onnx,
)
from pawprint.given.archive import UnusableImageError
from pawprint.given.reading import decode
from pawprint.model.metadata import Metadata, write_metadata
from pawprint.model.predictor import Prediction, load_predictor
from pawprint.model.served_model import write_served_model
from pawprint.model.unknown_score import Detector
from pawprint.network.hardware import keras
from pawprint.network.keras_model import build_head, build_model, convert, with_features

pytestmark = pytest.mark.slow
PAGE = (PROJECT / "docs" / "use.md").read_text(encoding="utf-8")
SIZE, CHANNELS = 32, 8
NOISE = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
DETECTOR = Detector(np.zeros(CHANNELS, np.float32), np.eye(CHANNELS, dtype=np.float32)[:2])
FORMATS = (write_onnx, write_litert)
LARGE = {"decoded_side": 2 * SIZE}  # models of earlier versions lack this
CROP = LARGE | {"resize": "crop", "unknown_threshold": 1.0, "bits": 12}
CASES = {
    "crop": metadata(image_size=SIZE, **CROP),
    "stretch": metadata(image_size=SIZE, resize="stretch"),
    "pad": metadata(image_size=SIZE, resize="pad", labels=COLOURS, **LARGE),
}


def enlarged(image: Image.Image, times: int) -> Image.Image:
    size = image.width * times, image.height * times
    return image.resize(size, Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Return photos that each test a different rule."""
    folder = tmp_path_factory.mktemp("photos")
    wide, tall, small = (decode(photo(number)) for number in range(3))
    wide, tall = wide.resize((90, 60)), tall.resize((50, 97))
    turned = Image.Exif()
    turned[0x0112] = 6  # stored rotated
    alpha = Image.linear_gradient("L").resize(tall.size)
    hidden = Image.new("L", tall.size)
    deep = Image.fromarray(np.asarray(tall.convert("L")).astype(np.uint16) * 30)  # 13 bits
    contents = {
        "wide.jpg": encode(wide),
        "turned.jpg": encode(wide, exif=turned),
        "transparent.png": encode(Image.merge("RGBA", (*tall.split(), alpha)), "PNG"),
        "invisible.png": encode(Image.merge("RGBA", (*tall.split(), hidden)), "PNG"),
        "palette.gif": encode(small.quantize(16), "GIF", transparency=3),
        "grey.png": encode(tall.convert("L"), "PNG"),
        "cmyk.jpg": encode(wide.convert("CMYK")),
        "deep.png": encode(deep, "PNG", transparency=600),
        "white is zero.tiff": encode(deep, "TIFF", tiffinfo={262: 0}),
        "profile.png": encode(wide, "PNG", icc_profile=profile_of_swapped_colours()),
        "narrow.png": encode(wide.resize((200, 2)), "PNG"),
        "large.jpg": encode(enlarged(wide, 4), progressive=True, exif=turned),
        "larger.jpg": encode(enlarged(tall, 11).convert("L")),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def predicted(folder: Path, photos: list[Path], *, has_limits: bool = True) -> list[Prediction]:
    predictor = load_predictor(folder)
    predictor = predictor if has_limits else with_classes_only(predictor)
    return [predictor.predict(predictor.decode(path.read_bytes()).image) for path in photos]


def network(classes: int) -> keras.Model:
    """Return a model whose outputs depend on the position and colour of every pixel."""
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    maps = keras.layers.Conv2D(CHANNELS, 3, strides=2, activation="relu")(image)
    backbone = keras.Model(image, maps, name="backbone")
    return build_model("MobileNetV2", backbone, build_head(LOGITS, classes), "flatten")


def with_thresholds(described: Metadata, folder: Path, photos: list[Path]) -> Metadata:
    """Return metadata with thresholds that divide these photos."""
    answers = predicted(folder, photos)
    changes = {}
    values = middle([float(answer.probabilities[0]) for answer in answers])
    changes["thresholds"] = {described.labels[0]: values}
    if described.labels == COLOURS:  # a threshold may select a class that is less probable
        changes["min_confidence"] = middle([float(max(each.probabilities)) for each in answers])
    if described.unknown_threshold:
        changes["unknown_threshold"] = middle([answer.unknown_score for answer in answers])
    return described.model_copy(update=changes)


def middle(values: list[float]) -> float:
    return sum(sorted(values)[2:4]) / 2


@pytest.fixture(scope="module")
def models(tmp_path_factory, photos) -> Path:
    """Return a folder with `CASE/served` and `CASE/FORMAT` for each case and format."""
    root = tmp_path_factory.mktemp("models")
    for case, described in CASES.items():
        model = network(len(described.labels))
        detector = DETECTOR if described.unknown_threshold else None
        served = root / case / "served"
        is_mirrored = case == "pad"
        both = convert(with_features(model))
        write_served_model(both, described, detector, served, is_mirrored=is_mirrored)
        described = with_thresholds(described, served, photos)
        write_metadata(served, described)
        exported = for_export(model, described.temperature, detector)
        if is_mirrored:
            exported = mean_over_flip(exported)
        expected = all_outputs(load_predictor(served).run, NOISE)
        run = Run(root / case, described, detector, pd.DataFrame())
        for write in FORMATS:
            write(OfNoise(run, exported, pd.Series([]), expected))
    return root


class OfNoise(Trained):
    """A model that is compared on images of noise."""

    def folder(self, name):
        return self.run.folder / name

    def pixels(self):
        return iter(NOISE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("with_openvino.py", "served"), ("with_onnx.py", "onnx"), ("with_litert.py", "litert")],
)
def test_script_gives_the_answers_of_predict(models, photos, tmp_path, name, kind):
    (packages,) = re.findall(rf"^\| `{name}` .*\| `([^`]+)` \|$", PAGE, re.MULTILINE)
    python = environment_of(tmp_path / "venv", packages.split())
    for file in ("photo.py", name):
        shutil.copy(PROJECT / "examples" / file, tmp_path)

    def answers(model: Path, images: list[Path]) -> list[list]:
        output = succeed(str(python), name, str(model), *map(str, images), cwd=tmp_path)
        return [json.loads(line) for line in output.splitlines()]

    of_case = {}
    has_limits = kind != "litert"
    for case in CASES:
        rows = answers(models / case / kind, photos)
        expected = predicted(models / case / "served", photos, has_limits=has_limits)
        assert [row[:2] for row in rows] == [
            [str(photo), prediction.label] for photo, prediction in zip(photos, expected)
        ]
        for (*_, probabilities), prediction in zip(rows, expected):
            assert list(probabilities) == CASES[case].labels
            assert list(probabilities.values()) == pytest.approx(prediction.probabilities, abs=1e-4)
        of_case[case] = [prediction.probabilities for prediction in expected]
        # The photos have different answers, so the rules matter.
        for first, second in pairwise(of_case[case]):
            assert np.abs(first - second).max() > 1e-3
        labels = {prediction.label for prediction in expected}
        assert ("unknown" in labels) == (case == "crop" and has_limits)
        assert ("unsure" in labels) == (case == "pad" and has_limits)
        assert len(labels) > 1 or case == "pad"
    assert np.abs(of_case["crop"][0] - of_case["stretch"][0]).max() > 1e-3


@pytest.mark.parametrize("mode", ["I", "F"])
def test_photo_that_predict_refuses_is_refused_for_the_same_reason(tmp_path, mode):
    path, model = tmp_path / "deep.tif", write_colour_model(tmp_path / "model")
    path.write_bytes(encode(Image.new(mode, (40, 30), 70_000), "TIFF"))
    with pytest.raises(UnusableImageError) as error:
        decode(path.read_bytes())
    script = PROJECT / "examples" / "with_openvino.py"
    result = run("python", str(script), str(model), str(path), cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    reason, _ = str(error.value).split(":")
    assert result.stderr.startswith(f"{path}: {reason}: ")


def test_script_refuses_a_damaged_model(tmp_path):
    weights = write_colour_model(tmp_path / "model") / "model.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    script = PROJECT / "examples" / "with_openvino.py"
    result = run("python", str(script), str(weights.parent), cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert "model.bin: damaged" in result.stderr
