"""Print a row for each image as a table, CSV or JSON, for `predict`."""

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TextIO

from pawprint.base.classes import UNKNOWN, UNSURE
from pawprint.commands import align
from pawprint.model.metadata import Metadata


def print_table(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print the `top` labels of each image, by default one, when all images are done."""
    number = min(top or 1, len(labels))
    lines = []
    for row in rows:
        pairs = [(label, f"{value:6.1%}") for label, value in row["probabilities"].items()]
        if row["label"] == UNSURE:
            pairs[0] = (f"{UNSURE} ({pairs[0][0]})", pairs[0][1])
        elif row["label"] not in labels:  # unknown, or an error
            pairs = [(row["label"] or "-", "     -"), *[("-", "     -")] * (number - 1)]
        error = f"  ({row['error']})" if row["error"] else ""
        lines.append([*itertools.chain(*pairs[:number]), f"{row['path']}{error}"])
    print(align(lines), file=file)


def print_csv(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a CSV row for each image as soon as it is done."""
    names = [f"probability_{label}" for label in labels]
    columns = ["path", "label", *names, "unknown_score", "error", "pixels_sha256", "model"]
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        probabilities = (row["probabilities"].get(label) for label in labels)
        writer.writerow(row | dict(zip(names, probabilities)))


def print_json(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a JSON list with an entry for each image when all images are done."""
    print(json.dumps([*_records_of(rows, top)], indent=2), file=file)


def print_jsonl(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a line of JSON for each image as soon as it is done."""
    for record in _records_of(rows, top):
        print(json.dumps(record), file=file)


def _records_of(rows: Iterable[dict], top: int | None) -> Iterator[dict]:
    """Yield the rows with the `top` most probable labels, and null for empty cells."""
    for row in rows:
        probabilities = dict(list(row["probabilities"].items())[:top])
        record = row | {"probabilities": probabilities}
        yield {key: None if value in ("", {}) else value for key, value in record.items()}


def with_classifications(
    content: dict[str, Any], rows: Iterable[dict], metadata: Metadata, top: int | None
) -> dict[str, Any]:
    """Return MegaDetector's JSON, format 1.6, with the labels of the boxes that rows tell of.

    `rows` are from `predict_boxes`. All keys keep their places. Classes of an earlier classifier
    keep their numbers. An unknown box gets no label.
    """
    names = content.get("classification_categories") or {}
    number_of = {name: number for number, name in names.items()}
    free = max(map(int, names), default=-1) + 1
    for label in metadata.labels:
        if label not in number_of:
            number_of[label] = str(free)
            free += 1
    for row in rows:
        if row["box"] is not None:
            box = content["images"][row["photo"]]["detections"][row["box"]]
            box.pop("classifications", None)
            if row["label"] != UNKNOWN:
                pairs = list(row["probabilities"].items())[:top]
                box["classifications"] = [[number_of[label], value] for label, value in pairs]
    for image in content["images"]:
        for box in image.get("detections") or []:
            box["conf"] = float(box["conf"])  # readers refuse 1
    info = (content.get("info") or {}) | {"format_version": "1.6"}
    info["classifier"] = f"pawprint {metadata.model or ''}".strip()
    info["classification_completion_time"] = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    categories = {number: name for name, number in number_of.items()} | names
    return content | {"info": info, "classification_categories": categories}


FORMATS: dict[str, Callable[[Iterable[dict], list[str], int | None, TextIO], None]] = {
    "table": print_table,
    "csv": print_csv,
    "json": print_json,
    "jsonl": print_jsonl,
}
