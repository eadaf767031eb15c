"""OpenVINO's networks in files, with the same bytes for the same network."""

from collections.abc import Sequence
from pathlib import Path

import openvino
from openvino.preprocess import PrePostProcessor

from pawprint.errors import InputError, printable, reason

# How OpenVINO's messages begin and end: with places in its source.
NOISE = ("Exception from", "Check '", "FrontEnd API failed", "To facilitate")


def message_of(error: Exception) -> str:
    """What an error of OpenVINO says, in one printable line."""
    lines = (line.strip() for line in str(error).splitlines())
    message = " ".join(line for line in lines if line and not line.startswith(NOISE))
    return printable(message or type(error).__name__)


def take_uint8(network: openvino.Model) -> openvino.Model:
    """The network with an input of uint8 in place of float32."""
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    return steps.build()


def write_network(network: openvino.Model, path: Path, outputs: Sequence[str]) -> None:
    """Write `path`, an .xml file, and the weights beside it as .bin; `outputs` names the outputs.

    A converter numbers nodes and tensors differently in every process, so nodes are named by their
    order, and no tensor has a name but the outputs and the input, `pixels`. Model servers address
    both by name. The network is named by its file, because OpenVINO counts those of a process.
    Raises InputError for a full disk.
    """
    network.set_friendly_name(path.stem)
    for index, node in enumerate(network.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{index}")
        info = node.get_rt_info()
        for key in [key for key in info if key.startswith("fused_names")]:
            del info[key]  # the names before
        for output in node.outputs():
            output.get_tensor().set_names(set())
    network.input().get_tensor().set_names({"pixels"})
    for output, name in zip(network.outputs, outputs, strict=True):
        output.get_tensor().set_names({name})
    try:
        openvino.serialize(network, path)
    except RuntimeError as error:  # for a full disk
        raise InputError(
            f"{path}: expected to write the network. Received: {reason(error)}. Check permissions "
            "and free space."
        ) from None


def read_network(path: Path) -> openvino.Model:
    """What `write_network` wrote. Raises RuntimeError if it is damaged.

    The network holds copies: both files may be replaced or deleted.
    """
    weights = path.with_suffix(".bin").read_bytes()
    return openvino.Core().read_model(path.read_bytes(), weights)


def output_shapes(network: openvino.Model) -> dict[str, tuple[int, ...]]:
    """The shape of each output by its name, without the axis of the batch."""
    return {
        output.get_any_name(): tuple(
            length.get_length() for length in list(output.partial_shape)[1:]
        )
        for output in network.outputs
    }
