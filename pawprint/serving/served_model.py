"""The served model: one network from pixels to calibrated probabilities, and its metadata."""

from pathlib import Path

import numpy as np
import openvino

from pawprint.core.files import replacing
from pawprint.runtime.network_file import write_network
from pawprint.serving.metadata import Metadata, write_metadata
from pawprint.serving.unknown import SMALLEST, Detector, write_detector

FILE = "model.xml"
operations = openvino.opset15


def write_served_model(
    network: openvino.Model, metadata: Metadata, detector: Detector | None, folder: Path
) -> None:
    """Write model.xml, model.bin, model.json, and the arrays of a detector in detector.npz.

    `network` takes uint8 pixels and gives logits, `(batch, 1)` for two classes and
    `(batch, classes)` for more, and features, `(batch, channels)`. The served network gives
    `probability`, the sigmoid or softmax of the logits after division by the temperature, with a
    detector `unknown_score`, `(batch, 1)`, as `Detector.score`, and `features`.
    """
    logits, features = (result.input_value(0) for result in network.get_results())
    for result in network.get_results():
        network.remove_result(result)
    temperature = operations.constant(metadata.temperature, np.float32)
    scaled = operations.divide(logits, temperature)
    is_one = metadata.units == 1
    probability = operations.sigmoid(scaled) if is_one else operations.softmax(scaled, axis=1)
    outputs = {"probability": probability.output(0)}
    if detector:
        outputs["unknown_score"] = _score(features, detector).output(0)
    outputs["features"] = features
    served = openvino.Model(list(outputs.values()), network.get_parameters())
    with replacing(folder) as partial:
        partial.mkdir()
        write_network(served, partial / FILE, list(outputs))
        write_metadata(partial, metadata)
        if detector:
            write_detector(partial, detector)


def _score(features: openvino.Output, detector: Detector) -> openvino.Node:
    mean, components = map(operations.constant, detector)
    unit = operations.normalize_l2(features, np.array([1]), SMALLEST**2, "max")  # of squares
    centred = operations.subtract(unit, mean)
    projected = operations.matmul(centred, components, False, True)
    explained = operations.matmul(projected, components, False, False)
    residual = operations.subtract(centred, explained)
    return operations.reduce_l2(residual, np.array([1]), keep_dims=True)
