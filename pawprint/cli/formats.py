"""The formats of exported models: how each is written, and its own runtime."""

import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pawprint.core.errors import InputError
from pawprint.network.backend import keras, tf
from pawprint.runtime.compiled import CORES

Outputs = dict[str, np.ndarray]  # by name
Run = Callable[[np.ndarray], Outputs]  # takes float32 `(batch, size, size, 3)`


class Format(NamedTuple):
    """The model's file in its folder, `write(model, path)`, and `open(path)`: a Run.

    An empty `file` stands for the folder itself. `tolerance` is the largest accepted difference to
    the outputs of the served model: any where weights are rounded. `modules` come with the extra
    `export`. `holds_flip`: whether it can hold the mean over an image and its mirror image.
    """

    file: str
    write: Callable[[keras.Model, Path], None]
    open: Callable[[Path], Run]
    tolerance: float = 1e-3
    modules: tuple[str, ...] = ()
    holds_flip: bool = True


def require_modules(name: str) -> None:
    """Raise InputError unless the modules that the format of this name needs are installed."""
    for module in FORMATS[name].modules:
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"{name}: expected the package {module} to be installed. Received: none. "
                "Run `pip install -c requirements-dev.txt -e '.[export]'`."
            )


def write_litert(model: keras.Model, path: Path, is_float16: bool = False) -> None:
    # LiteRT's own operations only: others would need TensorFlow beside it.
    target: dict = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    options = {}
    if is_float16:  # weights
        target["supported_types"] = [tf.float16]
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    model.export(path, format="litert", verbose=False, target_spec=target, **options)


def open_litert(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=CORES)
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner()
    (taken,) = signature.get_input_details()
    return lambda pixels: signature(**{taken: pixels})


def open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    taken, *others = session.get_inputs()
    if others:  # tf2onnx makes inputs of what it cannot convert, such as SiLU in EfficientNetV2
        raise ValueError(f"{len(others)} operations that tf2onnx left out. Use litert")
    names = [output.name for output in session.get_outputs()]
    return lambda pixels: dict(zip(names, session.run(None, {taken.name: pixels})))


def open_saved_model(path: Path) -> Run:
    loaded = tf.saved_model.load(str(path))
    return lambda pixels: {name: each.numpy() for name, each in loaded.serve(pixels).items()}


def write_h5(model: keras.Model, path: Path) -> None:
    """Raises ValueError for a backbone that Keras would save, and not load."""
    for part in [model, *model.layers]:
        for operation in getattr(part, "operations", []):
            if not isinstance(operation, keras.layers.Layer):
                raise ValueError(
                    f"an operation {type(operation).__name__} that is no layer. Use saved_model"
                )
    model.save(path)


FORMATS = {
    "litert": Format("model.tflite", write_litert, open_litert, modules=("ai_edge_litert",)),
    "litert-float16": Format(
        "model.tflite",
        functools.partial(write_litert, is_float16=True),
        open_litert,
        tolerance=1,
        modules=("ai_edge_litert",),
    ),
    "onnx": Format(
        "model.onnx",
        lambda model, path: model.export(str(path), format="onnx", verbose=False),
        open_onnx,
        modules=("tf2onnx", "onnxruntime"),
    ),
    "saved_model": Format(
        "",
        lambda model, path: model.export(path, format="tf_saved_model", verbose=False),
        open_saved_model,
    ),
    "h5": Format(
        "model.h5",
        write_h5,
        lambda path: keras.models.load_model(path, compile=False).predict_on_batch,
        holds_flip=False,  # Keras saves keras.ops.flip in HDF5, and does not load it
    ),
}
