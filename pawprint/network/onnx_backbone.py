"""Read a backbone, any network that maps a float image to features, from an ONNX file."""

import contextlib
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from pawprint.errors import InputError, printable, reason, silent_stderr
from pawprint.named_file import read_bytes
from pawprint.network.openvino_blocks import (
    Block,
    OnnxNetwork,
    block_statistics,
    find_blocks,
    lengths_of,
)
from pawprint.params.model import Model, Onnx
from pawprint.runtime import compile_for_cpu

FLOATS = (openvino.Type.f32, openvino.Type.f16)
QUANTIZED = (openvino.Type.i8, openvino.Type.u8, openvino.Type.i4, openvino.Type.u4)
# The marker that ONNX Runtime uses for weights at a memory address, from which OpenVINO would read:
# https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/tensorprotoutils.h
IN_MEMORY = b"MEM_ADDR_/*"
# Outputs of these lengths are usually scores for the ImageNet classes rather than features.
CLASSES = (1000, 1001, 21841, 21843)
FEWEST = 64  # shorter outputs are usually scores for other classes
BLOCKS = (1, 2, 3, 4, 6, 8, 12, 16)  # numbers of solid blocks per row of a test image
TOLERANCE = 1e-3  # relative tolerance
operations = openvino.opset15


def read_onnx(path: Path, model: Model) -> tuple[openvino.Model, str]:
    """Return a network from RGB pixels to features, float32 `(batch, features)`.

    The text says where the features come from, such as "from the class token". Pixels are uint8
    `(batch, size, size, 3)`. The network has two outputs, for the blocks and for the last maps,
    unless `model.features` is `last` or no blocks are found. If the file only supports batches of
    one image, so does the network. Raises InputError for the same reasons as
    `open_backbone`, and if the output is not usable as features. To check this, features of a few
    synthetic images are computed.
    """
    params = model.onnx or Onnx()
    with _refusing(path, model.image_size):
        file = open_backbone(path, model)
        _require_exact(file)
        hint = None if params.output else _describe_outputs(file)
        blocks = [] if model.features == "last" else find_blocks(file, model.image_size)
        features, origin = _features(file, params.tokens)
        outputs = [block_statistics(blocks), features] if blocks else [features]
        pixel_network = _with_pixels(outputs, file, params)
        require_features(pixel_network, model.image_size, hint)
        return pixel_network, origin


def open_backbone(path: Path, model: Model) -> OnnxNetwork:
    """Open the network in a file.

    Raises InputError if OpenVINO cannot read the file, if weights are in other files (which the
    hash does not cover), or if the inputs or outputs do not match.
    """
    content = read_bytes(path)
    if IN_MEMORY in content:
        raise InputError(
            f"{path}: expected weights in the file. Received: memory addresses instead. Export the "
            "network with its weights"
        )
    with _refusing(path, model.image_size):
        # OpenVINO resolves weights in other files relative to the current folder.
        with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), silent_stderr():
            network = _read(content)
        layout = _reshape(network, model.image_size)
        return OnnxNetwork(network, layout, _output(network, (model.onnx or Onnx()).output))


def _read(content: bytes) -> openvino.Model:
    """Read a network with one input."""
    try:
        network = openvino.Core().read_model(content)
    except RuntimeError as error:
        if "external data" not in str(error):
            raise
        raise ValueError(
            "expected weights in the file. Received: weights in another file, which PyTorch writes "
            "by default. Export with `torch.onnx.export(…, external_data=False)`, or write one "
            'file with `onnx.save(onnx.load("this.onnx"), "one.onnx")`'
        ) from None
    if len(network.inputs) != 1:
        raise ValueError(
            f"expected one input. Received: {len(network.inputs)}. Export the part of the network "
            "alone that takes images, such as SiglipVisionModel of SigLIP"
        )
    return network


