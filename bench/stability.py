"""Measure how edits affect a run: `python -m bench.stability --public FOLDER`.

FOLDER contains clones of the repositories of SETS. For each data set and each draw, a starting set
of photos is drawn, with a fifth for test and a fifth for validation. After each edit to its
training photos, the head and its folds are computed again, and the two runs are tested like in
`pawprint compare`, on all images that they have in common.

The script prints how often the second run is called better or worse: with folds drawn by number
(the former method), with folds drawn by a hash (pawprint/draws.py), and if the log loss must also
differ by a fraction of the old one. It also prints how many other photos change to another fold,
and how much the cross-validated log loss changes. For each image, its mirror image and a
near-duplicate, features come from MobileNetV2 1.0 at 224 px. C is USUAL_C, and the temperature is
1.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd

from bench.datasets import Public, public
from pawprint.classes import log_losses
from pawprint.decoding.decoder import pixels_sha256
from pawprint.draws import FOLDS, draw_folds
from pawprint.engine.mapping import map_in_threads
from pawprint.features.rows import Row, row_function
from pawprint.features.views import IDENTITY, View, mirrored
from pawprint.images.reading import decode
from pawprint.network import cross_validation
from pawprint.network.cross_validation import USUAL_C, CrossValidation, Examples, standardise
from pawprint.network.extractor import load_extractor
from pawprint.network.logistic_regression import fit_regressions
from pawprint.params.model import Model, Weights
from pawprint.scores.verdict import MARGIN, compare, pair_probabilities

SIDE = 224
CELLS = "src/elpv_dataset/data"
SETS = {
    "waste": Public("arjunk00/chs", "dataset-resized/*/*.jpg"),
    "X-rays": Public("muhammedtalo/COVID-19", "X-Ray Image DataSet/*/*.*"),
    "textures": Public("pan8915/DeepTexture", "images/*/*.jpg"),
    "cells": Public("zae-bayern/elpv-dataset", f"{CELLS}/images/*.png"),
}
PHOTOS = {"textures": 600}  # in a starting set
USUAL_PHOTOS = 500
MARGINS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
CALLED = ("better", "worse")
# Slightly closer, shifted and brighter.
NEAR_DUPLICATE = View(np.array([[0.97, 0.0, 4.0], [0.0, 0.97, 2.0]]), brightness=6.0)


class Photos(NamedTuple):
    """Photos: features `(photos, 3, columns)`, class indices, pixels_sha256, and groups."""

    rows: np.ndarray
    actual: np.ndarray
    keys: np.ndarray
    groups: np.ndarray
    labels: list[str]

    def take(self, places: np.ndarray) -> "Photos":
        """Return only these photos."""
        arrays = (array[places] for array in self[:4])
        return Photos(*arrays, self.labels)


def files_of(name: str, clones: Path) -> Iterator[tuple[str, bytes]]:
    """Yield names in class folders, and the files. The classes of solar cells are in a table."""
    clone, files, *_ = SETS[name]
    if name != "cells":
        yield from public(clones / clone, files, slice(None))
        return
    data = clones / clone / CELLS
    classes = {"0.0": "sound", "1.0": "defective"}  # the others are uncertain
    for line in (data / "labels.csv").read_text(encoding="utf-8").splitlines():
        path, defect, _ = line.split()
        if defect in classes:
            yield f"{classes[defect]}/{path}", (data / path).read_bytes()


def compute(rows_of: Callable[..., list[Row]], data: bytes) -> tuple[str, np.ndarray]:
    """Return the pixels_sha256 of a file, and the features of its three views."""
    image = decode(data)
    rows = rows_of(lambda side: image, [IDENTITY, mirrored(SIDE), NEAR_DUPLICATE])
    return pixels_sha256(image), np.stack([row[-1].ravel() for row in rows]).astype(np.float16)


def read_photos(name: str, clones: Path) -> Photos:
    """Return the photos of a data set without exact duplicates, with computed features."""
    changes = {"backbone": "MobileNetV2", "alpha": 1.0, "image_size": SIDE}
    changes |= {"fine_tune_at": None, "features": "last"}
    model = Model.load().model_copy(update=changes)
    network = load_extractor(model, Weights.load()).network
    names, files = zip(*files_of(name, clones))
    computed = map_in_threads(partial(compute, row_function(network, model.resize)), files)
    keys, rows = map(np.array, zip(*computed))
    first = np.unique(keys, return_index=True)[1]
    labels = np.array([file.split("/")[0] for file in names])[first]
    classes, actual = np.unique(labels, return_inverse=True)
    return Photos(rows[first], actual, keys[first], keys[first], classes.tolist())


def remove(photos: Photos, rng: np.random.Generator, number: int) -> Photos:
    """Return the photos after removing some of them."""
    return photos.take(np.sort(rng.permutation(len(photos.actual))[number:]))


def add_near_duplicates(photos: Photos, rng: np.random.Generator, number: int) -> Photos:
    """Return the photos with additional near-duplicates of some of them, in the same groups."""
    originals = rng.permutation(len(photos.actual))[:number]
    copies = photos.take(originals)
    keys = np.array([rng.bytes(32).hex() for _ in originals])
    copies = copies._replace(rows=np.repeat(copies.rows[:, 2:], 3, axis=1), keys=keys)
    arrays = (np.concatenate(pair) for pair in zip(photos[:4], copies[:4]))
    return Photos(*arrays, photos.labels)


def relabel(photos: Photos, rng: np.random.Generator, number: int) -> Photos:
    """Return the photos with wrong labels for some of them."""
    actual = photos.actual.copy()
    wrong = rng.permutation(len(actual))[:number]
    actual[wrong] += rng.integers(1, len(photos.labels), number)
    return photos._replace(actual=actual % len(photos.labels))


EDITS: dict[str, Callable[[Photos, np.random.Generator], Photos]] = {
    "one removed": partial(remove, number=1),
    "ten removed": partial(remove, number=10),
    "ten near-duplicates added": partial(add_near_duplicates, number=10),
    "a quarter removed": lambda photos, rng: remove(photos, rng, len(photos.actual) // 4),
    "ten labels made wrong": partial(relabel, number=10),
}


def folds_by_number(labels: np.ndarray, groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return folds by the former method: groups in random order, largest first."""
    del keys
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    of_class = pd.crosstab(group, labels).to_numpy()
    fold = np.zeros(len(sizes), int)
    images = np.zeros((FOLDS, of_class.shape[1]), int)
    for number in sorted(np.random.default_rng(0).permutation(len(sizes)), key=lambda n: -sizes[n]):
        fold[number] = np.lexsort((images.sum(axis=1), images @ of_class[number]))[0]
        images[fold[number]] += of_class[number]
    return fold[group]


