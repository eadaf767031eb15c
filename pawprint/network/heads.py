"""Define heads: their weights, their files, and the head as a network in OpenVINO.

The part of a network after the frozen layers runs on stored features. This module does not need
TensorFlow.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import openvino

from pawprint.base.files import read_arrays, write_arrays
from pawprint.base.runtime import product
from pawprint.pipeline.params.model import Head

EPSILON = 1e-3  # for Keras' BatchNormalization
FLOOR = 0.25  # 0.1 to 0.5 result in about the same loss on seven data sets


def kinds_of(has_blocks: bool) -> tuple[str, ...]:
    """Return the kinds of stored features that a head takes, in the order of their columns."""
    return ("blocks", "top") if has_blocks else ("top",)


class Standardisation(NamedTuple):
    """A factor and then an offset for each feature, both float32 `(features,)`.

    Features are shifted to a mean of 0, scaled to a standard deviation of about 1, and divided by
    the square root of their number. Each image then has a length of about 1, however many features
    there are, so the same penalty on weights and the same learning rate suit all backbones.
    """

    scale: np.ndarray
    offset: np.ndarray

    @classmethod
    def from_moments(cls, mean: np.ndarray, deviation: np.ndarray) -> Self:
        """Return the standardisation for training features with this mean and standard deviation.

        Both are float `(features,)`.

        FLOOR times the root mean square of all deviations is added to each of them, in squares.
        Otherwise, a feature that hardly varies in training would be amplified in new images.
        """
        least = FLOOR * np.sqrt(np.square(deviation).mean())
        deviation = np.hypot(deviation, least) * np.sqrt(len(deviation))
        scale = 1 / np.where(deviation > 0, deviation, 1)
        return cls(scale.astype(np.float32), (-mean * scale).astype(np.float32))

    def apply(self, rows: np.ndarray) -> None:
        """Standardise float32 `(rows, features)` in place."""
        rows *= self.scale
        rows += self.offset


class HeadWeights(NamedTuple):
    """The arrays of a head in Keras' order, with or without block features.

    `views` is the number of views of each training image that the head was trained on.
    """

    arrays: list[np.ndarray]
    standardisation: Standardisation | None
    has_blocks: bool
    views: int

    @property
    def features(self) -> int:
        """The number of features that the head takes."""
        return len(self.arrays[0])

    def steps(self, params: Head) -> Iterator[tuple[str, *tuple[np.ndarray, ...]]]:
        """Yield the operations from features to logits: their names and their arrays.

        The first operation takes the features, and each other one takes the result of the one
        before. They compute what the head of `build_head` in keras_model.py computes in inference.
        """
        arrays = iter(self.arrays)
        if self.standardisation:
            yield "Mul", self.standardisation.scale
            yield "Add", self.standardisation.offset
        if params.dense:
            yield "MatMul", next(arrays)
            yield "Add", next(arrays)
            yield ("Relu",)
            if params.dense.batch_normalization:
                gamma, beta, mean, variance = (next(arrays) for _ in range(4))
                scale = gamma / np.sqrt(variance + np.float32(EPSILON))
                yield "Mul", scale
                yield "Add", beta - mean * scale
        yield "MatMul", next(arrays)
        yield "Add", next(arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file written by `write`. Raises InputError if it is missing or damaged."""
        arrays = read_arrays(path)
        has_blocks = bool(arrays.pop("has_blocks"))
        views = int(arrays.pop("views"))
        terms = [arrays.pop(name) for name in Standardisation._fields if name in arrays]
        standardisation = Standardisation(*terms) if terms else None
        return cls([*arrays.values()], standardisation, has_blocks, views)

    def write(self, path: Path) -> None:
        """Write all arrays to one file."""
        terms = self.standardisation._asdict() if self.standardisation else {}
        facts = {"has_blocks": np.array(self.has_blocks), "views": np.array(self.views)}
        write_arrays(path, *self.arrays, **facts, **terms)


OUTPUTS = ("logits", "features")
operations = openvino.opset15
# Those of `HeadWeights.steps`, except MatMul.
OPERATIONS = {"Add": operations.add, "Mul": operations.multiply, "Relu": operations.relu}


def head_logits(features: openvino.Output, weights: HeadWeights, params: Head) -> openvino.Output:
    """Return logits, float32 `(batch, units)`, for features `(batch, features)`."""
    for kind, *arrays in weights.steps(params):
        if kind == "MatMul":
            (kernel,) = arrays
            features = product(features, operations.constant(np.ascontiguousarray(kernel.T)))
        else:
            constants = map(operations.constant, arrays)
            features = OPERATIONS[kind](features, *constants).output(0)
    return features


def on_features(
    shapes: Mapping[str, Sequence[int]], weights: HeadWeights, params: Head
) -> tuple[openvino.Model, list[str]]:
    """Return the head as a network that takes stored features, and the names of its inputs.

    `shapes` contains the shape of each stored kind.
    """
    kinds = kinds_of(weights.has_blocks)
    means = "means" if "means" in shapes else "top"
    parameters = {kind: _parameter(shapes[kind]) for kind in dict.fromkeys([*kinds, means])}
    features = _side_by_side([parameters[kind].output(0) for kind in kinds])
    # Insert a node between the input and the output, because both need their own name.
    copied = operations.convert(parameters[means], np.float32).output(0)
    outputs = [head_logits(features, weights, params), copied]
    return openvino.Model(outputs, [*parameters.values()]), [*parameters]


def on_maps(
    shapes: Mapping[str, Sequence[int]],
    trained: openvino.Model,
    weights: HeadWeights,
    params: Head,
) -> tuple[openvino.Model, list[str]]:
    """Return trained layers and a head as a network on stored maps, and the names of its inputs.

    `trained` takes the maps at the cut, and returns the head's features and the means of the last
    maps. The head also receives the block statistics from before the cut, which come first among
    the stored ones.
    """
    head_input, means = (result.input_value(0) for result in trained.get_results())
    parameters = {"cut": trained.get_parameters()[0]}
    trained.reshape([-1, *shapes["cut"]])
    width = weights.features - head_input.partial_shape[1].get_length()
    if width:
        parameters["blocks"] = _parameter(shapes["blocks"])
        zero, one = (operations.constant([number], np.int64) for number in (0, 1))
        end = operations.constant([width], np.int64)
        frozen = operations.slice(parameters["blocks"], zero, end, one, one)
        head_input = _side_by_side([frozen.output(0), head_input])
    outputs = [head_logits(head_input, weights, params), means]
    return openvino.Model(outputs, [*parameters.values()]), [*parameters]


def _parameter(shape: Sequence[int]) -> openvino.op.Parameter:
    return operations.parameter([-1, *shape], np.float32)


def _side_by_side(parts: list[openvino.Output]) -> openvino.Output:
    return parts[0] if len(parts) == 1 else operations.concat(parts, 1).output(0)
