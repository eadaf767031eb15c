"""Show which regions of an image matter for its predicted class.

If the head is linear, and its features are means and standard deviations of feature maps, its
logits are a sum over the places of an image, and one pass shows each place's part exactly. For
means alone, this is CAM (https://arxiv.org/abs/1512.04150). Otherwise, regions are covered one
after another, which takes 82 passes.
"""

import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import cv2
import numpy as np
import openvino
from openvino.passes import ConstantFolding, Manager
from PIL import Image

from pawprint.base.classes import MIN_PROBABILITY, class_probabilities
from pawprint.base.errors import InputError, printable
from pawprint.base.files import replacing
from pawprint.base.runtime import CompiledNetwork, compile_for_cpu
from pawprint.base.threads import map_in_threads, track
from pawprint.data.reading import read_again
from pawprint.model.metadata import Metadata
from pawprint.model.mirror_image import is_mirrored, single
from pawprint.model.served_model import output_names
from pawprint.network.views import resize
from pawprint.serving.predictor import Predictor

SAME = ("Convert", "Reshape", "Squeeze", "Transpose")  # operations that keep a vector's numbers


class Part(NamedTuple):
    """Features that are means of maps or, with a smallest variance, their standard deviations."""

    maps: openvino.Output
    axes: list[int]
    smallest_variance: float | None


class ClassMaps(NamedTuple):
    """A network from pixels to feature maps, and the head, float64, as one linear function.

    `weights` are `(features, units)` and `constant` is `(units,)`, both after the temperature. With
    `mirrors`, logits are the means over an image and its mirror image.
    """

    run: CompiledNetwork
    parts: list[Part]
    weights: np.ndarray
    constant: np.ndarray
    mirrors: bool

    @classmethod
    def of(cls, predictor: Predictor) -> Self | None:
        """Return the maps of a served model, or None if its logits are not a sum over places."""
        names = output_names(predictor.metadata)
        if not predictor.compiled or len(predictor.compiled.network.outputs) < len(names):
            return None  # an export, which lacks the features
        network = predictor.compiled.network.clone()
        folding = Manager()  # axes and factors may be computed from constants
        folding.register_pass(ConstantFolding())
        folding.run_passes(network)
        mirrors = is_mirrored(network)
        if mirrors:
            network = single(network, names)
        probability = network.outputs[0].get_node().input_value(0).get_node()
        features, weights, constant = _linear(probability.input_value(0), predictor.metadata.units)
        try:
            parts = _parts(features)
        except ValueError:
            return None
        outputs = [part.maps for part in parts]
        run = compile_for_cpu(openvino.Model(outputs, network.get_parameters()))
        return cls(run, parts, weights, constant, mirrors)

    def explain(self, pixels: np.ndarray, label: int) -> np.ndarray:
        """Return what each pixel adds to the logit of a class, float64 `(size, size)`.

        `pixels` is uint8 `(size, size, 3)`. The sum is the logit, for more than two classes minus
        the mean of the other classes' logits. The places of a map are spread over the image in
        equal shares, and so is the constant of the head.
        """
        units = len(self.constant)
        if units == 1:
            direction = np.array([2.0 * label - 1])
        else:
            direction = np.full(units, -1 / (units - 1))
            direction[label] = 1
        heat = self._explain_one(pixels, direction)
        if not self.mirrors:
            return heat
        other = self._explain_one(np.ascontiguousarray(pixels[:, ::-1]), direction)
        return (heat + other[:, ::-1]) / 2

    def _explain_one(self, pixels: np.ndarray, direction: np.ndarray) -> np.ndarray:
        side = len(pixels)
        weights = self.weights @ direction
        constant = float(self.constant @ direction)
        heat = np.zeros((side, side))
        start = 0
        for part, output in zip(self.parts, self.run(pixels)):
            maps = np.moveaxis(output, [axis - 1 for axis in part.axes], [1, 2])
            own = weights[start : start + len(maps)]
            start += len(maps)
            if part.smallest_variance is not None:
                # A standard deviation is the sum of squares over the places, divided by itself. A
                # variance below the smallest one leaves a rest, which has no place.
                maps = np.square(maps - maps.mean(axis=(1, 2), keepdims=True))
                variance = maps.mean(axis=(1, 2), dtype=np.float64)
                deviation = np.sqrt(np.maximum(variance, part.smallest_variance))
                constant += float(own @ (deviation - variance / deviation))
                own = own / deviation
            places = np.tensordot(own, maps, axes=1) / maps[0].size
            height, width = (_shares(cells, side) for cells in places.shape)
            heat += height @ places @ width.T
        return heat + constant / heat.size


