"""Write the trained model in other formats, run each export, and compare it with the served model.

Each format is one function, from `write_keras` to `write_page`. Exports have the same outputs as
the served model.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.artifacts import Run, open_run, read_pixels
from pawprint.base import paths
from pawprint.base.errors import InputError, name_some, printable, reason, silent_stderr
from pawprint.base.files import OF_SYSTEMS, replacing, write_text
from pawprint.base.labels import ONE_CLASS, LabelKind
from pawprint.base.runtime import CORES
from pawprint.base.threads import track
from pawprint.commands import export_page
from pawprint.commands.litert_model import add_metadata, for_litert
from pawprint.model.metadata import Metadata, write_metadata
from pawprint.model.predictor import RunNetwork, load_predictor
from pawprint.model.served_model import is_mirrored
from pawprint.model.unknown_score import Detector
from pawprint.network.hardware import keras
from pawprint.network.heads import HeadWeights
from pawprint.network.keras_backbone import KerasNetwork
from pawprint.network.keras_model import load_model, save_model, with_features
from pawprint.network.training import with_head
from pawprint.pipeline.params.model import Params

Arrays = dict[str, np.ndarray]  # keyed by name
TOLERANCE = 1e-3  # maximum difference from the outputs of the served model
HALF_TOLERANCE = 0.002  # the same with 16-bit weights
FEW = 20  # number of images on which the page is run once more
LABELMAP_FILE = "labelmap.txt"  # next to a LiteRT model, for Frigate


class Trained(NamedTuple):
    """A run's model, and the held-out images on which each export is compared with it.

    `model` has the outputs of `for_export`, and `expected` are the served model's for `photos`.
    """

    run: Run
    model: keras.Model
    photos: pd.Series
    expected: Arrays

    def folder(self, name: str) -> Path:
        """Return the folder of an export."""
        return self.run.folder / paths.EXPORT / name

    def pixels(self) -> Iterator[np.ndarray]:
        """Yield the pixels of each photo as `read_pixels` does."""
        return read_pixels(self.run, self.photos)

    def outputs(self, network: RunNetwork) -> Arrays:
        """Return the outputs of a network for the photos, as `all_outputs` does."""
        return all_outputs(network, self.pixels(), self.run.metadata.probabilities)

    def labels(self, outputs: Arrays) -> np.ndarray:
        """Return each photo's label, UNSURE or UNKNOWN, `(photos,)`."""
        scores = outputs.get("unknown_score")
        scores = None if scores is None else scores[:, 0]
        return self.run.metadata.answers(outputs["probability"], scores)


class Compared(NamedTuple):
    """An export in `folder`, compared with the served model on all photos.

    `changed` is the number of labels that differ, and `note` is empty or a line for the user.
    """

    folder: Path
    difference: float
    changed: int
    note: str = ""


