"""Model files as OpenVINO networks of one image, with the inputs and outputs that they must have.

OpenVINO runs only operations that it knows, none of which opens a file or a connection. The file is
otherwise trusted: one made to do harm can use any memory and time.
"""

from pathlib import Path

import openvino

from pawprint.runtime.network_file import read_network, take_uint8
from pawprint.serving.metadata import Metadata

# The model in its folder, by format. HDF5 is not read.
FILES = ("model.xml", "model.tflite", "model.onnx", "saved_model.pb")


def read_model(path: Path, metadata: Metadata) -> openvino.Model:
    """The network in a file of one of the formats in FILES.

    Takes uint8 `(1, image_size, image_size, 3)`. Each output is float32 `(1, units)`, except the
    last one, if it is an unknown score: `(1, 1)`. Raises ValueError or RuntimeError for a damaged
    file and for a network of other inputs or outputs.
    """
    image_size, network = metadata.image_size, _read(path)
    shape = network.input().partial_shape  # raises RuntimeError for more than one input
    pixels = openvino.PartialShape([-1, image_size, image_size, 3])
    if not pixels.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    is_scored = metadata.unknown_threshold is not None
    wanted = ["probability", "unknown_score"][: 1 + is_scored]
    if len(network.outputs) < len(wanted):
        given = len(network.outputs)
        raise ValueError(f"number of outputs {given}, less than {len(wanted)}: {', '.join(wanted)}")
    expected = [metadata.units] * (len(network.outputs) - is_scored) + [1] * is_scored
    for output, units in zip(network.outputs, expected, strict=True):
        taken = output.partial_shape, output.element_type
        if taken != (openvino.PartialShape([1, units]), openvino.Type.f32):
            raise ValueError(
                f"output {output.partial_shape} of one image, not (1, {units}) of float32"
            )
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


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
