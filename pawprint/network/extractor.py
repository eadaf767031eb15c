"""The extractor: the frozen layers of a backbone, which give the features that are stored."""

from pathlib import Path
from typing import NamedTuple

import openvino

from pawprint.download import download
from pawprint.errors import InputError
from pawprint.network.blocks import cut_index, first_trained, with_blocks
from pawprint.network.conversion import convert
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.model import (
    block_statistics,
    load_backbone,
    pooling_layer,
    preprocessing,
    require_file,
)
from pawprint.network.onnx_backbone import read_onnx
from pawprint.params.model import ONNX, Model, Weights


class Extractor(NamedTuple):
    """`outputs` are the names of those of the network; an ONNX file has no backbone of Keras."""

    network: openvino.Model
    outputs: list[str]
    backbone: keras.Model | None


def load_extractor(model: Model, weights: Weights, has_cut: bool = True) -> Extractor:
    """The extractor of these params, with `has_cut` also of the maps for fine-tuning.

    Keras downloads the weights `imagenet` to its cache. Raises InputError for wrong weights and for
    params that do not fit the backbone.
    """
    name, source, sha256 = model.backbone, weights.source, weights.sha256
    make_deterministic(seed=0)
    if name == ONNX:
        path = download(source, sha256, "weights.source") if "://" in source else Path(source)
        expected = "the path or the URL of a file, because model.backbone is onnx"
        require_file(path, sha256, source, expected)
        return Extractor(read_onnx(path, model), ["top"], None)
    backbone = load_backbone(name, model.alpha, model.image_size, source, sha256)
    first = first_trained(model, backbone)
    cut = cut_index(backbone, first) if has_cut and first is not None else None
    whole = backbone if model.features == "last" else with_blocks(backbone)
    extractor, outputs = build_extractor(name, whole, model.pooling, cut)
    if model.features == "blocks" and "blocks" not in outputs:
        raise InputError(
            f"model.features: expected auto or last, because {name} has no blocks that a head can "
            "see. Received: blocks"
        )
    return Extractor(convert(extractor), outputs, backbone)


def build_extractor(
    name: str, backbone: keras.Model, pooling: str, cut: int | None = None
) -> tuple[keras.Model, list[str]]:
    """Pixels `(batch, size, size, 3)` in [0, 255] to the inputs of both phases of training.

    Returns it with the names of its outputs: of a cut `cut`, the feature maps there, for
    fine-tuning; of a backbone `with_blocks`, `blocks`, the statistics of their maps; and `top`, the
    pooled last maps, both `(batch, features)`, for the head. `name` is that of the application.
    """
    pixels = keras.Input(backbone.input_shape[1:])
    outputs = backbone.outputs
    if cut is not None:
        at_cut = backbone.operations[cut].output
        outputs = [keras.layers.Identity()(at_cut), *outputs]
    maps = keras.Model(backbone.input, outputs)(preprocessing(name)(pixels), training=False)
    maps = keras.tree.flatten(maps)
    features = {} if cut is None else {"cut": maps.pop(0)}
    *blocks, last = maps
    if blocks:
        features["blocks"] = block_statistics(blocks)
    features["top"] = pooling_layer(pooling)(last)
    return keras.Model(pixels, list(features.values())), list(features)
