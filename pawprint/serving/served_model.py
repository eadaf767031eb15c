"""The served model: one network from pixels to calibrated probabilities, and its metadata."""

from pathlib import Path

import numpy as np
import openvino

from pawprint.core.files import replacing
from pawprint.runtime.conversion import write_network
from pawprint.serving.metadata import Metadata, write_metadata


def write_served_model(network: openvino.Model, metadata: Metadata, folder: Path) -> None:
    """Write model.xml, model.bin and model.json.

    `network` takes uint8 pixels and gives logits, `(batch, 1)` for two classes and
    `(batch, classes)` for more. The served network gives two outputs of this shape: `probability`,
    the sigmoid or softmax of the logits divided by the temperature, and `logits` as they are.
    """
    operations = openvino.opset15
    logits = network.output().get_node().input_value(0)
    temperature = operations.constant(metadata.temperature, np.float32)
    scaled = operations.divide(logits, temperature)
    is_one = metadata.units == 1
    probability = operations.sigmoid(scaled) if is_one else operations.softmax(scaled, axis=1)
    served = openvino.Model([probability.output(0), logits], network.get_parameters())
    with replacing(folder) as partial:
        partial.mkdir()
        write_network(served, partial / "model.xml", ["probability", "logits"])
        write_metadata(partial, metadata)
