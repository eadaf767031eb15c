"""Networks that anybody may have made: read without running code, and checked before they run.

OpenVINO runs only operations that it knows, none of which opens a file or a connection. The checks
below bound the memory and time of a network and refuse numbers that are not finite. Libraries in
C++ parse the files: an unknown fault in one of them remains possible.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import openvino

from pawprint.runtime.conversion import read_network, take_uint8

LARGEST_OUTPUT = 10**8  # numbers of one operation; MobileNetV2 at 1,024 px has up to half as many
# Operations that repeat a network inside them, or keep a state between images.
REFUSED = {"Assign", "If", "Loop", "ReadValue", "TensorIterator"}


def read_checked(path: Path, image_size: int) -> openvino.Model:
    """The network in a model file of one of the formats in `predictor.FILES`.

    Takes uint8 `(1, image_size, image_size, 3)`. Raises ValueError or RuntimeError for a damaged
    file and for a network that is not a plain function of one image.
    """
    network = _read(path)
    if len(network.inputs) != 1:
        raise ValueError(f"{len(network.inputs)} inputs, not 1")
    shape = network.input().partial_shape
    wanted = openvino.PartialShape([-1, image_size, image_size, 3])
    if not wanted.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    for node in network.get_ops():
        _check(node)
    if network.outputs[0].shape != [1, 1]:
        raise ValueError(f"output {network.outputs[0].shape} of one image, not (1, 1)")
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


def _read(path: Path) -> openvino.Model:
    if path.suffix == ".xml":
        return read_network(path)
    if path.name == "saved_model.pb":
        _check_checkpoint(path.parent)
        return openvino.Core().read_model(path.parent)
    # ONNX may name files with weights beside it: a folder of its own has none.
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder, path.name)
        alone.write_bytes(path.read_bytes())
        return openvino.Core().read_model(alone)


def _check(node: openvino.Node) -> None:
    kind = node.get_type_name()
    if kind in REFUSED:
        raise ValueError(f"an operation {kind}")
    for output in node.outputs():
        if output.partial_shape.is_dynamic:
            raise ValueError(f"an operation {kind} whose output has no fixed size")
        if math.prod(output.shape) > LARGEST_OUTPUT:
            raise ValueError(f"an operation {kind} with {math.prod(output.shape):,} numbers")
    is_weights = kind == "Constant" and node.get_element_type().is_real()
    if is_weights and not np.isfinite(node.get_data()).all():
        raise ValueError("weights that are not finite")


def _check_checkpoint(folder: Path) -> None:
    """Raise an error of TensorFlow's unless every variable has the bytes of its checksum.

    OpenVINO checks none, and an index with wrong offsets ends its process.
    """
    import tensorflow as tf  # takes seconds, and no other format needs it

    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)