def export_model(
    folder: Path,
    params: Params,
    formats: Sequence[str],
    runtime: dict[str, bytes],
    size: int | None = None,
    unknown_as: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Write a project's trained model in each format, in a folder of models/export/.

    `params` are the project's. `runtime` are the files that a page contains, and `size` and
    `unknown_as` are for LiteRT. Returns a table that compares each export with the served model, as
    text, and notes. Raises InputError if this model does not support a format, or if an export
    differs from it.
    """
    predictor = load_predictor(folder / paths.SERVED_MODEL)
    is_averaged = bool(predictor.compiled and is_mirrored(predictor.compiled.network))
    run = open_run(folder, predictor.metadata)
    labels = run.metadata.labels
    if unknown_as and (unknown_as not in labels or run.detector is None):
        raise InputError(
            f"--unknown-as: expected one of the classes {', '.join(labels)}, and a model with "
            f"calibrate.unknown_quantile. Received: {unknown_as}"
        )
    splits = ("validation", "test") if "page" in formats else ("test",)
    photos = run.split.loc[run.split["split"].isin(splits), "path"]
    keras.utils.clear_session()  # or Keras counts on from the names of earlier layers
    model = keras_model(folder, params)
    model = for_export(model, run.metadata.temperature, run.detector, run.metadata.kind)
    model = mean_over_flip(model) if is_averaged else model
    trained = Trained(run, model, photos, {})
    trained = trained._replace(expected=trained.outputs(predictor.run))
    writers: dict[str, Callable[[Trained], Compared]] = {
        "keras": write_keras,
        "litert": partial(write_litert, size=size, unknown_as=unknown_as),
        "onnx": write_onnx,
        "page": partial(write_page, params=params, runtime=runtime),
    }
    served = Compared(folder / paths.SERVED_MODEL, 0, 0)
    rows = [served, *(writers[name](trained) for name in track(formats, "export", unit="format"))]
    table = pd.DataFrame(
        {
            "format": row.folder.name,
            "MB": f"{sum(file.stat().st_size for file in row.folder.iterdir()) / 1e6:.2f}",
            "largest difference": f"{row.difference:.6f}",
            "changed labels": row.changed,
        }
        for row in rows
    )
    rule = run.metadata.crop_rule
    of_crops = rule and f"the model needs crops of boxes, cut by the rule {rule}, not whole photos"
    return table, [note for note in (*(row.note for row in rows), of_crops) if note]


def keras_model(folder: Path, params: Params) -> keras.Model:
    """Return a project's Keras model, from pixels to the head's output.

    If the stage prepared the backbone without Keras, the backbone is built again from
    `weights.source`. Raises InputError if this file, or a file of the run, is missing.
    """
    if (folder / paths.TRAINED_MODEL).exists():
        return load_model(folder / paths.TRAINED_MODEL)
    if (folder / paths.NO_BACKBONE).exists():
        network = KerasNetwork(params.model, params.weights.in_folder(folder)).backbone
    else:
        network = load_model(folder / paths.BACKBONE)
    head = HeadWeights.read(folder / paths.HEAD)
    return with_head(network, params.model, head, params.head)[0]


def write_keras(trained: Trained) -> Compared:
    """Write a Keras file, which always has the same bytes for the same model."""
    return _write(trained, "keras", save_model, open_keras)


def write_onnx(trained: Trained) -> Compared:
    """Write an ONNX file with tf2onnx."""
    return _write(trained, "onnx", lambda model, path: path.write_bytes(onnx_of(model)), open_onnx)


def _write(trained: Trained, name: str, write: Callable, read: Callable) -> Compared:
    folder = trained.folder(name)
    with exporting(folder, trained.run.metadata) as new:
        path = new / f"model.{name}"
        write(trained.model, path)
        outputs = trained.outputs(one_by_one(read(path)))
        require_close(folder, outputs, trained.expected)
    return _compared(trained, folder, outputs)


def write_litert(
    trained: Trained, size: int | None = None, unknown_as: str | None = None
) -> Compared:
    """Write a LiteRT file for phones and cameras, which `for_litert` describes.

    Its metadata never give the answers unknown and unsure. The labels that are compared with the
    served model's are the most probable ones, because programs for phones have no thresholds. If
    its `size` is not the model's own, the check compares it with Keras, because other pixels have
    other outputs.
    """
    served = trained.run.metadata
    labels = served.labels
    expected = trained.expected["probability"]
    fold = None
    if unknown_as and served.unknown_threshold is not None:
        fold = labels.index(unknown_as), served.unknown_threshold
        is_unknown = trained.expected["unknown_score"] > served.unknown_threshold
        expected = np.where(is_unknown, np.array(labels) == unknown_as, expected)
    described = {"image_size": size or served.image_size, "activation": "softmax"}
    limits = {"unknown_threshold": None, "min_confidence": None}
    metadata = served.model_copy(update=described | limits)
    run = trained.run._replace(metadata=metadata)
    trained = trained._replace(run=run, expected={"probability": expected})
    model = for_litert(trained.model, metadata.image_size, fold)
    folder = trained.folder("litert")
    with exporting(folder, metadata) as new:
        path = new / "model.tflite"
        convert_with_keras(model, path, "litert")
        add_metadata(path, labels)
        write_text(new / LABELMAP_FILE, "".join(f"{label}\n" for label in labels))
        outputs = trained.outputs(one_by_one(open_litert(path)))
        required = trained.expected
        if metadata.image_size != served.image_size:
            required = trained.outputs(one_by_one(run_keras(model)))
        require_close(folder, outputs, required)
    labelled = np.array(labels)[outputs["probability"].argmax(axis=1)]
    changed = int((labelled != trained.labels(trained.expected)).sum())
    lost = f"litert: thresholds are lost in programs for phones: {name_some(served.thresholds)}"
    note = lost if served.thresholds else ""
    return Compared(folder, largest_difference(outputs, trained.expected), changed, note)


def write_page(trained: Trained, params: Params, runtime: dict[str, bytes]) -> Compared:
    """Write an HTML page, with large arrays in float16 if this changes no label of the photos."""
    folder = trained.folder("page")
    with exporting(folder, trained.run.metadata) as new:
        network = onnx_of(trained.model)
        small = export_page.with_half_weights(network)
        outputs = trained.outputs(one_by_one(open_onnx(small)))
        compared = _compared(trained, folder, outputs)
        is_half = compared.changed == 0 and compared.difference <= HALF_TOLERANCE
        chosen = small if is_half else network
        text = export_page.page_of(chosen, trained.run, params, runtime)
        write_text(new / export_page.PAGE_FILE, text)
        # With 16 bits, the network has already been run on all images.
        photos = trained.photos.iloc[: FEW if is_half else None]
        run = one_by_one(open_onnx(export_page.network_in(new / export_page.PAGE_FILE)))
        of_page = trained._replace(photos=photos).outputs(run)
        expected = {name: values[: len(photos)] for name, values in trained.expected.items()}
        require_close(folder, of_page, expected, HALF_TOLERANCE if is_half else TOLERANCE)
    note = (
        f"page: {16 if is_half else 32}-bit weights, because 16 bits change {compared.changed:,} "
        f"of {len(trained.photos):,} labels, and outputs by up to {compared.difference:.4f}"
    )
    return (compared if is_half else _compared(trained, folder, of_page))._replace(note=note)


def _compared(trained: Trained, folder: Path, outputs: Arrays) -> Compared:
    """Compare an export's outputs with the expected ones."""
    is_changed = trained.labels(outputs) != trained.labels(trained.expected)
    difference = largest_difference(outputs, trained.expected)
    return Compared(folder, difference, int(is_changed.sum()))


@contextmanager
def exporting(folder: Path, metadata: Metadata) -> Iterator[Path]:
    """Yield a new folder for the files of an export, which replaces `folder` if all goes well.

    Adds model.json. Raises InputError if a converter fails, or if `folder` contains files that an
    export does not write.
    """
    with replacing(folder) as new:
        new.mkdir()
        try:
            with silent_stderr():  # converters print their progress
                yield new
        except (InputError, OSError):  # caused by an image or a disk, not by the model
            raise
        except Exception as error:  # a converter may raise any exception
            raise InputError(f"{folder}: cannot convert the model: {reason(error)}") from None
        write_metadata(new, metadata)
        for path in sorted(folder.rglob("*")):
            is_new = path.is_file() and not (new / path.relative_to(folder)).exists()
            if is_new and path.name not in OF_SYSTEMS:
                raise InputError(
                    f"{printable(str(path))}: cannot replace {folder}, because export did not "
                    "write this file. Move it to another folder."
                )


def require_close(
    folder: Path, outputs: Arrays, expected: Arrays, tolerance: float = TOLERANCE
) -> None:
    """Raise InputError if an output differs by more than the tolerance, or is NaN."""
    difference = largest_difference(outputs, expected)
    if not difference <= tolerance:
        raise InputError(
            f"{folder}: expected outputs within {tolerance} of the served model's. Received: a "
            f"difference of {difference:.4f}. Run `dvc repro`, or choose another format."
        )


def for_export(
    model: keras.Model, temperature: float, detector: Detector | None, kind: LabelKind = ONE_CLASS
) -> keras.Model:
    """Return a model with calibrated outputs that every format supports.

    If an image can show several labels, each has a sigmoid.

    The outputs are `probability`, `(batch, units)`, and `unknown_score`, `(batch, 1)`, if there is
    a detector. The model consists of standard Keras layers, which repeat the computation of
    `detector.unknown_score`.
    """
    network = with_features(model)
    logits, features = network.outputs
    last = network.get_layer("logits")
    last.set_weights([weight / temperature for weight in last.get_weights()])
    function = kind.activation(logits.shape[-1])
    outputs = {"probability": keras.layers.Activation(function, name="probability")(logits)}
    if detector:
        components, channels = detector.components.shape
        unit = keras.layers.UnitNormalization()(features)
        projection = keras.layers.Dense(components, name="project")
        restore = keras.layers.Dense(channels, name="restore")
        residual = keras.layers.Subtract()([unit, restore(projection(unit))])
        projection.set_weights([detector.components.T, -detector.components @ detector.mean])
        restore.set_weights([detector.components, detector.mean])
        direction = keras.layers.UnitNormalization()(residual)
        norm = keras.layers.Dot(axes=1, name="unknown_score")
        outputs["unknown_score"] = norm([residual, direction])
    return keras.Model(network.input, outputs, name="pawprint")


def mean_over_flip(model: keras.Model) -> keras.Model:
    """Return a model whose outputs are averaged over each image and its mirror image.

    If an output comes from a layer named `probability`, the inputs of this layer are averaged.
    """
    activation = model.get_layer("probability")
    single = keras.Model(model.input, model.output | {"probability": activation.input})
    pixels = keras.Input(model.input_shape[1:], name="pixels")
    first = single(pixels)
    second = single(keras.ops.flip(pixels, axis=2))
    outputs = {name: (first[name] + second[name]) / 2 for name in first}
    outputs["probability"] = activation(outputs["probability"])
    return keras.Model(pixels, outputs, name=model.name)


def all_outputs(
    run: RunNetwork,
    images: Iterable[np.ndarray],
    convert: Callable[[np.ndarray], np.ndarray] = ONE_CLASS.of_units,
) -> Arrays:
    """Return the outputs for images, each uint8 `(size, size, 3)`, float64, keyed by name.

    They are `probability`, `(images, classes)`, which `convert` returns for all units, and for some
    models `unknown_score`, `(images, 1)`.
    `run` takes one image, without a batch axis.
    """
    rows = [run(pixels) for pixels in images]
    outputs = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
    return outputs | {"probability": convert(outputs["probability"])}


def largest_difference(outputs: Arrays, expected: Arrays) -> float:
    """Return the outputs' largest difference from the expected ones, NaN if one of them is NaN."""
    return np.max([np.abs(values - expected[name]).max() for name, values in outputs.items()])


def one_by_one(run: RunNetwork) -> RunNetwork:
    """Turn a network for batches into a function of one image, uint8 `(size, size, 3)`."""
    return lambda pixels: {name: values[0] for name, values in run(pixels[None]).items()}


def open_litert(path: Path) -> RunNetwork:
    """Open a LiteRT file. Fails if it contains TensorFlow operations, which LiteRT cannot run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=CORES)
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner()
    return lambda pixels: signature(pixels=pixels)


def open_onnx(file: Path | bytes) -> RunNetwork:
    """Open an ONNX file, or its bytes.

    Raises ValueError if tf2onnx could not convert some operations.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    batch, *operations = session.get_inputs()
    if operations:  # tf2onnx adds an input for an unsupported operation, such as SiLU
        raise ValueError(f"{len(operations)} operations that tf2onnx left out. Use litert")
    names = [output.name for output in session.get_outputs()]
    return lambda pixels: dict(
        zip(names, session.run(None, {batch.name: pixels.astype(np.float32)}))
    )


def open_keras(path: Path) -> RunNetwork:
    """Open a Keras file."""
    return run_keras(keras.models.load_model(path, compile=False))


def run_keras(model: keras.Model) -> RunNetwork:
    """Return a function that runs a Keras model."""
    return lambda pixels: {
        name: tensor.numpy()
        for name, tensor in model(pixels.astype(model.input.dtype), training=False).items()
    }


def convert_with_keras(model: keras.Model, path: Path, keras_name: str) -> None:
    """Write a model to `path` in the format that Keras calls `keras_name`."""
    model(model.inputs)  # Keras only exports a model that has been called
    model.export(str(path), format=keras_name, verbose=False)


def onnx_of(model: keras.Model) -> bytes:
    """Return a model as the bytes of an ONNX file.

    The batch dimension is named, because tf2onnx only writes a number.
    """
    import onnx

    with TemporaryDirectory() as folder, silent_stderr():
        path = Path(folder, "model.onnx")
        convert_with_keras(model, path, "onnx")
        file = onnx.load(path)
    for tensor in (*file.graph.input, *file.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    return file.SerializeToString()
