"""The formats of exported models: how each is written, and its own runtime."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pawprint.core.errors import InputError
from pawprint.network.backend import keras, tf
from pawprint.runtime.compiled import CORES

Run = Callable[[np.ndarray], np.ndarray]
SMALLER = [tf.lite.Optimize.DEFAULT]


@dataclass(frozen=True)
class Format:
    """The model's file in its folder, `write(model, path, calibration)`, and `open(path)`: a Run.

    An empty `file` stands for the folder itself. `calibration` is uint8 pixels
    `(images, size, size, 3)`, which only int8 needs; a Run takes a batch of one image. `tolerance`
    is the largest accepted difference to Keras' probability: any where weights are rounded.
    `modules` are needed beside requirements.txt.
    """

    file: str
    write: Callable[[keras.Model, Path, np.ndarray], None]
    open: Callable[[Path], Run]
    tolerance: float = 1e-3
    modules: tuple[str, ...] = ()


def require_modules(name: str) -> None:
    """Raise InputError unless the modules that the format of this name needs are installed."""
    for module in FORMATS[name].modules:
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"{name}: expected the package {module} to be installed. Received: none. "
                "Run `pip install -c requirements.txt -r requirements-export.txt`."
            )


def write_litert(model: keras.Model, path: Path, _: np.ndarray) -> None:
    _export_litert(model, path, {})


def write_litert_float16(model: keras.Model, path: Path, _: np.ndarray) -> None:
    """Weights as float16."""
    _export_litert(model, path, {"supported_types": [tf.float16]}, optimizations=SMALLER)


def write_litert_int8(model: keras.Model, path: Path, calibration: np.ndarray) -> None:
    """Weights and feature maps as int8; the range of each map is that over the calibration."""

    def batches() -> Iterator[list[np.ndarray]]:
        for image in calibration:
            yield [image[None].astype(np.float32)]

    only_int8 = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]}
    _export_litert(model, path, only_int8, optimizations=SMALLER, representative_dataset=batches)


def _export_litert(model: keras.Model, path: Path, target: dict, **options) -> None:
    # LiteRT's own operations only: others would need TensorFlow beside it.
    target = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]} | target
    model.export(path, format="litert", verbose=False, target_spec=target, **options)


def open_litert(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=CORES)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(pixels: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(taken["index"], pixels)
        interpreter.invoke()
        return interpreter.get_tensor(given["index"])

    return run


def write_onnx(model: keras.Model, path: Path, _: np.ndarray) -> None:
    model.export(str(path), format="onnx", verbose=False)


def open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    return lambda pixels: session.run(None, {taken.name: pixels})[0]


def write_saved_model(model: keras.Model, path: Path, _: np.ndarray) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def open_saved_model(path: Path) -> Run:
    loaded = tf.saved_model.load(str(path))
    return lambda pixels: loaded.serve(pixels).numpy()


def write_h5(model: keras.Model, path: Path, _: np.ndarray) -> None:
    model.save(path)


def open_h5(path: Path) -> Run:
    return keras.models.load_model(path, compile=False).predict_on_batch


LITERT = ("ai_edge_litert",)
FORMATS = {
    "litert": Format("model.tflite", write_litert, open_litert, modules=LITERT),
    "litert-float16": Format(
        "model.tflite", write_litert_float16, open_litert, tolerance=1, modules=LITERT
    ),
    "litert-int8": Format(
        "model.tflite", write_litert_int8, open_litert, tolerance=1, modules=LITERT
    ),
    "onnx": Format("model.onnx", write_onnx, open_onnx, modules=("tf2onnx", "onnxruntime")),
    "saved_model": Format("", write_saved_model, open_saved_model),
    "h5": Format("model.h5", write_h5, open_h5),
}
