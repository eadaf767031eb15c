"""Add to a LiteRT file what programs for phones and cameras read: its input and its labels.

The metadata are a flatbuffer in one of the model's buffers, and a zip with the labels behind the
model. The numbers of slots and types come from
https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import flatbuffers
import numpy as np

from pawprint.base.files import FIXED_DATE

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
