"""Write exported models, run them, and compare them with the served one."""

import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from packaging.version import Version

from pawprint.classes import class_probabilities
from pawprint.engine.mapping import map_in_threads
from pawprint.errors import InputError, printable, reason, silent_stderr
from pawprint.features.views import resize
from pawprint.files import replacing
from pawprint.images.archive import Archive, open_archive
from pawprint.images.reading import open_image
from pawprint.installation import install_command
from pawprint.model.detector import Detector
from pawprint.model.html_page import OF_ONNX, PAGE_FILE, network_in
from pawprint.model.metadata import Metadata, write_metadata
from pawprint.model.predictor import RunNetwork
from pawprint.network.hardware import keras, tf
from pawprint.network.keras_model import activation_for, save_model, with_features
from pawprint.runtime import CORES

NamedOutputs = dict[str, np.ndarray]  # keyed by name
WRITES_LITERT = Version("3.13")  # minimum Keras version
TOLERANCE = 1e-3  # maximum difference from the outputs of the served model


class Format(NamedTuple):
    """An export format: the file name in the model's folder, Keras' format name, and `open`.

    `open(path)` returns a function from float32 pixels `(1, size, size, 3)` to outputs keyed by
    name. An empty `file` stands for the folder itself. The `export` extra installs `modules`.
    """

    file: str
    keras_name: str
    open: Callable[[Path], RunNetwork]
    modules: tuple[str, ...] = ()


def require_modules(name: str, *, is_of_keras: bool = True) -> None:
    """Raise InputError if a module that the format needs is not installed, or Keras is too old.

    The converter tf2onnx is only needed for Keras networks.
    """
    if name == "litert" and Version(keras.__version__) < WRITES_LITERT:
        raise InputError(
            f"litert: expected Keras {WRITES_LITERT} or later. Received: {keras.__version__}. Run "
            f"`pip install 'keras>={WRITES_LITERT}'`."
        )
    for module in FORMATS[name].modules:
        is_needed = is_of_keras or module != "tf2onnx"
        if is_needed and importlib.util.find_spec(module) is None:
            raise InputError(
                f"{name}: the package {module} is not installed. Run `{install_command('export')}`."
            )


def open_litert(path: Path) -> RunNetwork:
    """Open a LiteRT file. Fails if it contains TensorFlow operations, which LiteRT cannot run."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=CORES)
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner()
    (name,) = signature.get_input_details()
    return lambda pixels: signature(**{name: pixels})


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
    return lambda pixels: dict(zip(names, session.run(None, {batch.name: pixels})))


def open_page(path: Path) -> RunNetwork:
    """Open the network in a page, from the same bytes that a browser runs."""
    return open_onnx(network_in(path))


def open_keras(path: Path) -> RunNetwork:
    """Open a Keras file."""
    model = keras.models.load_model(path, compile=False)
    return lambda pixels: {
        name: tensor.numpy() for name, tensor in model(pixels, training=False).items()
    }


def open_saved_model(path: Path) -> RunNetwork:
    """Open a SavedModel folder."""
    loaded = tf.saved_model.load(str(path))
    return lambda pixels: {name: tensor.numpy() for name, tensor in loaded.serve(pixels).items()}


FORMATS = {
    "keras": Format("model.keras", "keras", open_keras),
    "litert": Format("model.tflite", "litert", open_litert, modules=("ai_edge_litert",)),
    "onnx": Format("model.onnx", "onnx", open_onnx, OF_ONNX),
    "page": Format(PAGE_FILE, "onnx", open_page, OF_ONNX),
    "saved_model": Format("", "tf_saved_model", open_saved_model),
}


def for_export(
    model: keras.Model, temperature: float, detector: Detector | None = None
) -> keras.Model:
    """Return a model with calibrated outputs that every format supports.

    The outputs are `probability`, `(batch, units)`, and `unknown_score`, `(batch, 1)`, if there is
    a detector. The model consists of standard Keras layers, which repeat the computation of
    `detector.unknown_score`.
    """
    network = with_features(model)
    logits, features = network.outputs
    last = network.get_layer("logits")
    last.set_weights([weight / temperature for weight in last.get_weights()])
    activation = keras.layers.Activation(activation_for(logits.shape[-1]), name="probability")
    outputs = {"probability": activation(logits)}
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


def read_pixels(archives: Path, members: pd.Series, metadata: Metadata) -> Iterator[np.ndarray]:
    """Yield the pixels of each archive member as the model needs them, uint8 `(size, size, 3)`."""
    with open_archive(archives, metadata.bits) as archive:
        yield from map_in_threads(partial(_read_member, archive, metadata), members)


def _read_member(archive: Archive, metadata: Metadata, name: str) -> np.ndarray:
    image = open_image(archive, name, metadata.decoded_side)
    return resize(image, metadata.image_size, metadata.resize)


def all_outputs(run: RunNetwork, images: Iterable[np.ndarray]) -> NamedOutputs:
    """Return the outputs for images `(size, size, 3)`, float64, keyed by name.

    They are `probability`, `(images, classes)`, and for some models `unknown_score`, `(images, 1)`.
    """
    rows = [run(pixels) for pixels in images]
    outputs = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
    return outputs | {"probability": class_probabilities(outputs["probability"])}


def largest_difference(outputs: NamedOutputs, expected: NamedOutputs) -> float:
    """Return the outputs' largest difference from the expected ones, NaN if one of them is NaN."""
    return np.max([np.abs(values - expected[name]).max() for name, values in outputs.items()])


