"""Print a row for each image as a table, CSV or JSON, for `predict`."""

import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TextIO

from pawprint.base.labels import SEVERAL_LABELS, UNKNOWN, UNSURE
from pawprint.commands import align
from pawprint.model.predictor import OF_BOXES


def print_table(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print the answer for each image, or the `top` labels, when all images are done."""
    lines = []
    for row in rows:
        answer = row["label"]
        named = [answer] if answer in labels else SEVERAL_LABELS.labels_in(answer)
        is_answer = bool(named) and {*named} <= {*labels}
        number = top or (len(named) if is_answer else int(answer == UNSURE))
        pairs = dict([*row["probabilities"].items()][:number])
        names = ", ".join(pairs)
        if not is_answer:  # the probable labels are no answer
            names = f"{answer} ({names})" if names else answer
        error = f"  ({row['error']})" if row["error"] else ""
        values = " ".join(f"{value:.1%}" for value in pairs.values()) or "-"
        lines.append([names or "-", values.rjust(6), f"{row['path']}{error}"])
    print(align(lines), file=file)


def print_csv(rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO) -> None:
    """Print a CSV row for each image, or each box, as soon as it is done."""
    names = [f"probability_{label}" for label in labels]
    columns = ["path", "label", *names, "unknown_score", "error", "pixels_sha256", "model"]
    rows = iter(rows)
    first = [*itertools.islice(rows, 1)]
    columns += [name for name in OF_BOXES for row in first if name in row]
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in itertools.chain(first, rows):
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


def print_megadetector(
    content: dict, rows: Iterable[dict], labels: list[str], top: int | None, file: TextIO
) -> None:
    """Print a JSON of MegaDetector, format 1.6, with the labels of its boxes.

    `rows` are from `predict_boxes`. All keys keep their places. Classes of an earlier classifier
    keep their numbers. An unknown box gets an empty list. Photos that fail are listed on stderr.
    """
    names = dict(content.get("classification_categories") or {})
    new = [label for label in labels if label not in names.values()]
    first = max((int(name) for name in names if name.isdecimal()), default=-1) + 1
    names |= {str(first + place): label for place, label in enumerate(new)}
    number_of = {name: number for number, name in names.items()}
    model = ""
    listed = {}
    for row in rows:
        model = row["model"]
        if row["error"]:
            print(f"{row['path']}: {row['error']}", file=sys.stderr)
        pairs = {} if row["label"] == UNKNOWN else row["probabilities"]
        numbers = [[number_of[label], value] for label, value in pairs.items()]
        listed[row["photo"], row["box"]] = {"classifications": numbers[:top]}
    for image in content["images"]:
        if image.get("failure"):
            image["detections"] = None  # older files have an empty list
        for place, box in enumerate(image.get("detections") or []):
            if (image["file"], place) in listed:
                box |= listed[image["file"], place]
            if isinstance(box, dict) and isinstance(box.get("conf"), int):
                box["conf"] = float(box["conf"])  # readers refuse 1
    info = {
        **(content.get("info") or {}),
        "format_version": "1.6",
        "classifier": f"pawprint {model}",
        "classification_completion_time": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
    }
    labelled = content | {"info": info, "classification_categories": names}
    print(json.dumps(labelled, indent=1, ensure_ascii=False), file=file)


FORMATS: dict[str, Callable[[Iterable[dict], list[str], int | None, TextIO], None]] = {
    "table": print_table,
    "csv": print_csv,
    "json": print_json,
    "jsonl": print_jsonl,
}
