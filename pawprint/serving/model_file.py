"""Model files as OpenVINO networks of one image, with the inputs and outputs that they must have.

OpenVINO runs only operations that it knows, none of which opens a file or a connection. The file is
otherwise trusted: one made to do harm can use any memory and time.
"""

from pathlib import Path

import openvino

from pawprint.runtime.network_file import read_network, take_uint8
from pawprint.serving.metadata import Metadata

FEATURES = "features"
# The model in its folder, by format. HDF5 is not read.
FILES = ("model.xml", "model.tflite", "model.onnx", "saved_model.pb")


def read_model(path: Path, metadata: Metadata) -> openvino.Model:
    """The network in a file of one of the formats in FILES.

    Takes uint8 `(1, image_size, image_size, 3)`. The outputs are those that `output_names` gives,
    float32: `(1, units)`, `(1, 1)` and, if the network has an output of this name, features,
    `(1, channels)`. Raises ValueError or RuntimeError for a damaged file and for a network of other
    inputs or outputs.
    """
    image_size, network = metadata.image_size, _read(path)
    shape = network.input().partial_shape  # raises RuntimeError for more than one input
    pixels = openvino.PartialShape([-1, image_size, image_size, 3])
    if not pixels.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    *wanted, _ = output_names(metadata)
    others = [output for output in network.outputs if FEATURES not in output.names]
    if len(others) < len(wanted):
        given = len(others)
        raise ValueError(f"number of outputs {given}, less than {len(wanted)}: {', '.join(wanted)}")
    answers = others[: len(wanted)]
    features = [output for output in network.outputs if FEATURES in output.names]
    expected = [metadata.units, 1][: len(answers)] + [-1] * len(features)
    for output, units in zip((*answers, *features), expected):
        is_right = openvino.PartialShape([1, units]).compatible(output.partial_shape)
        if not is_right or output.element_type != openvino.Type.f32:
            length = "channels" if units < 0 else units
            raise ValueError(
                f"output {output.partial_shape} of one image, not (1, {length}) of float32"
            )
    results = [output.get_node() for output in (*answers, *features)]
    network = openvino.Model(results, network.get_parameters())
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


def output_names(metadata: Metadata) -> list[str]:
    """The outputs in their order. Exports, and served models of earlier versions, lack the last."""
    score = [] if metadata.unknown_threshold is None else ["unknown_score"]
    return ["probability", *score, FEATURES]


def _read(path: Path) -> openvino.Model:
    """The network with its outputs in the order of their names.

    A converter may write `unknown_score` before `probability`. In LiteRT their tensors have other
    names, which end with numbers in this order.
    """
    if path.suffix == ".xml":
        return read_network(path)
    network = openvino.Core().read_model(path.parent if path.suffix == ".pb" else path)
    outputs = sorted(network.outputs, key=lambda output: sorted(output.names))
    return openvino.Model([output.get_node() for output in outputs], network.get_parameters())
