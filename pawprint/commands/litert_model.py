"""Make a LiteRT model that programs for phones and cameras take as it is: inputs and metadata."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from pawprint.base.files import pack
from pawprint.network.hardware import keras

LABELS_FILE = "labels.txt"  # in the zip
SLOTS = 8  # the largest number of slots of any table here
IMAGE_PROPERTIES, NORMALIZATION, RGB, AXIS_LABELS = 2, 1, 1, 2
# The tables of TensorFlow Lite's metadata_schema.fbs, by slot: RGB pixels that need no scaling, and
# labels along the last axis.
UNIT = {0: NORMALIZATION, 1: {0: np.zeros(1, np.float32), 1: np.ones(1, np.float32)}}
PIXELS = {0: "pixels", 3: {0: IMAGE_PROPERTIES, 1: {0: RGB}}, 4: [UNIT]}
PROBABILITY = {0: "probability", 6: [{0: LABELS_FILE, 2: AXIS_LABELS}]}
DESCRIPTION = {0: "pawprint", 3: [{2: [PIXELS], 3: [PROBABILITY]}], 7: "1.0.0"}


def add_metadata(path: Path, labels: Sequence[str]) -> None:
    """Add metadata to a model of one image input and one output with a number for each label.

    Members of the zip are not compressed, because programs refuse others.
    """
    from ai_edge_litert import schema_py_generated as schema  # installed with the `export` extra

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, DESCRIPTION), b"M001")
    buffer.data = np.frombuffer(builder.Output(), np.uint8)
    model.metadata = [*(model.metadata or []), entry]
    model.buffers.append(buffer)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    text = "".join(f"{label}\n" for label in labels)
    pack(path, [(LABELS_FILE, text.encode())], appends=True)


def _write(builder: flatbuffers.Builder, value: Any) -> int:
    """Write a text, an array, a list of one table, or a table, and return its offset.

    Tables are keyed by slot, and their numbers are bytes.
    """
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        table = _write(builder, value[0])
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(table)
        return builder.EndVector()
    numbers = {slot: each for slot, each in value.items() if isinstance(each, int)}
    offsets = {slot: _write(builder, each) for slot, each in value.items() if slot not in numbers}
    builder.StartObject(SLOTS)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in numbers.items():
        builder.PrependUint8Slot(slot, number, 0)
    return builder.EndObject()


def for_litert(model: keras.Model, size: int, fold: tuple[int, float] | None = None) -> keras.Model:
    """Return a model that programs for phones and cameras take as it is.

    It takes one image, uint8 `(1, size, size, 3)`, which is resized for the network, and returns a
    `probability` for each class, `(1, classes)`. `fold` is a class and an unknown threshold: images
    with a higher unknown score are certainly of this class.
    """
    pixels = keras.Input((size, size, 3), batch_size=1, dtype="uint8", name="pixels")
    image = keras.ops.cast(pixels, "float32")
    if size != model.input_shape[1]:
        image = keras.layers.Resizing(*model.input_shape[1:3])(image)
    outputs = model(image)
    probability = outputs["probability"]
    if probability.shape[-1] == 1:
        probability = keras.ops.concatenate([1 - probability, probability], axis=-1)
    if fold:
        index, threshold = fold
        certain = np.eye(probability.shape[-1], dtype=np.float32)[[index]]
        is_unknown = keras.ops.cast(outputs["unknown_score"] > threshold, "float32")
        probability += is_unknown * keras.ops.subtract(certain, probability)
    return keras.Model(pixels, {"probability": probability}, name=model.name)
