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
# The marker that ONNX Runtime uses for weights at a memory address, from which OpenVINO would read:
# https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/tensorprotoutils.h
IN_MEMORY = b"MEM_ADDR_/*"
# Outputs of these lengths are usually scores for the ImageNet classes rather than features.
CLASSES = (1000, 1001, 21841, 21843)
BLOCKS = (1, 2, 3, 4, 6, 8, 12, 16)  # numbers of solid blocks per row of a test image
TOLERANCE = 1e-3  # relative tolerance
operations = openvino.opset15


def read_onnx(path: Path, model: Model) -> openvino.Model:
    """Return a network from RGB pixels to features, float32 `(batch, features)`.

    Pixels are uint8 `(batch, size, size, 3)`. The network has two outputs, for the blocks and for
    the last maps, unless `model.features` is `last` or no blocks are found. If the file only
    supports batches of one image, so does the network. Raises InputError for the same reasons as
    `open_backbone`, and if the output is not usable as features. To check this, features of a few
    synthetic images are computed.
    """
    params = model.onnx or Onnx()
    with _refusing(path, model.image_size):
        file = open_backbone(path, model)
        only = None if params.output else file.network.output().get_any_name()
        blocks = [] if model.features == "last" else find_blocks(file, model.image_size)
        features = _features(file.output, file.layout, params.tokens)
        outputs = [block_statistics(blocks), features] if blocks else [features]
        pixel_network = _with_pixels(outputs, file, params)
        require_features(pixel_network, model.image_size, only)
        return pixel_network


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
            network = openvino.Core().read_model(content)
        layout = _reshape(network, model.image_size)
        return OnnxNetwork(network, layout, _output(network, (model.onnx or Onnx()).output))


@contextlib.contextmanager
def _refusing(path: Path, size: int) -> Iterator[None]:
    """Convert every error about the file to a one-line InputError."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {printable(str(error))}") from None
    except Exception as error:  # OpenVINO may raise any exception for a damaged file
        raise InputError(
            f"{path}: expected an ONNX file with its weights that OpenVINO can run on images of "
            f"{size} pixels (model.image_size). Received: {reason(error)}"
        ) from None


def _reshape(network: openvino.Model, size: int) -> str:
    """Reshape a network to images of this size and return the layout of its input."""
    ports = [f"{port.element_type.get_type_name()} {port.partial_shape}" for port in network.inputs]
    layouts = {"NCHW": [-1, 3, size, size], "NHWC": [-1, size, size, 3]}
    expected = (
        f"expected one float input (batch, 3, {size}, {size}) or (batch, {size}, {size}, 3), where "
        f"{size} is model.image_size. Received: {', '.join(ports) or 'no input'}"
    )
    if len(ports) != 1 or network.input().element_type not in FLOATS:
        raise ValueError(expected)
    shape = network.input().partial_shape
    batch = -1 if shape.rank.is_dynamic or shape[0].is_dynamic else 1
    shapes = {
        layout: [batch, *sizes[1:]]
        for layout, sizes in layouts.items()
        if openvino.PartialShape(sizes).compatible(shape)
    }
    if len(shapes) > 1:  # most networks work with only one of the layouts
        shapes = {layout: sizes for layout, sizes in shapes.items() if _runs(network, sizes)}
    if not shapes:
        raise ValueError(expected)
    if len(shapes) > 1:
        raise ValueError(f"{expected}, which can be either. Export the network with one of them")
    ((layout, sizes),) = shapes.items()
    network.reshape(sizes)
    return layout


def _runs(network: openvino.Model, shape: list[int]) -> bool:
    try:
        network.clone().reshape(shape)
    except RuntimeError:
        return False
    return True


def _output(network: openvino.Model, name: str | None) -> openvino.Output:
    """Return the output with this name, or without a name the only output."""
    by_name = {port.get_any_name(): port.get_node().input_value(0) for port in network.outputs}
    names = ", ".join(f"{key} {port.partial_shape}" for key, port in by_name.items())
    if name is None and len(by_name) == 1:
        (name,) = by_name
    if name not in by_name:
        raise ValueError(f"model.onnx.output: expected one of {names}. Received: {name or 'null'}")
    return by_name[name]


def _features(output: openvino.Output, layout: str, tokens: str | None) -> openvino.Output:
    """Return features `(batch, features)` from vectors, tokens, or the means of feature maps."""
    if not output.get_element_type().is_real():
        raise ValueError(
            "expected an output of floating-point numbers. Received: "
            f"{output.get_element_type().get_type_name()}. Export the network without the "
            "layers that turn its features into classes or integers, or set model.onnx.output to "
            "another output"
        )
    lengths = lengths_of(output)
    if len(lengths) == 2:
        return _token_features(output, lengths[0], tokens)
    if tokens:
        raise ValueError(
            "model.onnx.tokens: expected null, because the output is not (batch, tokens, features) "
            f"but {output.partial_shape}. Received: {tokens}"
        )
    if len(lengths) == 3:
        return operations.reduce_mean(output, last_maps(output, layout).height_and_width).output(0)
    if len(lengths) != 1:
        raise ValueError(
            "expected an output (batch, features), (batch, tokens, features) or of feature maps. "
            f"Received: {output.partial_shape}"
        )
    return output


def _token_features(output: openvino.Output, count: int, tokens: str | None) -> openvino.Output:
    """Return the class token, the mean of the patch tokens, or both, `(batch, features)`."""
    parts = []
    for chosen in choose_tokens(count, tokens):
        if len(chosen) == 1:
            parts.append(operations.gather(output, chosen[0], 1))
        else:
            patches = operations.slice(output, [chosen[0]], [count], [1], [1])
            parts.append(operations.reduce_mean(patches, [1]))
    return operations.concat(parts, 1).output(0)


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
    """Return the last maps as a block. If both layouts are possible, use that of the input."""
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


def require_features(network: openvino.Model, size: int, only: str | None) -> None:
    """Raise ValueError if the output of a network cannot be used as features.

    `network` takes uint8 `(batch, size, size, 3)`, and its last output is float32 `(batch,
    features)`. `only` is the name of the file's only output, or None if the user named an output. A
    named output is allowed to come from a classifier, or to ignore colours.
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
    if only is None:
        return
    if np.allclose(features, swapped, rtol=TOLERANCE):
        raise ValueError(
            "expected features that depend on colours. Received: the same features after red "
            "and blue are swapped. Export a network for RGB images with the layout of its input, "
            f"or set model.onnx.output to {only} if its features do not depend on colours"
        )
    if kind := _classifier_output(features):
        raise ValueError(
            f"expected features. Received: {kind}, as from a classifier. Export the network "
            f"without the classifier, or set model.onnx.output to {only} if these are features"
        )


def _classifier_output(features: np.ndarray) -> str | None:
    """Describe features that look like the output of a classifier, or return None."""
    if (features >= 0).all() and np.allclose(features.sum(axis=1), 1, atol=1e-3):
        return "probabilities, which sum to 1"
    if (features == features.round()).all():
        return "whole numbers"
    if features.shape[1] in CLASSES:
        return f"{features.shape[1]} numbers"
    return None
