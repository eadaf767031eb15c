"""Compare runs on the images that all of them score and none was trained on.

verdict.py contains the test that compares two models, with its verdict.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.classes import log_losses
from pawprint.base.columns import HISTORY, JUDGED, PREDICTED_CLASSES, SPLIT
from pawprint.base.errors import InputError, counted
from pawprint.base.tables import parse_table
from pawprint.base.yaml_file import parse_mapping, value_at
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.prediction_table import with_image
from pawprint.scores.series import with_groups
from pawprint.scores.verdict import (
    MARGIN,
    ModelComparison,
    compare,
    describe_verdict,
    set_row,
    tabulate_sets,
)

TRAINING = "training, in folds"
HELD_OUT = ("validation", "test")
BESIDE = "test"  # decides nothing, because whoever keeps the better run would choose by it
IDENTICAL = "identical"
COMPARED = 0.9  # minimum fraction of the older run's held-out images, for `compare --gate`


class Run(NamedTuple):
    """The parts of a run that are compared.

    `tables` contains PREDICTED_CLASSES tables for images that the model was not trained on:
    `validation`, `test` and, if the head is fitted and its data are available, TRAINING. `split` is
    the SPLIT table with the groups of `with_groups`; if it is None, `split_md5` from dvc.lock
    determines whether two runs have the same split. Validation images have chosen the best of
    `epochs`, which is 1 for a fitted head alone, and if neither `keep_best` nor `early_stopping`
    is set. `choices` is the content of data/cross_validation.json, or {}. `missing` explains why
    data are missing, or is "".
    """

    name: str
    tables: dict[str, pd.DataFrame]
    split: pd.DataFrame | None = None
    split_md5: str | None = None
    epochs: int = 1
    choices: Mapping[str, object] = {}
    missing: str = ""

    @property
    def places(self) -> pd.DataFrame:
        """The known images, each listed once: `image`, `label` and `split`."""
        if self.split is not None:
            return with_image(self.split)[["image", "label", "split"]]
        tables = [table.assign(split=name) for name, table in self.tables.items()]
        images = pd.concat(tables).rename(columns={"actual": "label"})
        return images[["image", "label", "split"]].drop_duplicates("image")


class ComparedRun(NamedTuple):
    """A run compared with an older run, on the images that all runs in `compare_runs` score.

    `old` and `new` are the names of the runs. `pairs` contains a table for each set of images, with
    the columns `image`, `actual`, and for both runs `predicted` and `loss`, with the suffix `_old`
    for the older run. All sets but BESIDE decide; `kind` names their images. `margin` is MARGIN if
    photos, labels or sets differ, else 0. `chosen` is a sentence about other settings of
    the head, and `left_out` a line about images that are not compared, or "". The older run holds
    out `held_out` images.
    """

    old: str
    new: str
    comparison: ModelComparison
    pairs: dict[str, pd.DataFrame]
    kind: str
    margin: float
    chosen: str
    left_out: str
    held_out: int

    @property
    def verdict(self) -> str:
        """IDENTICAL, or the test's verdict, given the margin."""
        if all(_are_identical(pairs) for pairs in self.pairs.values()):
            return IDENTICAL
        return self.comparison.verdict(self.margin)

    @property
    def sentences(self) -> list[str]:
        """The verdict and, if runs that differ have common test images, these images' scores."""
        old, new = self.old, self.new
        if self.verdict == IDENTICAL:
            number = sum(map(len, self.pairs.values()))
            return [f"The predictions of {old} and {new} are identical on all {number:,} images."]
        verdict = describe_verdict(old, new, self.comparison, self.kind, self.margin) + self.chosen
        if BESIDE not in self.pairs:
            return [verdict]
        row = tabulate_sets(self.comparison).iloc[-1]
        scores = ", ".join(f"{name} {cell}" for name, cell in row[2:].items() if cell)
        images = counted(len(self.pairs[BESIDE]), "test image")
        return [verdict, f"Beside it, and deciding nothing, {images}: {scores}."]

    @property
    def text(self) -> str:
        """The output of `pawprint compare`: a sentence, a table with a row per set, and a line."""
        table = tabulate_sets(self.comparison).to_string(index=False)
        return "\n".join([self.sentences[0], "", table, *filter(None, [self.left_out])])

    @property
    def _compared(self) -> int:
        return sum(len(self.pairs.get(name, ())) for name in HELD_OUT)

    @property
    def _is_whole(self) -> bool:
        return self._compared / self.held_out >= COMPARED

    @property
    def passes(self) -> bool:
        """Whether a run passes the gate: not worse, on at least COMPARED of held-out images."""
        return self.verdict != "worse" and self._is_whole

    @property
    def gate(self) -> str:
        """How many of the older run's held-out images are left out and, if the gate fails, why."""
        line = (
            f"gate: left out: {self.held_out - self._compared:,} of {self.held_out:,} validation "
            f"and test images of {self.old}"
        )
        if not self._is_whole:
            return (
                f"{line}, more than {1 - COMPARED:.0%}. They may be the hard ones, so the gate "
                "fails: look at the images left out and decide."
            )
        return line if self.passes else f"{line}. The gate fails, because {self.new} is worse."


