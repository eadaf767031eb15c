"""Make a LiteRT model that programs for phones and cameras take as it is: inputs and metadata."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import flatbuffers
import numpy as np

from pawprint.base.files import FIXED_DATE
from pawprint.network.hardware import keras

LABELS_FILE = "labels.txt"  # in the zip
SLOTS = 8  # the largest number of slots of any table here
IMAGE_PROPERTIES, NORMALIZATION, RGB, AXIS_LABELS = 2, 1, 1, 2


def add_metadata(path: Path, labels: Sequence[str]) -> None:
    """Add metadata to a model of one image input and one output with a number for each label.

    Zip members are stored, because programs refuse compressed ones.
    """
    from ai_edge_litert import schema_py_generated as schema  # installed with the `export` extra

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    entry, buffer = schema.MetadataT(), schema.BufferT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    buffer.data = np.frombuffer(_describe(), np.uint8)
    model.metadata = [*(model.metadata or []), entry]
    model.buffers.append(buffer)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        member = zipfile.ZipInfo(LABELS_FILE, FIXED_DATE)
        member.create_system = 3  # always Unix, so that all systems write the same bytes
        archive.writestr(member, "".join(f"{label}\n" for label in labels))


def _describe() -> bytes:
    """Return the flatbuffer: RGB pixels that need no scaling, and labels along the last axis."""
    builder = flatbuffers.Builder()
    texts = {text: builder.CreateString(text) for text in ("pawprint", "pixels", LABELS_FILE)}
    texts |= {text: builder.CreateString(text) for text in ("probability", "1.0.0")}
    terms = [builder.CreateNumpyVector(np.array([value], np.float32)) for value in (0, 1)]
    normalization = _table(builder, dict(enumerate(terms)))
    unit = _table(builder, {1: normalization}, {0: NORMALIZATION})
    image = _table(builder, {}, {0: RGB})
    content = _table(builder, {1: image}, {0: IMAGE_PROPERTIES})
    file = _table(builder, {0: texts[LABELS_FILE]}, {2: AXIS_LABELS})
    units = _vector(builder, unit)
    pixels = _table(builder, {0: texts["pixels"], 3: content, 4: units})
    files = _vector(builder, file)
    probability = _table(builder, {0: texts["probability"], 6: files})
    tensors = [_vector(builder, tensor) for tensor in (pixels, probability)]
    graphs = _vector(builder, _table(builder, {2: tensors[0], 3: tensors[1]}))
    builder.Finish(_table(builder, {0: texts["pawprint"], 3: graphs, 7: texts["1.0.0"]}), b"M001")
    return bytes(builder.Output())


def _table(
    builder: flatbuffers.Builder, offsets: Mapping[int, int], numbers: Mapping[int, int] = {}
) -> int:
    """Write a table with these values, keyed by slot, and return its offset."""
    builder.StartObject(SLOTS)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in numbers.items():
        builder.PrependUint8Slot(slot, number, 0)
    return builder.EndObject()


def _vector(builder: flatbuffers.Builder, offset: int) -> int:
    """Write a vector of one table and return its offset."""
    builder.StartVector(4, 1, 4)
    builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


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
