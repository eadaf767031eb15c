"""Read Parquet files and `save_to_disk` folders of Hugging Face's datasets.

Few images are in memory at once. https://huggingface.co/docs/datasets/image_dataset
"""

import contextlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from pawprint.dataset.folder_names import SPLIT_OF_FOLDER
from pawprint.errors import InputError, counted, name_some, printable, reason
from pawprint.forms import Asked, Files, Form, Row, find_labels
from pawprint.images.names import is_image_name
from pawprint.images.pointers import pointer_at
from pawprint.installation import install_command
from pawprint.named_file import read_bytes
from pawprint.yaml_file import parse_mapping

try:
    import pyarrow as pa
    from pyarrow import ipc, parquet, types
except ModuleNotFoundError:
    raise InputError(
        "cannot read Parquet and Arrow files: pyarrow is not installed. Run "
        f"`{install_command('parquet')}`."
    ) from None
BATCH = 8  # rows in memory at once
MAX_CELL = 1000  # characters; columns with longer texts are not kept
END = b"\xff\xff\xff\xff\0\0\0\0"  # of an Arrow file
PART = re.compile(r"(.*)-\d+-of-(\d+)")
ClassNames = Mapping[str, list[str]]  # keyed by column


def read(images: Path, files: Files, asked: Asked) -> Form:
    """Return the images in all Parquet files, and in all Arrow files that `save_to_disk` wrote.

    Raises InputError for a missing or damaged file, and unless there is one column of images and
    one of labels.
    """
    shards = {
        name: path
        for name, path in files.items()
        if path.suffix == ".parquet" or (path.suffix == ".arrow" and PART.match(name))
    }
    parts = Counter(match.groups() for name in shards if (match := PART.match(name)))
    if missing := [name for name, total in parts if parts[name, total] < int(total)]:
        raise InputError(
            f"{images}: files are missing from {name_some(missing)}. Copy all of them."
        )
    class_names = _names_in_readme(files)
    found = [each for shard in shards.items() for each in _rows(*shard, class_names, asked.label)]
    columns, labels = find_labels([row for row, _ in found], asked.label, str(images))
    left_out = {*columns, "label", "file_name"}
    for _, cells in found:
        left_out |= {name for name, cell in cells.items() if len(cell) > MAX_CELL or "\0" in cell}
    photos = {
        row.photo: {"label": label} | {name: cells[name] for name in cells if name not in left_out}
        for (row, cells), label in zip(found, labels)
    }
    values = (value for path in shards.values() for value in _values(path))
    contents = ((photo, _content(value, images, files)) for photo, value in zip(photos, values))
    form = (
        f"{counted(len(shards), 'Parquet or Arrow file')}, with the labels in {name_some(columns)}"
    )
    return Form(form, photos, contents, [])


def _rows(
    name: str, path: Path, class_names: ClassNames, asked: str
) -> Iterator[tuple[Row, dict[str, str]]]:
    """Yield a row for each image, with the cells that may be its label; and its other cells.

    These are its split, and the columns that metadata.csv can have.
    """
    with _reading(path) as reader:
        schema, image = _schema(reader, path)
    info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {})
    features = info.get("features", {}).items()
    given = {column: each["names"] for column, each in features if each["_type"] == "ClassLabel"}
    class_names = {**class_names, **given}
    texts = [field.name for field in schema if not types.is_nested(field.type)]
    may_be_label = {*(class_names or texts), asked}
    kept = {"split", *(field.name for field in schema if _is_kept(field))}
    columns = [name for name in texts if name in may_be_label | kept]
    folders = [PurePosixPath(name).stem.split("-")[0], *reversed(name.split("/")[:-1])]
    split = next((folder for folder in folders if folder.lower() in SPLIT_OF_FOLDER), "")
    suffix = ""
    for number, values in enumerate(_values(path, [*columns, f"{image}.path"])):
        file = (values.pop(image) or {}).get("path") or ""
        suffix = PurePosixPath(file).suffix if is_image_name(file) else suffix or _suffix(path)
        place = f"row {number:,} of {name}"
        cells = {
            column: _text(value, class_names.get(column), place) for column, value in values.items()
        }
        photo = f"{PurePosixPath(name).with_suffix('')}/{number:06}{suffix}"
        labels = {column: cells[column] for column in cells if column in may_be_label}
        others = {column: cells[column] for column in cells if column in kept}
        yield Row(place, labels, photo), ({"split": split} if split else {}) | others


