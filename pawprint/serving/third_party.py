"""Networks that anybody may have made: read without running code, and checked before they run.

OpenVINO runs only operations that it knows, none of which opens a file or a connection. The checks
below accept the operations of image classifiers only, bound the memory of their outputs, and refuse
weights that are not finite. They follow the reading: while it reads, OpenVINO computes some
constants, of any size. Libraries in C++ parse the files and may have faults (see trial.py). Links
in the folder are followed.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import openvino

from pawprint.runtime.conversion import read_network, take_uint8
from pawprint.serving.metadata import Metadata

# The sum over the outputs of all operations; MobileNetV2 (alpha 1.4) at 1,024 px has half as many.
MAX_NUMBERS = 2 * 10**9
# What image classifiers of Keras consist of after conversion and export. Others can loop, keep a
# state, or read outside their inputs: OpenVINO's GatherND ends the process for a wrong index.
OPERATIONS = set(
    """
    Abs Add AvgPool BatchNormInference Broadcast Clamp Concat Constant Convert Convolution Divide
    Elu Erf Exp FakeQuantize Gather Gelu GroupConvolution HSigmoid HSwish HardSigmoid MVN MatMul
    MaxPool Maximum Minimum Mish Multiply Negative NormalizeL2 PRelu Pad Parameter Power Range
    ReduceL2 ReduceMax ReduceMean ReduceProd ReduceSum Relu Reshape Result Selu ShapeOf Sigmoid
    SoftPlus Softmax Split Sqrt SquaredDifference Squeeze StridedSlice Subtract Swish Tanh Transpose
    Unsqueeze VariadicSplit
    """.split()  # noqa: SIM905
)


def read_checked(path: Path, metadata: Metadata) -> openvino.Model:
    """The network in a model file of one of the formats in `predictor.FILES`.

    Takes uint8 `(1, image_size, image_size, 3)`. Each output is float32 `(1, units)`, but for the
    last one, if it is an unknown score: `(1, 1)`. Raises ValueError or RuntimeError for a damaged
    file and for a network that is not a plain function of one image.
    """
    image_size, network = metadata.image_size, _read(path)
    if len(network.inputs) != 1:
        raise ValueError(f"{len(network.inputs)} inputs, not 1")
    shape = network.input().partial_shape
    wanted = openvino.PartialShape([-1, image_size, image_size, 3])
    if not wanted.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    numbers = sum(map(_checked_numbers, network.get_ops()))
    if numbers > MAX_NUMBERS:
        raise ValueError(f"operations that give {numbers:,} numbers for an image")
    is_scored = metadata.unknown_threshold is not None
    if is_scored and len(network.outputs) == 1:
        raise ValueError("one output, not also unknown_score as unknown_threshold demands")
    expected = [metadata.units] * (len(network.outputs) - is_scored) + [1] * is_scored
    for output, units in zip(network.outputs, expected, strict=True):
        if (list(output.shape), output.element_type) != ([1, units], openvino.Type.f32):
            raise ValueError(f"output {output.shape} of one image, not (1, {units}) of float32")
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


def _read(path: Path) -> openvino.Model:
    if path.suffix == ".xml":
        return read_network(path)
    if path.name == "saved_model.pb":
        _check_checkpoint(path.parent)
        return _in_order(openvino.Core().read_model(path.parent))
    # ONNX may name files with weights beside it: a folder of its own has none.
    # On Windows the network keeps its file open.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        alone = Path(folder, path.name)
        alone.write_bytes(path.read_bytes())
        return _in_order(openvino.Core().read_model(alone))


def _in_order(network: openvino.Model) -> openvino.Model:
    """The network with its outputs in the order of their names.

    A converter may write `unknown_score` before `probability`. In LiteRT their tensors have other
    names, which end with numbers in this order.
    """
    outputs = sorted(network.outputs, key=lambda output: sorted(output.names))
    results = [output.get_node() for output in outputs]
    return openvino.Model(results, network.get_parameters())


def _checked_numbers(node: openvino.Node) -> int:
    """The size of an operation's outputs. Raises ValueError if the operation is not accepted."""
    kind = node.get_type_name()
    if kind not in OPERATIONS:
        raise ValueError(f"an operation {kind}, which no image classifier needs")
    if any(output.partial_shape.is_dynamic for output in node.outputs()):
        raise ValueError(f"an operation {kind} whose output has no fixed size")
    is_weights = kind == "Constant" and node.get_element_type().is_real()
    if is_weights and not np.isfinite(node.get_data()).all():
        raise ValueError("weights that are not finite")
    return sum(math.prod(output.shape) for output in node.outputs())


def _check_checkpoint(folder: Path) -> None:
    """Raise an error of TensorFlow's unless every variable has the bytes of its checksum.

    OpenVINO checks none, and an index with wrong offsets ends its process.
    """
    import tensorflow as tf  # takes seconds, and no other format needs it

    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for name in reader.get_variable_to_shape_map():
        reader.get_tensor(name)