class Reference(NamedTuple):
    """Images, the served model's outputs for them, and the largest difference allowed."""

    images: Iterable[np.ndarray]
    expected: NamedOutputs
    tolerance: float = TOLERANCE


def export(
    name: str,
    model: keras.Model | Callable[[Path], None],
    metadata: Metadata,
    folder: Path,
    reference: Reference,
) -> NamedOutputs:
    """Write a model and its metadata to `folder` and return its outputs as `all_outputs` does.

    `model` is either a Keras model or a function that writes a file to a path. Raises InputError,
    and leaves `folder` unchanged, if the model cannot be converted, if an output of the converted
    model differs by more than the tolerance, or if `folder` contains unrelated files.
    """
    form = FORMATS[name]
    with replacing(folder) as new:
        new.mkdir()
        path = new / form.file
        with _converting(f"{folder}: cannot convert the model to {name}"):
            run = _write_and_open(model, path, form)
            outputs = all_outputs(one_by_one(run), reference.images)
        difference = largest_difference(outputs, reference.expected)
        if not difference <= reference.tolerance:
            raise InputError(
                f"{folder}: expected outputs within {reference.tolerance} of the served model's. "
                f"Received: a difference of {difference:.4f}. Run `dvc repro`, or choose another "
                "format."
            )
        write_metadata(new, metadata)
        _require_own(folder, new)
    return outputs


@contextmanager
def _converting(problem: str) -> Iterator[None]:
    """Convert errors of a converter to an InputError that begins with the problem."""
    try:
        yield
    except (InputError, OSError):  # caused by an image or a disk, not by the model
        raise
    except Exception as error:  # a converter may raise any exception
        raise InputError(f"{problem}: {reason(error)}") from None


def one_by_one(run: RunNetwork) -> RunNetwork:
    """Turn a network for batches into a function of one image, uint8 `(size, size, 3)`."""
    return lambda pixels: {
        name: values[0] for name, values in run(pixels[None].astype(np.float32)).items()
    }


def _write_and_open(
    model: keras.Model | Callable[[Path], None], path: Path, form: Format
) -> RunNetwork:
    with silent_stderr():  # converters print their progress
        if not isinstance(model, keras.Model):
            model(path)
        elif form.keras_name == "keras":
            save_model(model, path)  # always writes the same bytes
        else:
            convert_with_keras(model, path, form.keras_name)
        return form.open(path)


def convert_with_keras(model: keras.Model, path: Path, keras_name: str) -> None:
    """Write a model to `path` in the format that Keras calls `keras_name`."""
    model(model.inputs)  # Keras only exports a model that has been called
    model.export(str(path), format=keras_name, verbose=False)
    if keras_name == "onnx":
        name_dimensions(path)


def name_dimensions(path: Path) -> None:
    """Name the batch dimension in an ONNX file, because tf2onnx only writes a number."""
    import onnx

    file = onnx.load(path)
    for tensor in (*file.graph.input, *file.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(file, path)


def onnx_of(model: keras.Model | Callable[[Path], None]) -> bytes:
    """Return a model as the bytes of an ONNX file. Raises InputError if conversion fails."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        with _converting("cannot convert the model to onnx"):
            _write_and_open(model, path, FORMATS["onnx"])
        return path.read_bytes()


def _require_own(folder: Path, new: Path) -> None:
    """Raise InputError if `folder`, to be replaced by `new`, has files that `new` lacks."""
    for path in sorted(folder.rglob("[!.]*")):  # skip the hidden files of file managers
        if path.is_file() and not (new / path.relative_to(folder)).exists():
            raise InputError(
                f"{printable(str(path))}: cannot replace {folder}, because export did not write "
                "this file. Move it to another folder."
            )


ROUNDS = 50  # number of rounds; the fastest one counts


def milliseconds(runs: Sequence[RunNetwork], pixels: np.ndarray) -> list[float]:
    """Return the shortest time that each network takes for an image, uint8 `(size, size, 3)`.

    The networks take turns. The shortest time is used because other programs can only add time.
    """
    batch = pixels[None].astype(np.float32)
    times = np.empty((ROUNDS, len(runs)))
    for number in range(ROUNDS):
        for column, run in enumerate(runs):
            start = time.perf_counter()
            run(batch)
            times[number, column] = time.perf_counter() - start
    return (1000 * times.min(axis=0)).tolist()
