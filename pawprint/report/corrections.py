"""Write rows for labels.csv that correct the labels to review."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from unicodedata import normalize

import pandas as pd

from pawprint.given.user_tables import LABEL_COLUMNS, PIXELS, parse_csv
from pawprint.scores.results import Results


class Rows(NamedTuple):
    """Rows for labels.csv, and the paths of photos that have a row there already."""

    text: str
    known: list[str]


def rows_to_copy(content: bytes, run: Results, shown: Iterable[str]) -> Rows:
    """Return the rows for a labels.csv with this content, in the order of the photos `shown`.

    They have the file's columns and separator, and begin with an empty line if the file's last line
    has no end. Each has the label, or the cell, that the model finds more probable. Of two
    near-duplicates with different labels, at most one has a row.
    """
    table = parse_csv(content, "labels.csv", LABEL_COLUMNS)
    by = PIXELS if PIXELS in table.names else "path"
    cells = (dict(zip(table.names, row)) for _, row in table.rows)
    given = {normalize("NFC", row[by]) for row in cells}
    known = []
    text = io.StringIO("" if content.endswith(b"\n") else "\n")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text, delimiter=table.separator, lineterminator="\n")
    corrections = {row["path"]: row for row in _corrections(run)}
    for path in shown:
        if row := corrections.get(path):
            if normalize("NFC", row[by]) in given:
                known.append(path)
            else:
                writer.writerow([row.get(name, "") for name in table.names])
    return Rows(text.getvalue(), known)


def _corrections(run: Results) -> Iterator[dict[str, str]]:
    """Yield the cells of a row for each photo that has one."""
    confidence = pd.concat(
        [table.set_index("path")["confidence"] for table in run.predictions.values()]
    )
    label_of = run.images.set_index("path")["label"]
    review = run.to_review
    is_probable = review["probability"] < 0.5
    if run.exclusive:
        # The given label has this probability, and the predicted one that.
        is_probable &= review["probability"] < review["path"].map(confidence).astype(float)
        other = review["contradicts"].map(label_of)
        is_probable &= other.isna() | (other == review["likely"])
    corrected: set[str] = set()
    for path, rows in review[is_probable].groupby("path", sort=False):
        if corrected.isdisjoint(rows["contradicts"]):
            corrected.add(str(path))
            label = rows["likely" if run.exclusive else "cell"].iloc[0]
            yield {"path": str(path), "label": label, PIXELS: rows["pixels_sha256"].iloc[0]}