FOLDS_BY = {"number": folds_by_number, "hash": draw_folds}


def probabilities_in_folds(photos: Photos, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return cross-validated probabilities for training photos, and the fold of each photo."""
    draw = FOLDS_BY[method]
    labels = np.array(photos.labels)[photos.actual]
    images = photos.actual, photos.groups, photos.keys
    examples = Examples({False: photos.rows}, *images, photos.labels)
    with patch.object(cross_validation, "draw_folds", draw):
        settings = CrossValidation(np.empty(0), *USUAL_C)
        judged = cross_validation.cross_validate_as(settings, examples).probabilities
    return judged, draw(labels, photos.groups, photos.keys)


def predict(photos: Photos, held_out: Photos) -> np.ndarray:
    """Return probabilities for held-out photos, from the mean logits of two views."""
    rows = photos.rows[:, 0].astype(np.float32)
    standardisation = standardise(rows)
    (model,) = fit_regressions(rows, photos.actual, np.ones(len(rows)), USUAL_C)
    logits = np.zeros((len(held_out.rows), len(photos.labels)))
    for view in range(2):
        inputs = held_out.rows[:, view].astype(np.float32)
        standardisation.apply(inputs)
        logits += np.log(np.maximum(model.predict(inputs), 1e-30)) / 2
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class Run(NamedTuple):
    """Probabilities for held-out photos and, keyed by method, for training photos; and folds."""

    held_out: np.ndarray
    judged: dict[str, tuple[np.ndarray, np.ndarray]]


def run_of(photos: Photos, held_out: Photos) -> Run:
    """Train on photos and return the resulting probabilities."""
    judged = {method: probabilities_in_folds(photos, method) for method in FOLDS_BY}
    return Run(predict(photos, held_out), judged)


def compare_runs(
    photos: tuple[Photos, Photos], runs: tuple[Run, Run], held_out: Photos, method: str
) -> dict[str, float]:
    """Return whether the second run is called better or worse, by margin, and what moved."""
    old, new = photos
    _, first, second = np.intersect1d(old.keys, new.keys, return_indices=True)
    judged, folds = zip(*(run.judged[method] for run in runs))
    same = old.actual[first] == new.actual[second]
    same &= ~np.isnan(judged[0][first, 0] + judged[1][second, 0])
    kept = first[same], second[same]
    both = [each[places] for each, places in zip(judged, kept)]
    sets = {
        "held out": (held_out.actual, (runs[0].held_out, runs[1].held_out), held_out.groups),
        "in folds": (old.actual[kept[0]], tuple(both), old.groups[kept[0]]),
    }
    (compared,) = compare(
        [{name: pair_probabilities(*of, np.ones(len(of[0]))) for name, of in sets.items()}]
    )
    losses = [
        np.nanmean(log_losses(each.actual, probabilities))
        for each, probabilities in zip(photos, judged)
    ]
    return {
        **{f"margin {margin:.0%}": compared.verdict(margin) in CALLED for margin in MARGINS},
        "moved": float((folds[0][first] != folds[1][second]).sum()),
        "loss in folds": losses[0],
        "change": losses[1] - losses[0],
    }


def draw(photos: Photos, name: str, seed: int) -> list[dict[str, float | str]]:
    """Return a row for each edit and method, for a newly drawn starting set."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(photos.actual))[: PHOTOS.get(name, USUAL_PHOTOS)]
    training, held_out = (photos.take(part) for part in np.split(places, [len(places) * 3 // 5]))
    before = run_of(training, held_out)
    rows = []
    for edit, change in EDITS.items():
        changed = change(training, rng)
        runs = before, run_of(changed, held_out)
        for method in FOLDS_BY:
            cells = compare_runs((training, changed), runs, held_out, method)
            rows.append({"set": name, "edit": edit, "folds": method, **cells})
    return rows


def describe(rows: pd.DataFrame) -> str:
    """Return tables of verdicts, verdicts with MARGIN by data set, moves, and loss in folds."""
    verdicts = [column for column in rows if column.startswith("margin")]
    by = rows.groupby(["edit", "folds"], sort=False)
    tables = [by[verdicts].mean()]
    by_set = rows[rows["folds"] == "hash"].groupby(["edit", "set"], sort=False)
    tables.append(by_set[f"margin {MARGIN:.0%}"].mean().unstack())
    one = rows[rows["edit"] == next(iter(EDITS))]
    for keys in ("folds", ["set", "folds"]):
        of = one.groupby(keys, sort=False)
        table = of["moved"].agg(["mean", "max"]).add_prefix("moved, ")
        table["loss in folds"] = of["loss in folds"].mean()
        table["deviation of its change"] = of["change"].std()
        table["largest change"] = of["change"].agg(lambda change: change.abs().max())
        tables.append(table)
    return "\n\n".join(table.to_string(float_format="{:.4f}".format) for table in tables)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.stability")
    parser.add_argument("--public", type=Path, required=True, help="of clones: OWNER/NAME")
    parser.add_argument("--draws", type=int, default=100, help="default: %(default)s")
    arguments = parser.parse_args()
    rows = []
    for name in SETS:
        photos = read_photos(name, arguments.public)
        for seed in range(arguments.draws):
            rows += draw(photos, name, seed)
    print(describe(pd.DataFrame(rows)))


if __name__ == "__main__":
    main()