def _linear(logits: openvino.Output, units: int) -> tuple[openvino.Output, np.ndarray, np.ndarray]:
    """Return the features, and the weights and constant that turn them into logits."""
    weights = np.eye(units)
    constant = np.zeros(units)
    while True:
        node = logits.get_node()
        values = [value.get_node() for value in node.input_values()]
        if len(values) != 2 or values[1].get_type_name() != "Constant":
            return logits, weights, constant
        operand = values[1].data.astype(np.float64)
        kind = node.get_type_name()
        if kind == "Add":
            constant = constant + operand.reshape(-1) @ weights
        elif kind in ("Multiply", "Divide"):
            factor = operand if kind == "Multiply" else 1 / operand
            weights = factor.reshape(-1, 1) * weights
        elif kind == "MatMul":
            is_turned = node.get_attributes()["transpose_b"]
            weights = (operand.T if is_turned else operand) @ weights
        elif kind == "Squeeze" and (rows := _source(_source(node, "Convolution"), "Unsqueeze")):
            matrix = node.input_value(0).get_node().input_value(1).get_node().data[..., 0, 0].T
            weights = matrix.astype(np.float64) @ weights
            node = rows
        else:
            return logits, weights, constant
        logits = node.input_value(0)


def _parts(features: openvino.Output) -> list[Part]:
    """Return the parts of concatenated features. Raises ValueError if one is of another kind."""
    node = features.get_node()
    kind = node.get_type_name()
    if kind == "Concat":
        return [part for value in node.input_values() for part in _parts(value)]
    if kind in SAME and len(node.output(0).partial_shape) == 2:
        return _parts(node.input_value(0))
    if kind == "ReduceMean":
        return [Part(node.input_value(0), _axes(node), None)]
    # As in `block_statistics`: the root of the mean of squares minus the square of the mean.
    is_root = kind == "Sqrt" or (kind == "Power" and node.input_value(1).get_node().data == 0.5)
    if is_root and (maximum := _source(node, "Maximum")):
        mean = _source(_source(maximum, "Subtract"), "ReduceMean")
        square = _source(mean, "Multiply")
        if square and square.input_value(0) == square.input_value(1):
            least = maximum.input_value(1).get_node().data.item()
            return [Part(square.input_value(0), _axes(mean), least)]
    raise ValueError(f"features that are not statistics of maps: {kind}")


def _source(node: openvino.Node | None, kind: str) -> openvino.Node | None:
    source = node and node.input_value(0).get_node()
    return source if source and source.get_type_name() == kind else None


def _axes(mean: openvino.Node) -> list[int]:
    """Return the axes of height and width over which maps are averaged."""
    axes = sorted(mean.input_value(1).get_node().data.ravel().tolist())
    if axes not in ([1, 2], [2, 3]) or len(mean.input_value(0).partial_shape) != 4:
        raise ValueError(f"means over the axes {axes}")
    return axes


def _shares(cells: int, side: int) -> np.ndarray:
    """Return each cell's share in each pixel along an axis, `(side, cells)`; a cell's sum is 1."""
    edges = np.linspace(0, side, cells + 1)
    pixels = np.arange(side)[:, None]
    overlap = np.minimum(pixels + 1, edges[1:]) - np.maximum(pixels, edges[:-1])
    return np.maximum(overlap, 0) * cells / side


STEPS = 10  # window positions per side; a window is two steps wide and high
BLUR = 30  # the standard deviation of the smoothing is the image's side divided by this
OPACITY = 0.5  # of the heat map over the image
SIZE = 600  # side of the resulting image, in pixels


def saliency_paths(images: list[Path], folder: Path) -> list[Path]:
    """Return each saliency map's path in `folder`.

    Raises InputError if the folder is not empty. File names begin with the image's number, counted
    from 1.
    """
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{printable(str(folder))}: expected a new or an empty folder for --saliency."
        )
    digits = len(str(len(images)))
    # Keep 50 characters, because file systems limit names to 255 bytes.
    return [
        folder / f"{at:0{digits}}_{path.stem[:50]}.png" for at, path in enumerate(images, start=1)
    ]


