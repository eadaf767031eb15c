"""Compare exports of models that have an ONNX backbone with the served model."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from networks import COLOURS, DENSE, LOGITS, PLAIN, metadata, pixels, weights_of
from onnx_files import (
    CLASS,
    FIRST,
    MEANS,
    ONE,
    QUARTERED,
    SIZE,
    TOKENS,
    VECTOR,
    WITH_BLOCKS,
    params_of,
    write,
)

from pawprint.errors import InputError
from pawprint.model import exports
from pawprint.model.detector import fit_detector
from pawprint.model.onnx_export import Parts, write_onnx
from pawprint.model.predictor import load_predictor
from pawprint.model.served_model import join, write_served_model
from pawprint.network.feature_network import OUTPUTS, on_features
from pawprint.network.heads import Standardisation
from pawprint.network.onnx_backbone import read_onnx
from pawprint.params.model import Head
from pawprint.runtime import compile_for_cpu, output_shapes, read_network, write_network

IMAGES = pixels(6, SIZE)
TWO = ["cat", "dog"]


class Case(NamedTuple):
    """A file, its `model.onnx`, a head, its labels, and whether the served model is mirrored."""

    file: tuple[str, ...]
    params: dict
    head: Head
    labels: list[str]
    is_mirrored: bool


CASES = {
    "blocks": Case(WITH_BLOCKS["colours first"], {}, PLAIN, TWO, True),
    "colours last": Case(WITH_BLOCKS["colours last"], {}, DENSE, COLOURS, False),
    "maps of colours last": Case(WITH_BLOCKS["maps of colours last"], {}, LOGITS, COLOURS, True),
    "maps": Case(
        (FIRST, "float[N, 3, 2, 2] features", f"features = {QUARTERED}"), {}, PLAIN, TWO, True
    ),
    "one image, tokens": Case(
        (ONE, "float[1, T, 3] features", TOKENS, CLASS), {"tokens": "both"}, LOGITS, TWO, True
    ),
    "float16": Case(
        ("float16[N, 3, 32, 32] pixels", "float16[N, 3] features", MEANS), {}, PLAIN, COLOURS, True
    ),
    "an input that nothing uses": Case(
        (f"{FIRST}, float[N, 3] unused", VECTOR, MEANS), {}, PLAIN, TWO, False
    ),
    "an inner tensor": Case(
        (FIRST, "float[N, 2] classes", f"{MEANS}\n classes = Gemm(features, w_3_2)"),
        {},
        PLAIN,
        TWO,
        True,
    ),
    "an inner output": Case(
        (FIRST, f"{VECTOR}, float[N, 3] classes", f"{MEANS}\n classes = Softmax(features)"),
        {"channels": "BGR", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.5]},
        PLAIN,
        TWO,
        False,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_file_and_head_give_the_outputs_of_the_served_model(name, tmp_path):
    try:
        exports.require_modules("onnx", is_of_keras=False)
    except InputError as error:
        pytest.skip(str(error))
    case = CASES[name]
    path, model = write(tmp_path / "backbone.onnx", *case.file), params_of(**case.params)
    extractor, _ = read_onnx(path, model)
    kinds = ["blocks", "top"][-len(extractor.outputs) :]
    extractor = named(extractor, kinds, ["pixels"], tmp_path)
    shapes = output_shapes(extractor)
    features = sum(length for (length,) in shapes.values())
    scale = np.random.default_rng(1).uniform(0.1, 1, (2, features)).astype(np.float32)
    standardisation = None if case.head is DENSE else Standardisation(*scale)
    units = len(case.labels)
    has_blocks = kinds == ["blocks", "top"]
    weights = weights_of(case.head, features, units, standardisation, has_blocks=has_blocks)
    tail, inputs = on_features(shapes, weights, case.head)
    tail = named(tail, OUTPUTS, inputs, tmp_path)
    run = compile_for_cpu(extractor)
    detector = fit_detector(np.stack([run(image)[-1] for image in IMAGES[:3]]))
    described = metadata(
        labels=case.labels, image_size=SIZE, temperature=1.5, unknown_threshold=0.2
    )
    served = tmp_path / "served"
    network = join(extractor, tail)
    write_served_model(network, described, detector, served, is_mirrored=case.is_mirrored)
    expected = exports.all_outputs(load_predictor(served).run, IMAGES)
    assert len(np.unique(expected["probability"].round(3))) > 3
    parts = Parts(weights, case.head, described.temperature, detector)
    writer = partial(write_onnx, path, model, parts, case.is_mirrored)
    new = tmp_path / "new"
    outputs = exports.export("onnx", writer, described, new, exports.Reference(IMAGES, expected))
    assert list(outputs) == ["probability", "unknown_score"]
    assert exports.largest_difference(outputs, expected) < 1e-4
    if name == "one image, tokens":
        with pytest.raises(Exception, match="dimensions"):
            exports.open_onnx(new / "model.onnx")(IMAGES.astype(np.float32))
        return
    batch = exports.open_onnx(new / "model.onnx")(IMAGES.astype(np.float32))
    assert batch["unknown_score"] == pytest.approx(outputs["unknown_score"], abs=1e-4)


def test_difference_from_nan_is_nan():
    zeros = {"probability": np.zeros((1, 2)), "unknown_score": np.zeros((1, 1))}
    wrong = zeros | {"unknown_score": np.full((1, 1), np.nan)}
    assert np.isnan(exports.largest_difference(wrong, zeros))


def named(network, outputs, inputs, folder: Path):
    """Return a network with these names for its inputs and outputs, as a stage would name them."""
    write_network(network, folder / "network.xml", outputs, inputs)
    return read_network(folder / "network.xml")