def size_and_outputs(path: Path) -> tuple[int | None, list[str]]:
    """Return the side of the images that a file takes, if it is fixed, and its output names."""
    with _refusing(path):
        with silent_stderr():
            network = _read(read_bytes(path))
        shape = list(network.input().partial_shape)[1:]
        sides = {length.get_length() for length in shape if length.is_static} - {3}
        return next(iter(sides), None), [port.get_any_name() for port in network.outputs]


@contextlib.contextmanager
def _refusing(path: Path, size: int | None = None) -> Iterator[None]:
    """Convert every error about the file to a one-line InputError."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {printable(str(error))}") from None
    except Exception as error:  # OpenVINO may raise any exception for a damaged file
        images = f" on images of {size} pixels (model.image_size)" if size else ""
        raise InputError(
            f"{path}: expected an ONNX file with its weights that OpenVINO can run{images}. "
            f"Received: {reason(error)}"
        ) from None


def _reshape(network: openvino.Model, size: int) -> str:
    """Reshape a network to images of this size and return the layout of its input."""
    kind = network.input().element_type
    shape = network.input().partial_shape
    expected = (
        f"expected one float input (batch, 3, {size}, {size}) or (batch, {size}, {size}, 3), where "
        f"{size} is model.image_size. Received: {kind.get_type_name()} {shape}"
    )
    if kind not in FLOATS:
        raise ValueError(expected)
    batch = -1 if shape.rank.is_dynamic or shape[0].is_dynamic else 1
    if batch == 1 and shape[0] != 1:
        raise ValueError(f"{expected}. Export the network with batch 1 or a dynamic batch")
    layouts = {"NCHW": [batch, 3, size, size], "NHWC": [batch, size, size, 3]}
    fitting = [key for key in layouts if openvino.PartialShape(layouts[key]).compatible(shape)]
    if len(fitting) > 1:  # most networks work with only one of the layouts
        fitting = [key for key in fitting if _runs(network, layouts[key])]
    if not fitting:
        sides = {str(length) for length in list(shape)[1:]} - {"3"}
        if len(sides) == 1:
            expected += f". Set model.image_size to the size of the file, {sides.pop()}"
        raise ValueError(expected)
    if len(fitting) > 1:
        raise ValueError(f"{expected}, which can be either. Export the network with one of them")
    network.reshape(layouts[fitting[0]])
    return fitting[0]


def _runs(network: openvino.Model, shape: list[int]) -> bool:
    try:
        network.clone().reshape(shape)
    except RuntimeError:
        return False
    return True


def _output(network: openvino.Model, name: str | None) -> openvino.Output:
    """Return the output or inner tensor with this name, or without a name the only output."""
    by_name = {port.get_any_name(): port.get_node().input_value(0) for port in network.outputs}
    names = ", ".join(f"{key} {port.partial_shape}" for key, port in by_name.items())
    if name is None and len(by_name) == 1:
        (name,) = by_name
    if name in by_name:
        return by_name[name]
    inner = (output for node in network.get_ordered_ops() for output in node.outputs())
    if found := next((output for output in inner if name in output.get_names()), None):
        return found
    raise ValueError(
        f"model.onnx.output: expected one of {names}, or an inner tensor. Received: "
        f"{name or 'null'}"
    )


def _describe_outputs(file: OnnxNetwork) -> str:
    """Suggest a value for model.onnx.output: the input of the last layer, or the only output."""
    only = file.network.output().get_any_name()
    part = openvino.Model([file.output], file.network.get_parameters())
    layers = [node for node in part.get_ordered_ops() if node.get_type_name() == "MatMul"]
    names = sorted(layers[-1].input_value(0).get_names()) if layers else []
    inner = f"{names[0]}, which the last layer takes, or to " if names else ""
    return f"set model.onnx.output to {inner}{only} if these are features"


def _require_exact(file: OnnxNetwork) -> None:
    """Raise ValueError if OpenVINO does not compute the same features as ONNX Runtime.

    OpenVINO ignores the antialiasing filter of Resize, turns NaN into numbers, and rounds the
    inputs of 8-bit layers in another way.
    """
    part = openvino.Model([file.output], file.network.get_parameters())
    for node in part.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Interpolate" and node.get_attributes()["antialias"] and _shrinks(node):
            raise ValueError(
                "expected no Resize with antialiasing that shrinks its input, because OpenVINO "
                "ignores antialiasing. Received: one from "
                f"{node.input_value(0).partial_shape} to {node.output(0).partial_shape}, such as "
                "for position embeddings. Export the network at the size of its embeddings and set "
                "model.image_size to it, or build the network for images of this size"
            )
        if kind != "Constant":
            continue
        if node.get_element_type() in QUANTIZED and np.prod(node.shape) > 1:
            raise ValueError(
                "expected weights in float32 or float16. Received: 8-bit or 4-bit weights, which "
                "are not faster here and are rounded differently by other programs. Export the "
                "network in float32 or float16"
            )
        if node.get_element_type().is_real() and np.isnan(node.data).any():
            raise ValueError("expected weights that are numbers. Received: NaN. Train it again")


def _shrinks(node: openvino.Node) -> bool:
    before, after = node.input_value(0).partial_shape, node.output(0).partial_shape
    return any(
        old.is_dynamic or new.is_dynamic or new.get_length() < old.get_length()
        for old, new in list(zip(before, after))[1:]
    )


def _features(file: OnnxNetwork, tokens: str | None) -> tuple[openvino.Output, str]:
    """Return features `(batch, features)`, and where they come from, as text.

    They are the output's vectors, the chosen tokens, or the means of the feature maps.
    """
    output = file.output
    if not output.get_element_type().is_real():
        raise ValueError(
            "expected an output of floating-point numbers. Received: "
            f"{output.get_element_type().get_type_name()}. Export the network without the "
            "layers that turn its features into classes or integers, or set model.onnx.output to "
            "another output"
        )
    lengths = lengths_of(output)
    if len(lengths) == 2:
        chosen = choose_tokens(lengths[0], tokens)
        names = ["the class token" if part == range(1) else "the patch tokens" for part in chosen]
        parts = [_mean_of_tokens(output, part) for part in chosen]
        return operations.concat(parts, 1).output(0), f"from {' and '.join(names)}"
    if tokens:
        raise ValueError(
            "model.onnx.tokens: expected null, because the output is not (batch, tokens, features) "
            f"but {output.partial_shape}. Received: {tokens}"
        )
    if len(lengths) == 3:
        axes = last_maps(output, file.layout).height_and_width
        return operations.reduce_mean(output, axes).output(0), "from the last feature maps"
    if len(lengths) != 1:
        raise ValueError(
            "expected an output (batch, features), (batch, tokens, features) or of feature maps. "
            f"Received: {output.partial_shape}"
        )
    return output, f"from the output {printable(output.get_any_name())}"


def _mean_of_tokens(output: openvino.Output, tokens: range) -> openvino.Node:
    if len(tokens) == 1:
        return operations.gather(output, tokens[0], 1)
    return operations.reduce_mean(
        operations.slice(output, [tokens.start], [tokens.stop], [1], [1]), [1]
    )


def choose_tokens(count: int, tokens: str | None) -> list[range]:
    """Return the ranges of tokens to average for the setting `model.onnx.tokens`.

    A square image has a square number of patches. The tokens before them are the class token and
    possibly registers (https://arxiv.org/abs/2309.16588).
    """
    first = count - math.isqrt(count) ** 2
    if tokens in ("class", "both") and not first:
        raise ValueError(
            f"model.onnx.tokens: expected mean, because all {count} tokens are patch tokens. "
            f"Received: {tokens}"
        )
    class_token = range(1)
    patches = range(first, count)
    choices = {"class": [class_token], "mean": [patches], "both": [class_token, patches]}
    return choices[tokens or ("class" if first else "mean")]


def last_maps(output: openvino.Output, layout: str) -> Block:
    """Return the last maps as a block. If both layouts are possible, use the input's."""
    lengths = lengths_of(output)
    is_nchw = lengths[1] == lengths[2] and (lengths[0] != lengths[1] or layout == "NCHW")
    return Block(output, 1 if is_nchw else 3)


def _with_pixels(outputs: list[openvino.Output], file: OnnxNetwork, params: Onnx) -> openvino.Model:
    """Return a network that takes pixels and returns these outputs in the given order."""
    steps = PrePostProcessor(openvino.Model(outputs, file.network.get_parameters()))
    for index in range(len(outputs)):
        steps.output(index).tensor().set_element_type(openvino.Type.f32)
    source = steps.input()
    source.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    source.model().set_layout(openvino.Layout(file.layout))
    pixels = source.preprocess().convert_element_type(openvino.Type.f32)
    if params.channels == "BGR":
        pixels = pixels.reverse_channels()
    pixels.mean([255 * value for value in params.mean]).scale([255 * value for value in params.std])
    return steps.build()


def draw_images(size: int) -> np.ndarray:
    """Return eight fixed images of random colour blocks of different sizes, uint8 `(8, …)`."""
    random = np.random.default_rng(0)
    images = np.empty((len(BLOCKS), size, size, 3), np.uint8)
    for image, blocks in zip(images, BLOCKS):
        colours = random.integers(0, 256, (blocks, blocks, 3), np.uint8)
        block = np.arange(size) * blocks // size
        image[:] = colours[np.ix_(block, block)]
    return images


def require_features(network: openvino.Model, size: int, hint: str | None) -> None:
    """Raise ValueError if the output of a network cannot be used as features.

    `network` takes uint8 `(batch, size, size, 3)`, and its last output is float32 `(batch,
    features)`. `hint` says how to choose another output, or is None if the user named an output. A
    named output is allowed to come from a classifier, to be short, or to ignore colours.
    """
    run = compile_for_cpu(network)
    images = draw_images(size)
    features, again, swapped = (
        np.stack([run(image)[-1] for image in batch])
        for batch in (images, images, images[..., ::-1].copy())  # RGB images, and BGR images
    )
    if not np.isfinite(features).all():
        raise ValueError(
            "expected finite features. Received: NaN or infinity for drawn images. Set "
            "model.onnx.mean and model.onnx.std to the training images' values, or export the "
            "network in float32"
        )
    if (features != again).any():
        raise ValueError(
            "expected the same features each time for the same image. Received: different features "
            "the second time. Export the network for inference, without random numbers and dropout"
        )
    if np.allclose(features, features[0], rtol=TOLERANCE):
        raise ValueError(
            "expected features that differ between images. Received: the same features for "
            f"all {len(images)} drawn images. Export the trained network, or set model.onnx.output "
            "to another output"
        )
    if hint is None:
        return
    if np.allclose(features, swapped, rtol=TOLERANCE):
        raise ValueError(
            "expected features that depend on colours. Received: the same features after red "
            "and blue are swapped. Export a network for RGB images with the layout of its input, "
            f"or {hint} that do not depend on colours"
        )
    if kind := _classifier_output(features):
        raise ValueError(
            f"expected features. Received: {kind}, as from a classifier. Export the network "
            f"without the classifier, or {hint}"
        )


def _classifier_output(features: np.ndarray) -> str | None:
    """Describe features that look like the output of a classifier, or return None."""
    if (features >= 0).all() and np.allclose(features.sum(axis=1), 1, atol=1e-3):
        return "probabilities, which sum to 1"
    if (features == features.round()).all():
        return "whole numbers"
    if features.shape[1] in CLASSES or features.shape[1] < FEWEST:
        return f"{features.shape[1]} numbers"
    return None
