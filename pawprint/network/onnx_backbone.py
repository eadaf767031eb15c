"""A backbone in an ONNX file: any network of one float input of images that gives features."""

import contextlib
import math
import tempfile
from pathlib import Path

import openvino
from openvino.preprocess import PrePostProcessor

from pawprint.errors import InputError, silent_stderr
from pawprint.params.model import Model, Onnx
from pawprint.runtime.network_file import message_of

FLOATS = (openvino.Type.f32, openvino.Type.f16)
# Numbers of ImageNet's classes: so many numbers are a classifier's rather than features.
CLASSES = (1000, 1001, 21841, 21843)
operations = openvino.opset15


def read_onnx(path: Path, model: Model) -> openvino.Model:
    """RGB pixels, uint8 `(batch, size, size, 3)`, to features, float32 `(batch, features)`.

    A file for batches of one image gives a network for one image. Raises InputError for a file that
    OpenVINO cannot read, also if its weights are in other files, which no hash holds, and for one
    that does not give features of such images.
    """
    params = model.onnx or Onnx()
    content = path.read_bytes()
    try:
        # OpenVINO reads weights in other files from the current folder.
        with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), silent_stderr():
            network = openvino.Core().read_model(content)
        layout = _reshape(network, model.image_size)
        output = _chosen(network, params.output)
        features = _features(output, layout, params.tokens)
        return _with_pixels(features, network, layout, params)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # OpenVINO raises anything for a damaged file
        raise InputError(
            f"{path}: expected an ONNX file, weights included, that OpenVINO runs for images of "
            f"{model.image_size} pixels (model.image_size). Received: {message_of(error)}"
        ) from None


def _reshape(network: openvino.Model, size: int) -> str:
    """Give the network the shape of images of this size. Returns the layout of its input."""
    for layout, wanted in (("NCHW", [-1, 3, size, size]), ("NHWC", [-1, size, size, 3])):
        taken = [each for each in network.inputs if each.element_type in FLOATS]
        shape = taken[0].partial_shape if len(taken) == len(network.inputs) == 1 else None
        if shape is not None and openvino.PartialShape(wanted).compatible(shape):
            network.reshape([-1 if shape[0].is_dynamic else 1, *wanted[1:]])
            return layout
    given = (f"{each.element_type.get_type_name()} {each.partial_shape}" for each in network.inputs)
    raise ValueError(
        f"expected one float input (batch, 3, {size}, {size}) or (batch, {size}, {size}, 3), where "
        f"{size} is model.image_size. Received: {', '.join(given) or 'no input'}"
    )


def _chosen(network: openvino.Model, name: str | None) -> openvino.Output:
    """The output of this name; without a name the only output, if it is no classifier's."""
    by_name = {each.get_any_name(): each.get_node().input_value(0) for each in network.outputs}
    given = ", ".join(f"{key} {each.partial_shape}" for key, each in by_name.items())
    if name is None and len(by_name) == 1:
        (output,) = by_name.values()
        is_softmax = output.get_node().get_type_name() == "Softmax"
        if is_softmax or _lengths(output)[-1:] in [[classes] for classes in CLASSES]:
            raise ValueError(
                f"expected features. Received: {given}, which looks like a classifier. Export the "
                "network without it, or set model.onnx.output if these are features"
            )
        return output
    if name not in by_name:
        raise ValueError(f"model.onnx.output: expected one of {given}. Received: {name or 'null'}")
    return by_name[name]


def _features(output: openvino.Output, layout: str, tokens: str | None) -> openvino.Output:
    """`(batch, features)`: vectors, tokens, or the means of feature maps."""
    lengths = _lengths(output)
    if len(lengths) == 2:
        return _of_tokens(output, lengths[0], tokens)
    if tokens:
        raise ValueError(
            "model.onnx.tokens: expected null, because the output is not (batch, tokens, features) "
            f"but {output.partial_shape}. Received: {tokens}"
        )
    if len(lengths) == 3:
        # Maps are square. If there are as many as they have rows, they are like the input.
        is_nchw = lengths[1] == lengths[2] and (lengths[0] != lengths[1] or layout == "NCHW")
        return operations.reduce_mean(output, [2, 3] if is_nchw else [1, 2]).output(0)
    if len(lengths) != 1:
        raise ValueError(
            "expected an output (batch, features), (batch, tokens, features) or of feature maps. "
            f"Received: {output.partial_shape}"
        )
    return output


def _of_tokens(output: openvino.Output, count: int, tokens: str | None) -> openvino.Output:
    """The class token, the mean of the patches' tokens, or both, of `(batch, tokens, features)`.

    The patches of a square are a square number. Tokens before them are the class token and
    perhaps registers (https://arxiv.org/abs/2309.16588).
    """
    first = count - math.isqrt(count) ** 2
    if tokens in ("class", "both") and not first:
        raise ValueError(
            f"model.onnx.tokens: expected mean, because all {count} tokens are of patches. "
            f"Received: {tokens}"
        )
    class_token = operations.gather(output, 0, 1)
    patches = operations.slice(output, [first], [count], [1], [1])
    mean = operations.reduce_mean(patches, [1])
    chosen = {"class": [class_token], "mean": [mean], "both": [class_token, mean]}
    parts = chosen[tokens or ("class" if first else "mean")]
    return operations.concat(parts, 1).output(0)


def _lengths(output: openvino.Output) -> list[int]:
    """The lengths of the axes after that of the batch."""
    shape = output.partial_shape
    if shape.rank.is_dynamic or any(length.is_dynamic for length in list(shape)[1:]):
        raise ValueError(f"expected an output of known size. Received: {shape}")
    return [length.get_length() for length in list(shape)[1:]]


def _with_pixels(
    features: openvino.Output, network: openvino.Model, layout: str, params: Onnx
) -> openvino.Model:
    """The network of pixels that gives these features."""
    steps = PrePostProcessor(openvino.Model([features], network.get_parameters()))
    steps.output().tensor().set_element_type(openvino.Type.f32)
    taken = steps.input()
    taken.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    taken.model().set_layout(openvino.Layout(layout))
    pixels = taken.preprocess().convert_element_type(openvino.Type.f32)
    pixels.mean([255 * each for each in params.mean]).scale([255 * each for each in params.std])
    return steps.build()