def _are_identical(pairs: pd.DataFrame) -> bool:
    is_same = (pairs["predicted"] == pairs["predicted_old"]) & (pairs["loss"] == pairs["loss_old"])
    return bool(is_same.all())


def compare_runs(old: Run, new: Sequence[Run]) -> list[ComparedRun]:
    """Compare runs with an older run, on the images that have the same label in all runs.

    Each run is tested once, on all images together that decide: validation images and, if all runs
    have scored them, training images in folds. Images in the same group of `old` are not
    independent; if the data of `old` are missing, each image is its own group. If a set has no
    common images, all its images are left out. The best of more epochs is lower by chance, so the
    level of the test is divided by the ratio of the numbers of epochs. Raises InputError if the
    runs have no validation images in common.
    """
    runs = [old, *new]
    every = _pair_images(runs)
    common = [{name: table for name, table in of.items() if len(table)} for of in every]
    deciding = [{name: of[name] for name in of if name != BESIDE} for of in common]
    kind = "validation images"
    if TRAINING in deciding[0]:
        kind += " and training images (in folds)"
    epochs = [run.epochs for run in runs]
    if max(epochs) > 1:
        kind += ", which have also chosen the epoch"
    confidence = 1 - (1 - CONFIDENCE) * min(epochs) / max(epochs)
    results = []
    for run, of_run, comparison in zip(new, common, compare(deciding, confidence)):
        if BESIDE in of_run:
            beside = pd.DataFrame([set_row(f"{BESIDE} (decides nothing)", of_run[BESIDE])])
            sets = pd.concat([comparison.sets, beside], ignore_index=True)
            comparison = comparison._replace(sets=sets)
        results.append(
            ComparedRun(
                old.name,
                run.name,
                comparison,
                of_run,
                kind,
                0.0 if _have_same_photos(old, run) else MARGIN,
                _describe_choices(old.choices, run.choices),
                _describe_left_out(old, run, of_run),
                sum(len(old.tables[name]) for name in HELD_OUT),
            )
        )
    return results


def _pair_images(runs: Sequence[Run]) -> list[dict[str, pd.DataFrame]]:
    """Pair the first run with each other run, by set, on images with the same label in all runs."""
    old, *new = runs
    sets = [name for name in (HELD_OUT[0], TRAINING, BESIDE) if all(name in r.tables for r in runs)]
    common = {
        name: functools.reduce(pd.merge, [run.tables[name][["image", "actual"]] for run in runs])
        for name in sets
    }
    if common["validation"].empty:
        numbers = ", ".join(f"{len(run.tables['validation']):,} of {run.name}" for run in runs)
        raise InputError(
            f"cannot compare {' with '.join(run.name for run in runs)}: they share no validation "
            f"image with the same label ({numbers}). Compare runs on the same photos, or "
            "`pawprint score` each model on photos that none of them was trained on."
        )
    groups = _groups(old.split)
    return [
        {
            name: _pair(old.tables[name].merge(common[name]), run.tables[name], groups)
            for name in sets
        }
        for run in new
    ]


def _groups(split: pd.DataFrame | None) -> dict[str, str]:
    """Return each image's group in a SPLIT table, or {} without a table."""
    return {} if split is None else dict(zip(with_image(split)["image"], split["group"]))


