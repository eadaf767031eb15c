"""Print a row for each image as a table, CSV or JSON, for `predict` and `suggest`."""

import csv
import itertools
import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator

from pawprint.classes import UNSURE
from pawprint.commands import align


def print_table(rows: Iterable[dict], labels: list[str], top: int | None) -> None:
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
    print(align(lines))


def print_csv(rows: Iterable[dict], labels: list[str], top: int | None) -> None:
    """Print a CSV row for each image as soon as it is done."""
    names = [f"probability_{label}" for label in labels]
    columns = ["path", "label", *names, "unknown_score", "error", "pixels_sha256", "model"]
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        probabilities = (row["probabilities"].get(label) for label in labels)
        writer.writerow(row | dict(zip(names, probabilities)))


def print_json(rows: Iterable[dict], labels: list[str], top: int | None) -> None:
    """Print a JSON list, adding an entry for each image as soon as it is done."""
    before = "["
    for record in records_of(rows, top):
        print(f"{before}\n{textwrap.indent(json.dumps(record, indent=2), '  ')}", end="")
        before = ","
    print("[]" if before == "[" else "\n]")


def print_jsonl(rows: Iterable[dict], labels: list[str], top: int | None) -> None:
    """Print a line of JSON for each image as soon as it is done."""
    for record in records_of(rows, top):
        print(json.dumps(record))


def records_of(rows: Iterable[dict], top: int | None) -> Iterator[dict]:
    """Yield the rows with the `top` most probable labels, and null for empty cells."""
    for row in rows:
        probabilities = dict(list(row["probabilities"].items())[:top])
        record = row | {"probabilities": probabilities}
        yield {key: None if value in ("", {}) else value for key, value in record.items()}


FORMATS: dict[str, Callable[[Iterable[dict], list[str], int | None], None]] = {
    "table": print_table,
    "csv": print_csv,
    "json": print_json,
    "jsonl": print_jsonl,
}
