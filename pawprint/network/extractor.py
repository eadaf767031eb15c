"""Load the extractor: a backbone in OpenVINO, which computes the features.

TensorFlow is only started if Keras has to build the backbone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import openvino

from pawprint.base.errors import InputError
from pawprint.network import efficientnet_lite
from pawprint.network.onnx_backbone import read_onnx
from pawprint.network.weights_file import FILE, arrays_sha256, onnx_file, require_file, verify
from pawprint.pipeline.params.model import IMAGENET, ONNX, PACKAGES, Model, Weights

if TYPE_CHECKING:
    from pawprint.network.hardware import keras


class Extractor(NamedTuple):
    """A network, the names of its outputs, and the hash of its weights (None for an ONNX file).

    `backbone` is the Keras network, or None if Keras did not build one.
    """

    network: openvino.Model
    outputs: list[str]
    weights_sha256: str | None = None
    backbone: "keras.Model | None" = None


def needs_keras(model: Model, weights: Weights) -> bool:
    """Return whether Keras has to build the backbone for these params.

    This is not the case for an ONNX file, or for an EfficientNet-Lite with published weights if
    nothing is fine-tuned.
    """
    if model.backbone == ONNX:
        return False
    source = weights.source
    has_arrays = source != "none" and Path(source).suffix not in efficientnet_lite.KERAS_FILES
    return not (model.backbone in PACKAGES and has_arrays and model.fine_tune_at is None)


def load_extractor(model: Model, weights: Weights) -> Extractor:
    """Return the extractor for these params.

    Raises InputError if the weights are wrong or the params do not fit the backbone.
    """
    if needs_keras(model, weights):
        # Importing this module starts TensorFlow, which takes seconds.
        from pawprint.network.keras_backbone import convert_backbone, weights_sha256

        network, outputs, backbone = convert_backbone(model, weights)
        extractor = Extractor(network, outputs, weights_sha256(backbone), backbone)
    elif model.backbone == ONNX:
        extractor = Extractor(read_onnx(onnx_file(weights), model), ["top"])
    else:
        extractor = _of_arrays(model, weights)
    if model.features == "blocks" and "blocks" not in extractor.outputs:
        raise InputError(
            f"model.features: expected auto or last, because {model.backbone} does not have any "
            "blocks. Received: blocks"
        )
    return extractor


def _of_arrays(model: Model, weights: Weights) -> Extractor:
    """Build the extractor of an EfficientNet-Lite from the arrays of its weights."""
    name = model.backbone
    source, sha256 = weights.source, weights.sha256
    if source != IMAGENET:
        require_file(Path(source), sha256, source, FILE)
    arrays = efficientnet_lite.read_weights(name, source)
    found = arrays_sha256(efficientnet_lite.as_in_keras(arrays))
    if source == IMAGENET and sha256:
        verify(sha256, found, f"the weights {source} for {name}")
    return Extractor(*efficientnet_lite.build_extractor(model, arrays), found)
