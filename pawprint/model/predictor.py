"""Predict the labels of images and image files with a served or exported model."""

import os
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from PIL import Image

from pawprint.base import package, paths
from pawprint.base.columns import PROBABILITY
from pawprint.base.errors import InputError, counted, name_some, printable, reason, silent_stderr
from pawprint.base.files import md5_of_folder, reading, walk
from pawprint.base.runtime import CompiledNetwork, compile_for_cpu
from pawprint.base.threads import map_items, track
from pawprint.given.archive import UnusableImageError
from pawprint.given.boxes import FAILURES, Photo, crop_name, cut, why
from pawprint.given.decoding.decoder import DecodedImage
from pawprint.given.names import count_suffixes, is_image_name
from pawprint.given.reading import decode_file, read_file, sha256_of_all_pixels, to_upright_rgb
from pawprint.model import served_model
from pawprint.model.metadata import Metadata, read_metadata
from pawprint.network.views import resize
from pawprint.pipeline.recorded import Recorded

if TYPE_CHECKING:
    import pandas as pd


def take_images(folder: Path, names: Sequence[str], table: Container[str] = ()) -> list[str]:
    """Return the images among these files in a folder and report the other files on stderr.

    Files listed in `table` are images, whatever their suffix.
    """
    images = [name for name in names if name in table or is_image_name(name)]
    if others := sorted(set(names).difference(images)):
        line = f"{counted(len(others), 'other file')} ({count_suffixes(others)})"
        print(f"{printable(str(folder))}: {line}", file=sys.stderr)
    return images


def names_below(folder: Path) -> list[str]:
    """Return the paths of all files below a folder, following links, sorted by path component.

    Folders that are not searched are listed on stderr.
    """
    left_out: list[tuple[Path, str]] = []
    files = sorted(walk(folder, lambda path, why: left_out.append((path, why))))
    for path, problem in left_out:
        print(f"{printable(str(path))}: not searched: {problem}", file=sys.stderr)
    return [path.relative_to(folder).as_posix() for path in files]


def find_images(paths: list[Path]) -> list[Path]:
    """Return the given files, and all images in the given folders, sorted."""
    images = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
            images += [path / name for name in take_images(path, names_below(path))] or [path]
        else:
            images.append(path)
    return images