def write_saliency(
    predictor: Predictor, images: list[Path], rows: Iterable[dict], pictures: list[Path]
) -> None:
    """Write a picture that shows the important regions for each row that has no error.

    Raises InputError if an image no longer exists, or if a result cannot be written.
    """
    items = [item for item in zip(images, rows, pictures) if not item[1]["error"]]
    heat_of = explainer(predictor)
    for path, row, picture in track(items, "saliency"):
        rules = (predictor.metadata.bits, predictor.metadata.decoded_side)
        image = read_again(path, row["path"], *rules)
        with replacing(picture) as new:
            first = next(iter(row["probabilities"]))
            Image.fromarray(saliency_of(predictor.metadata, image, first, heat_of)).save(new)


# From pixels and the index of a class to the `occlusion` or `evidence`.
Explainer = Callable[[np.ndarray, int], np.ndarray]


def explainer(predictor: Predictor) -> Explainer:
    """Return `evidence` if the model has class maps, and otherwise `occlusion`, which is slow."""
    if maps := ClassMaps.of(predictor):
        return partial(evidence, maps)
    passes = 1 + (STEPS - 1) ** 2
    print(f"saliency: this model needs {passes} passes per image, which is slow", file=sys.stderr)
    return partial(occlusion, predictor)


def evidence(maps: ClassMaps, pixels: np.ndarray, label: int) -> np.ndarray:
    """Return how much each place adds to the logit of a class, float32 `(size, size)`.

    Values are smoothed, and scaled to [0, 1]. Places that lower the logit are zero.
    """
    side = len(pixels)
    heat = cv2.GaussianBlur(maps.explain(pixels, label).astype(np.float32), (0, 0), side / BLUR)
    return _scaled(heat)


def _scaled(heat: np.ndarray) -> np.ndarray:
    heat = np.maximum(heat, 0)
    return heat / heat.max() if heat.any() else heat


def saliency_of(
    metadata: Metadata, image: Image.Image, name: str, heat_of: Explainer
) -> np.ndarray:
    """Draw the heat map of the class with this name over an image, uint8 `(SIZE, SIZE, 3)`."""
    label = metadata.labels.index(name)
    heat = heat_of(resize(image, metadata.image_size, metadata.resize), label)
    heat = (255 * cv2.resize(heat, (SIZE, SIZE))).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(heat, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(resize(image, SIZE, metadata.resize), 1 - OPACITY, colours, OPACITY, 0)


def occlusion(predictor: Predictor, pixels: np.ndarray, label: int) -> np.ndarray:
    """Return how much the class with this index depends on each region, float32 `(size, size)`.

    `pixels` is uint8 `(size, size, 3)`. A window in the image's mean colour covers one place after
    another. A place's value is the decrease in the class's log-odds, averaged over all windows that
    cover the place, and scaled to [0, 1]. If nothing decreased, all values are zero. See Zeiler and
    Fergus, Visualizing and Understanding Convolutional Networks, 2014
    (https://arxiv.org/abs/1311.2901).
    """
    windows = list(np.ndindex(STEPS - 1, STEPS - 1))
    log_odds = partial(_log_odds, predictor, pixels, label)
    whole, *scores = map_in_threads(log_odds, [None, *windows])
    fall, covers = np.zeros((2, STEPS, STEPS), np.float32)
    for (top, left), value in zip(windows, scores):
        fall[top : top + 2, left : left + 2] += whole - value
        covers[top : top + 2, left : left + 2] += 1
    return _scaled(cv2.resize(fall / covers, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _log_odds(
    predictor: Predictor, pixels: np.ndarray, label: int, window: tuple[int, int] | None
) -> float:
    """Return a class's log-odds for the image, with the window covered if one is given."""
    covered = pixels.copy()
    if window:
        edges = np.linspace(0, len(pixels), STEPS + 1).astype(int)
        top, left = window
        colour = pixels.mean(axis=(0, 1)).round().astype(np.uint8)
        covered[edges[top] : edges[top + 2], edges[left] : edges[left + 2]] = colour
    probabilities = class_probabilities(predictor.run(covered)["probability"])
    probability = np.clip(np.float64(probabilities[label]), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return float(np.log(probability / (1 - probability)))
