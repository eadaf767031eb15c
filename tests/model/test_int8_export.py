import numpy as np
import pytest
from networks import LOGITS

from pawprint.model.detector import fit_detector
from pawprint.model.exports import FORMATS, for_export, mean_over_flip
from pawprint.model.int8_export import write_int8
from pawprint.network.hardware import keras
from pawprint.network.heads import Standardisation
from pawprint.network.keras_model import build_head, build_model, pool

SIZE = 64


def backbone_of_blocks() -> keras.Model:
    """Return a backbone with maps of 32, 16, 8, 4 and 2 pixels; those of 16 and 4 are blocks."""
    pixels = maps = keras.Input((SIZE, SIZE, 3))
    outputs = []
    for filters in (8, 8, 16, 64, 192):  # the first three have 387 of 14,419 weights
        options = {"padding": "same", "activation": "relu6"}
        maps = keras.layers.DepthwiseConv2D(3, strides=2, **options)(maps)
        maps = keras.layers.Conv2D(filters, 1, **options)(maps)
        outputs.append(maps)
    return keras.Model(pixels, [outputs[1], outputs[3], outputs[4]], name="backbone")


def model_to_export(pixels: np.ndarray) -> keras.Model:
    keras.utils.set_random_seed(1)
    backbone = backbone_of_blocks()
    pooled = pool(backbone.outputs, keras.layers.GlobalAveragePooling2D())
    features = keras.Model(backbone.input, pooled).predict(pixels / 127.5 - 1, verbose=0)
    scale = 1 / np.maximum(features.std(axis=0), 1e-3)
    head = build_head(LOGITS, 3, Standardisation(scale, -features.mean(axis=0) * scale))
    model = build_model("MobileNetV2", backbone, head, "average")
    detector = fit_detector(features[:, -backbone.output_shape[-1][-1] :])
    return mean_over_flip(for_export(model, 2.0, detector))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the pixels, the Keras model, and the LiteRT file."""
    pytest.importorskip("ai_edge_litert")
    path = tmp_path_factory.mktemp("int8") / "model.tflite"
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (20, 8, 8, 3), np.uint8)
    pixels = small.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2)
    model = model_to_export(pixels)
    write_int8(model, list(pixels[:10]), path)
    return pixels, model, path


def test_all_but_the_first_convolutions_have_8_bits_and_what_follows_them_is_float(written):
    from tensorflow.lite.tools import flatbuffer_utils

    _, _, path = written
    model = flatbuffer_utils.read_model(str(path))
    graph = model.subgraphs[0]

    def types(indices) -> set[str]:
        return {flatbuffer_utils.type_to_name(graph.tensors[index].type) for index in indices}

    weights = set()  # the side of a convolution's maps, and its type
    for operator in graph.operators:
        kind = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            side = graph.tensors[operator.outputs[0]].shape[1]
            weights |= {(int(side), name) for name in types(operator.inputs[:2])}
        elif kind not in ("QUANTIZE", "DEQUANTIZE"):
            assert types(operator.outputs) == {"FLOAT32"}, kind
    assert weights == {(side, "FLOAT32" if side >= 8 else "INT8") for side in (32, 16, 8, 4, 2)}


def test_outputs_are_near_those_of_the_model(written):
    pixels, model, path = written
    expected = model.predict(pixels, verbose=0)
    run = FORMATS["litert"].open(path)
    rows = [run(np.float32(image[None])) for image in pixels]
    for name, values in expected.items():
        difference = np.abs(np.concatenate([row[name] for row in rows]) - values).mean()
        assert difference < values.std(axis=0).mean() / 4