OF_BOXES = ("photo", "box", "confidence")  # further cells in the row of a box
WITHOUT_RULE = "square 0.0"  # for boxes, if the model was trained on whole photos
TOLERANCE = 1e-3  # maximum distance of the probabilities' sum from 1
RunNetwork = Callable[[np.ndarray], dict[str, np.ndarray]]  # from pixels to outputs keyed by name
URL = re.compile("[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)
Source = Image.Image | bytes | str | os.PathLike  # of one image


def wrong_type(image: object) -> TypeError:
    """Return the error for an object that is not an image. It explains how to convert an array."""
    received = f"Received: {type(image).__name__}."
    if hasattr(image, "__array__"):
        received += (
            " Convert a NumPy array, uint8 (height, width, 3), with `PIL.Image.fromarray(array)` "
            "if it is RGB, and with `PIL.Image.fromarray(array[..., ::-1])` if it is BGR, as from "
            "OpenCV."
        )
    return TypeError(
        "predict: expected a path, the bytes of an image file, or a Pillow image; or a list of "
        f"paths to images and folders, or another iterable. {received}"
    )


def _path(value: object) -> Path:
    """Return a path as a Path. Raises TypeError for any other object, and InputError for a URL."""
    if isinstance(value, str | os.PathLike):
        if URL.match(text := os.fsdecode(value)):
            raise InputError(f"predict: expected a file or its bytes. Received: {text}")
        return Path(text)
    raise wrong_type(value)


class Prediction(NamedTuple):
    """A model's prediction for an image.

    `label` is one of the labels, "unsure" or "unknown". `probabilities`, float64 `(classes,)`,
    contains one value per label; all values sum to 1. If the model names several labels, `label` is
    such as "sea|sunset" or "none", and the values do not sum to 1. `unknown_score` is None if the
    model has no unknown threshold. `features`, float32 `(channels,)`, are the means of the
    backbone's maps, or None for an export.
    """

    label: str
    probabilities: np.ndarray
    unknown_score: float | None
    features: np.ndarray | None


@dataclass(frozen=True)
class Predictor:
    """Predicts the labels of images. Several threads may share one predictor.

    `run` takes uint8 pixels `(image_size, image_size, 3)` and returns the network's float32
    outputs, keyed by name. `probability`, `(units,)`, refers to `metadata.labels[1]` if there are
    two labels, and to each label if there are more. If `metadata.unknown_threshold` is a number,
    `unknown_score` is `(1,)`. A served model also returns `features`, `(channels,)`.
    """

    folder: Path
    metadata: Metadata
    run: RunNetwork
    compiled: CompiledNetwork | None = None  # of a file, for `run`

    def __repr__(self) -> str:
        return f"<Predictor {self.folder}: {name_some(self.metadata.labels)}>"

    def decode(self, data: bytes) -> DecodedImage:
        """Decode a file's bytes for `predict`. Raises UnusableImageError."""
        return decode_file(data, self.metadata.bits, self.metadata.decoded_side)

    @overload
    def predict(self, image: Source) -> Prediction: ...

    @overload
    def predict(self, image: "Iterable[str | os.PathLike]") -> "pd.DataFrame": ...

    def predict(self, image: "Source | Iterable[str | os.PathLike]") -> "Prediction | pd.DataFrame":
        """Return the prediction for a path, the bytes of an image file, or a Pillow image.

        For a folder, or for a sequence of images and folders, return the table from `predict_all`.

        Raises InputError if the file cannot be read or decoded, or if an output is not finite or
        `probability` is not a probability, and TypeError for other objects such as arrays. If the
        image is damaged, the InputError is an UnusableImageError.
        """
        if isinstance(image, Image.Image):
            return self.predict_rgb(to_upright_rgb(image))
        if isinstance(image, str | os.PathLike):
            path = _path(image)
            is_folder = os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for long names
            return predict_all(self, [path]) if is_folder else self.predict_rgb(self.open(path))
        if isinstance(image, bytes | bytearray | memoryview):
            return self.predict_rgb(self.decode(bytes(image)).image)
        # The lines of a file can be iterated over, too, and so can the names of columns or keys.
        is_other = isinstance(image, Mapping) or hasattr(image, "columns") or hasattr(image, "read")
        if isinstance(image, Iterable) and not is_other:
            return predict_all(self, [_path(each) for each in image])
        raise wrong_type(image)

    def open(self, path: Path) -> Image.Image:
        """Read and decode a file to upright RGB. Raises InputError, with the path."""
        name = printable(str(path))
        try:
            with reading():
                return self.decode(read_file(path)).image
        except UnusableImageError as error:
            error.args = (f"{name}: {error}",)
            raise
        except (OSError, ValueError) as error:  # ValueError means an invalid path
            raise InputError(f"cannot read {name}: {error}. Choose an image file.") from None

    def predict_rgb(self, image: Image.Image) -> Prediction:
        """Return the prediction for an upright RGB image, such as one from `decode`."""
        metadata = self.metadata
        outputs = self.run(resize(image, metadata.image_size, metadata.resize))
        self._check(outputs)
        probabilities = metadata.probabilities(outputs["probability"].astype(np.float64))
        threshold = metadata.unknown_threshold
        score = None if threshold is None else float(outputs["unknown_score"][0])
        label = str(metadata.answers(probabilities, score))
        return Prediction(label, probabilities, score, outputs.get(served_model.FEATURES))

    def _check(self, outputs: dict[str, np.ndarray]) -> None:
        values = outputs["probability"]
        total = values.sum(dtype=np.float64)
        is_finite = all(np.isfinite(output).all() for output in outputs.values())
        sums_to_one = len(values) > 1 and self.metadata.exclusive
        is_one_sum = not sums_to_one or abs(total - 1) <= TOLERANCE
        if not (is_finite and is_one_sum and ((values >= 0) & (values <= 1)).all()):
            raise InputError(
                f"{self.folder}: expected finite outputs, and probabilities in [0, 1], which sum "
                f"to 1 for more than two labels. Received: {', '.join(outputs)}, with "
                f"probabilities from {values.min():g} to {values.max():g}, sum {total:g}"
            )


def load_predictor(folder: str | Path) -> Predictor:
    """Load the model in `models/served` or in an export's folder.

    Raises InputError if the folder is missing or damaged, or does not contain a matching model.
    """
    folder = Path(folder)
    metadata = read_metadata(folder)
    path = next((folder / name for name in served_model.FILES if name in metadata.files), None)
    if path is None:
        problem = "Models of versions before 0.6 must be made again"
        if metadata.files:
            problem = f"This export, {name_some(metadata.files)}, only runs in other programs"
        raise InputError(
            f"{folder}: expected {' or '.join(served_model.FILES)}. {problem}: use "
            f"{paths.SERVED_MODEL}, or an export to litert or onnx."
        )
    try:
        with silent_stderr():
            names = served_model.output_names(metadata)
            compiled = compile_for_cpu(served_model.read_model(path, metadata))
    except Exception as error:  # libraries may raise any exception for a damaged file
        raise InputError(
            f"{path}: expected a served or exported model. Received: {reason(error)}"
        ) from None
    run = partial(named_outputs, compiled, names)  # a partial can be pickled
    return Predictor(folder, metadata, run, compiled)


def named_outputs(
    compute: CompiledNetwork, names: Sequence[str], pixels: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the float32 outputs for uint8 pixels `(size, size, 3)`, keyed by `names`.

    The network may lack the last one.
    """
    return dict(zip(names, compute(pixels)))


def default_model() -> Path:
    """Return the served model or, outside a project with a model, the bundled example.

    If the example is used, a line on stderr says so. Raises InputError if the model is damaged.
    """
    served = paths.SERVED_MODEL
    example = package.EXAMPLE_MODEL
    if served.exists():
        return served
    if paths.PARAMS.exists():
        recorded = Recorded().hash_of("evaluate", paths.SERVED_MODEL)
        if recorded != md5_of_folder(example):
            return served
    print(f"using the example model, {example}, because {served} does not exist", file=sys.stderr)
    return example


def predict_all(predictor: Predictor, paths: list[Path]) -> "pd.DataFrame":
    """Return a table with a row for each of these images and each image in these folders.

    The columns are `path`, `label`, the probability of each class (such as `probability_cat`),
    `unknown_score`, and `error`, which contains the reason if an image has no label. In that case,
    the other cells are NaN.
    """
    import pandas as pd  # serving alone does not need pandas

    names = [PROBABILITY + label for label in predictor.metadata.labels]
    cells = [
        row | {PROBABILITY + label: value for label, value in row["probabilities"].items()}
        for row in predict_each(predictor, find_images(paths), has_hashes=False)
    ]
    table = pd.DataFrame(cells, columns=["path", "label", *names, "unknown_score", "error"])
    return table.astype(dict.fromkeys([*names, "unknown_score"], "float64"))


def predict_each(
    predictor: Predictor,
    images: list[Path],
    further: Callable[[Image.Image, Prediction], dict] | None = None,
    has_hashes: bool = True,
) -> Iterator[dict]:
    """Yield the prediction for each image, in order, as soon as it is ready.

    A row contains the path, label, probabilities, unknown score, error, pixel hash, and the model's
    identity. `label` may be UNSURE or UNKNOWN. `probabilities` maps all classes to their
    probabilities, with what is predicted first and the others in decreasing order. If an error
    occurred, both are empty. `unknown_score` is None after an error, and for models without a
    detector. The hash requires decoding large images in full; without `has_hashes`, the hash is "".
    `further` returns additional cells for rows without an error.
    """
    # Convert names to UTF-8 in any locale.
    names = (os.fsencode(path).decode("utf-8", "surrogateescape") for path in images)
    items = ((printable(name), path.absolute()) for name, path in zip(names, images))
    predict = partial(_predict_file, predictor, further, has_hashes)
    yield from track(map_items(predict, items, waits=True), "predict", len(images))


def _predict_file(
    predictor: Predictor,
    further: Callable[[Image.Image, Prediction], dict] | None,
    has_hashes: bool,
    item: tuple[str, Path],
) -> dict:
    """Return the row of `predict_each` for an image, given its name and path."""
    name, path = item
    try:
        decoded = predictor.decode(data := read_file(path))
        prediction = predictor.predict_rgb(image := decoded.image)
    except FAILURES as error:
        return _row(predictor, name, error=why(error))
    row = _row(predictor, name, prediction)
    if has_hashes:
        row["pixels_sha256"] = sha256_of_all_pixels(decoded, data, predictor.metadata.bits)
    return row | further(image, prediction) if further else row


def _row(
    predictor: Predictor, name: str, prediction: Prediction | None = None, error: str = ""
) -> dict:
    """Return a row of `predict_each` without a hash, for a prediction or an error."""
    label, probabilities, score = "", {}, None
    if prediction:
        label, score = prediction.label, prediction.unknown_score
        labels, values = predictor.metadata.labels, prediction.probabilities.tolist()
        order = predictor.metadata.order(prediction.probabilities)
        probabilities = {labels[index]: round(values[index], 4) for index in order}
    return {
        "path": name,
        "label": label,
        "probabilities": probabilities,
        "unknown_score": None if score is None else round(score, 4),
        "error": error,
        "pixels_sha256": "",
        "model": predictor.metadata.model or "",
    }


def predict_boxes(predictor: Predictor, folder: Path, photos: list[Photo]) -> Iterator[dict]:
    """Yield a row like `predict_each` for each box, in order, and for each photo that fails.

    Boxes are cut by the model's rule or, if it was trained on whole photos, by WITHOUT_RULE. `path`
    is the name of the crop as `pawprint crop` calls it, or of the photo that fails. OF_BOXES are
    further: the photo's path in the JSON, the box's place in the photo, and the confidence of the
    detector, or None. There is no hash. Each photo is decoded once.
    """
    items = ((photo.file, folder.absolute(), photo) for photo in photos)
    predict = partial(_predict_photo, predictor)
    for rows in track(map_items(predict, items, waits=True), "predict", len(photos), "photo"):
        yield from rows


def _predict_photo(predictor: Predictor, item: tuple[str, Path, Photo]) -> list[dict]:
    """Return the rows of `predict_boxes` for a photo, given its name and folder."""
    file, folder, photo = item
    metadata = predictor.metadata
    rule = metadata.crop_rule or WITHOUT_RULE
    try:
        crops = cut(photo.read(folder), photo, rule, metadata.bits, metadata.decoded_side)
        return [
            _row(predictor, printable(crop_name(photo, box)), predictor.predict_rgb(crop))
            | dict(zip(OF_BOXES, (photo.name, box.place, box.confidence)))
            for box, crop in zip(photo.boxes, crops)
        ]
    except FAILURES as error:
        row = _row(predictor, printable(file), error=why(error))
        return [row | dict(zip(OF_BOXES, (photo.name, None, None)))]