def _is_kept(field: Any) -> bool:
    """Return whether metadata.csv can have a column: plain values under an unambiguous name."""
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating)
    is_plain = any(test(field.type) for test in (*tests, types.is_boolean))
    return is_plain and re.fullmatch(r"[a-z][a-z0-9_]*", field.name) is not None


def _text(value: object, names: list[str] | None, place: str) -> str:
    """Return a value as a label. A class of -1 means that the label is not public."""
    if names and isinstance(value, int):
        if value >= len(names):
            raise InputError(
                f"{printable(place)}: expected a label below {len(names)}, the number of names. "
                f"Received: {value}. Correct the names of the classes in the file or its README.md."
            )
        return names[value] if value >= 0 else ""
    return "" if value is None else str(value)


def _suffix(path: Path) -> str:
    """Return the suffix for the format of the first image in a file."""
    with contextlib.suppress(Exception):  # `clean` reports damaged images
        image = next(_values(path))
        return f".{Image.open(io.BytesIO(image['bytes'])).format}".lower()
    return ".jpg"


def _content(image: dict | None, images: Path, files: Files) -> bytes | Path:
    """Return the bytes of an image, or its file if the dataset contains only a path."""
    data, file = (image or {}).get("bytes"), (image or {}).get("path")
    if data is not None:
        return data
    root = images.resolve()
    name = Path(os.path.relpath(root / str(file), root)).as_posix()
    if name not in files:
        raise InputError(
            f"{images}: expected the bytes of each image, or the path of a file in this folder. "
            f"Received: {printable(str(file))}."
        )
    return files[name]


def _values(path: Path, columns: Sequence[str] = ()) -> Iterator[Any]:
    """Yield the values in each row, keyed by column. Without columns, yield the images."""
    with _reading(path) as reader:
        _, image = _schema(reader, path)
        names = columns or [image]
        if isinstance(reader, parquet.ParquetFile):
            batches = reader.iter_batches(BATCH, columns=names)
        else:
            tops = [name.partition(".")[0] for name in names]
            batches = (batch.select(tops) for batch in reader)
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH):
                rows = batch.slice(start, BATCH).to_pylist()
                yield from rows if columns else (row[image] for row in rows)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """Yield a reader for a file. Raises InputError if the file is damaged or incomplete."""
    try:
        with pa.OSFile(str(path)) as file:
            if path.suffix == ".parquet":
                # By default, pyarrow keeps all row groups that it has read.
                yield parquet.ParquetFile(file, pre_buffer=False, buffer_size=2**16)
                return
            file.seek(max(file.size() - len(END), 0))
            if file.read() != END:  # pyarrow would return fewer rows
                raise pa.ArrowInvalid("the end is missing")
            file.seek(0)
            yield ipc.open_stream(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: expected a complete file. Received: {pointer_at(path) or reason(error)}. "
            "Copy or download it again."
        ) from None


def _schema(reader: Any, path: Path) -> tuple[pa.Schema, str]:
    """Return a schema and the column of images, which have bytes and a path."""
    schema = reader.schema_arrow if isinstance(reader, parquet.ParquetFile) else reader.schema
    images = [
        field.name
        for field in schema
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]
    if len(images) != 1:
        raise InputError(
            f"{path}: expected one column of images, as datasets writes. Received: "
            f"{name_some(images or schema.names, 20)}. Write a file with the right columns: "
            "pyarrow.parquet.write_table(table.select([IMAGE, LABEL]), FILE)."
        )
    return schema, images[0]


def _names_in_readme(files: Files) -> dict[str, list[str]]:
    """Return the names of the classes in a dataset card, keyed by column.

    Columns whose names differ between configurations are left out.

    https://huggingface.co/docs/hub/datasets-cards
    """
    found: dict[str, list[str]] = {}
    differing = set()
    with contextlib.suppress(AttributeError, InputError, KeyError, TypeError, ValueError):
        text = read_bytes(files["README.md"]).decode()
        info = parse_mapping(text.split("---")[1], "README.md")["dataset_info"]
        for each in info if isinstance(info, list) else [info]:
            for feature in each["features"]:
                if "class_label" in feature["dtype"]:
                    names = feature["dtype"]["class_label"]["names"]
                    by_number = {int(number): str(names[number]) for number in names}
                    in_order = [by_number[number] for number in range(len(names))]
                    if found.setdefault(feature["name"], in_order) != in_order:
                        differing.add(feature["name"])
    return {name: found[name] for name in found if name not in differing}