def _pair(old: pd.DataFrame, new: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    pairs = old.merge(new, on=["image", "actual"], suffixes=("_old", ""))
    return pairs.assign(group=[groups.get(image, image) for image in pairs["image"]])


def _have_same_photos(old: Run, new: Run) -> bool:
    """Return whether two runs have the same images with the same labels in the same sets.

    A renamed file counts as the same image. If a table is missing, both runs must have the same
    MD5.
    """
    rows = [run.places.sort_values("image", ignore_index=True) for run in (old, new)]
    are_known = old.split is not None and new.split is not None
    return rows[0].equals(rows[1]) and (are_known or old.split_md5 == new.split_md5)


def _describe_choices(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """Return a sentence that names choices of cross-validation that differ, such as C, or ""."""
    known = [name for name in ("C", "blocks", "views") if name in old and name in new]
    values = [(name, f"{old[name]:g}", f"{new[name]:g}") for name in known]
    changes = [f"{name}: {before} → {after}" for name, before, after in values if before != after]
    found = f" Cross-validation also chose other values ({', '.join(changes)}): a possible reason."
    return found if changes else ""


def _describe_left_out(old: Run, new: Run, pairs: Mapping[str, pd.DataFrame]) -> str:
    """Return a line with the images of either run, by set, that are not compared, or ""."""
    counts = []
    for name in (*HELD_OUT, TRAINING):
        tables = [run.tables[name]["image"] for run in (old, new) if name in run.tables]
        left = set().union(*tables) - set(pairs[name]["image"] if name in pairs else ())
        if left and len(tables) > 1:
            counts.append(f"{len(left):,} {name}")
    parts = []
    if counts:
        parts.append(f"Left out, because photos, labels or splits differ: {'; '.join(counts)}.")
    if missing := old.missing or new.missing:
        groups = ", and groups are not known" if old.split is None else ""
        parts.append(f"Training images are not compared{groups}: {missing}")
    return " ".join(parts)


Parsed = TypeVar("Parsed")


class Reader(Protocol):
    """Parses one of a run's files. Raises InputError if the file is missing."""

    def __call__(self, path: Path, parse: Callable[[bytes], Parsed], /) -> Parsed:
        """Parse; `parse` raises ValueError, with "expected …", for content that it cannot read."""


def read_run(read: Reader, name: str) -> Run:
    """Read a run with `read`. Sentences refer to it as `name`.

    Files that are only in DVC's cache may be missing. Raises InputError without predictions.
    """
    tables = {split: read(path, _parse) for split, path in paths.PREDICTED_CLASSES_CSV.items()}
    run = Run(name, tables)
    try:
        head, tuned = (
            read(path, partial(parse_table, columns=HISTORY))
            for path in (paths.EXTRACT_HISTORY_CSV, paths.FINETUNE_HISTORY_CSV)
        )
        is_tuned = tuned["kept"].any()
        params = parse_mapping(read(paths.PARAMS, bytes.decode), f"{name}: {paths.PARAMS}")
        epochs = len(head) if _has_chosen(params, "train_extract") else 1
        epochs += len(tuned) if is_tuned and _has_chosen(params, "train_finetune") else 0
        run = run._replace(epochs=epochs)
        split = read(paths.SPLIT_CSV, partial(parse_table, columns=SPLIT))
        choices = read(paths.CROSS_VALIDATION_JSON, json.loads)
        run = run._replace(split=with_groups(split, choices), choices=choices)
        # Cross-validation describes a fitted head (epoch 0), and no model trained in epochs.
        if not is_tuned and (head["epoch"] == 0).all():
            tables[TRAINING] = read(paths.CROSS_VALIDATION_CSV, _parse_judged)
    except InputError as error:
        run = run._replace(missing=str(error))
    return run


def _has_chosen(params: dict, phase: str) -> bool:
    """Return whether validation images have chosen the epoch of a phase, or where it stopped."""
    keys = ("keep_best", "early_stopping")
    keeps_best, stops_early = (value_at(params, phase, "epochs", key) for key in keys)
    return keeps_best is not False or stops_early is not None


def _parse(content: bytes) -> pd.DataFrame:
    predictions = parse_table(content, PREDICTED_CLASSES)
    if predictions.empty:
        raise ValueError("expected a table with at least one row. Received: none")
    return predictions


def _parse_judged(content: bytes) -> pd.DataFrame:
    """Return the PREDICTED_CLASSES table for training images, from a JUDGED table."""
    table = with_image(parse_table(content, JUDGED))
    is_right = table["probability"] > table["likely_probability"]
    return pd.DataFrame(
        {
            "image": table["image"],
            "actual": table["label"],
            "predicted": table["label"].where(is_right, table["likely"]),
            "loss": log_losses(np.zeros(len(table), int), table[["probability"]].to_numpy()),
        }
    )
