"""Compare runs on the images that all of them score and none was trained on.

verdict.py contains the test that compares two models, with its verdict.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import CLASSES, HISTORY, PREDICTED_CLASSES, SCORES, SPLIT, TRAIN
from pawprint.base.errors import InputError, counted, name_some
from pawprint.base.labels import (
    MAX_NONE,
    ONE_CLASS,
    SEVERAL_LABELS,
    UNKNOWN,
    UNSURE,
    LabelKind,
    names_one,
)
from pawprint.base.tables import parse_table
from pawprint.base.yaml_file import parse_mapping, value_at
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.label_rows import join_labels, split_labels
from pawprint.scores.prediction_table import parse_judged, with_image
from pawprint.scores.series import with_groups
from pawprint.scores.verdict import (
    ModelComparison,
    compare,
    describe_verdict,
    predicted_by_both,
    set_row,
)

TRAINING = "training, in folds"
HELD_OUT = ("validation", "test")
BESIDE = "test"  # decides nothing, because whoever keeps the better run would choose by it
IDENTICAL = "identical"
OTHER_CLASSES = "classes differ"
OTHER_SPLITS = "splits differ"
COMPARED = 0.9  # minimum fraction of the older run's held-out images, for `compare --gate`


class Run(NamedTuple):
    """The parts of a run that are compared.

    `tables` contains PREDICTED_CLASSES tables for images that the model was not trained on:
    `validation`, `test` and, if the head is fitted and its data are available, TRAINING, in which
    `predicted` is "" if the model has thresholds, because those of folds have none. `split` is the
    SPLIT table with the groups of `with_groups`; if it is None, `split_md5` from dvc.lock
    determines whether two runs have the same split. Validation images have chosen the best of
    `epochs`, which is 1 for a fitted head alone, and if neither `keep_best` nor `early_stopping`
    is set. `choices` is the content of data/cross_validation.json, or {}. `marked` contains the
    numbers of held-out images labelled unknown and unsure, such as "3 and 0", or "" if they are not
    known. `missing` explains why data are missing, or is "". `labels` contains all classes, or none
    if they are not known, and `label_kind` says whether a photo can show several of them.
    `splitting` is the section `split` of the params, or {}.
    """

    name: str
    tables: dict[str, pd.DataFrame]
    split: pd.DataFrame | None = None
    split_md5: str | None = None
    epochs: int = 1
    choices: Mapping[str, object] = {}
    marked: str = ""
    missing: str = ""
    labels: Set[str] = frozenset()
    label_kind: LabelKind = ONE_CLASS
    splitting: Mapping[str, object] = {}

    def shows(self, names: pd.Series, labels: Set[str]) -> pd.Series:
        """Return whether each of these classes, or cells of labels, is one of `labels`, bool."""
        are_shown = names.map(lambda name: not labels.isdisjoint(self.label_kind.labels_in(name)))
        return are_shown.astype(bool)

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

    `pairs` contains a table for each set of images, with the columns `image`, `actual`, and for
    both runs `predicted` and `loss`, with the suffix `_old` for the older run. All sets but BESIDE
    decide; `kind` names their images. The classes `gone` are only in the older run, and those
    `added` only in the new one.

    If classes differ, only images of the common classes are compared. A log loss over other classes
    is another measure, so `loss` is then 1 for an error, else 0, and the verdict is "worse" if
    significantly more of these images are wrong, else OTHER_CLASSES.
    """

    old: Run
    new: Run
    comparison: ModelComparison
    pairs: dict[str, pd.DataFrame]
    kind: str
    gone: set[str]
    added: set[str]

    @property
    def are_identical(self) -> bool:
        """Whether the runs predict the same classes, with the same losses."""
        every = pd.concat(self.pairs.values())
        known = predicted_by_both(every)
        are_same = (known["predicted"] == known["predicted_old"]).all()
        return bool(are_same and (every["loss"] == every["loss_old"]).all())

    @property
    def have_same_photos(self) -> bool:
        """Whether both runs have the same images with the same labels in the same sets.

        A renamed file counts as the same image. If a table is missing, both must have the same MD5.
        """
        runs = self.old, self.new
        rows = [run.places.sort_values("image", ignore_index=True) for run in runs]
        are_known = all(run.split is not None for run in runs)
        return rows[0].equals(rows[1]) and (are_known or runs[0].split_md5 == runs[1].split_md5)

    @property
    def splits(self) -> str:
        """A sentence if the photos are split by other params, which no verdict can judge, or ""."""
        old, new = self.old.splitting, self.new.splitting
        changed = sorted(f"split.{key}" for key in {*old, *new} if old.get(key) != new.get(key))
        if not changed or self.have_same_photos:
            return ""
        return (
            f"No verdict on {self.new.name} and {self.old.name}: {name_some(changed)} differs, so "
            "they are trained and tested on other photos. Other splits are no improvement."
        )

    @property
    def marked(self) -> str:
        """The end of a sentence if, of the same photos, more or fewer are marked, or ""."""
        new, old = self.new.marked, self.old.marked
        differ = f", but not as many are labelled unknown and unsure: {new} (was {old})"
        are_other = new != old and "" not in (new, old) and self.have_same_photos
        return differ if are_other else ""

    @property
    def verdict(self) -> str:
        """IDENTICAL, OTHER_SPLITS or the test's verdict; if classes differ, see the class."""
        if self.splits:
            return OTHER_SPLITS
        if self.classes:
            return "worse" if self.comparison.test.verdict == "worse" else OTHER_CLASSES
        if self.are_identical and not self.marked:
            return IDENTICAL
        return self.comparison.verdict

    @property
    def table(self) -> pd.DataFrame:
        """The scores of each set, without the log loss if classes differ."""
        table = self.comparison.tabulate()
        return table.loc[:, ~(table.columns.str.startswith("log loss") & bool(self.classes))]

    @property
    def sentences(self) -> list[str]:
        """The verdict and, if runs that differ have common test images, these images' scores."""
        old, new = self.old.name, self.new.name
        if self.splits:
            return [self.splits]
        if self.are_identical and not self.classes:
            number = sum(map(len, self.pairs.values()))
            found = f"identical on all {number:,} images{self.marked}"
            return [f"The predictions of {old} and {new} are {found}."]
        verdict = self.classes or describe_verdict(old, new, self.comparison, self.kind)
        if self.classes and self.verdict == "worse":
            verdict += " Significantly more of the other photos are wrong."
        verdict += _describe_choices(self.old.choices, self.new.choices) + self.rule
        if BESIDE not in self.pairs:
            return [verdict]
        row = self.table.iloc[-1]
        scores = ", ".join(f"{name} {cell}" for name, cell in row[2:].items() if cell)
        images = counted(len(self.pairs[BESIDE]), "test image")
        return [verdict, f"Beside it, and deciding nothing, {images}: {scores}."]

    @property
    def rule(self) -> str:
        """A sentence if only one of the runs names at least one label for every photo, or ""."""
        names = []
        for run in (self.old, self.new):
            if run.label_kind.exclusive or run.split is None:
                return ""
            cells = run.split["label"][run.split["split"] == TRAIN]
            if names_one(run.label_kind.encode(cells, [*run.label_kind.names_in(cells)])):
                names.append(run.name)
        if len(names) != 1:
            return ""
        return (
            f" Only {names[0]} names at least one label for every photo, because at most "
            f"{MAX_NONE:.1%} of its training photos have none: this alone changes what is right."
        )

    @property
    def classes(self) -> str:
        """A sentence about the images of the common classes, or "" if no class differs."""
        if not self.gone | self.added:
            return ""
        deciding = [name for name in self.pairs if name != BESIDE]
        every = pd.concat(self.pairs[name] for name in deciding)
        right, was = ((every[f"loss{suffix}"] == 0).sum() for suffix in ("", "_old"))
        changes = [f"{name} added" for name in sorted(self.added)]
        changes += [f"{name} removed" for name in sorted(self.gone)]
        found = f"of {len(every):,} other photos, {right:,} are right (was {was:,})"
        if self.added:
            called = self.new.shows(every["predicted"], self.added).sum()
            own = pd.concat(self.new.tables[name] for name in deciding)
            own = own[self.new.shows(own["actual"], self.added)]
            named = name_some(sorted(self.added))
            found += f", {called:,} are called {named}; of {len(own):,} photos of {named}, "
            found += f"{(own['predicted'] == own['actual']).sum():,} are right"
        return f"Classes differ ({name_some(changes)}): {found}, on {self.kind}."

    @property
    def left_out(self) -> str:
        """A line with the images of either run, by set, that are not compared, or ""."""
        runs, pairs = (self.old, self.new), self.pairs
        counts = []
        for name in (*HELD_OUT, TRAINING):
            tables = [run.tables[name]["image"] for run in runs if name in run.tables]
            left = set().union(*tables) - {*(pairs[name]["image"] if name in pairs else ())}
            if left and len(tables) > 1:
                counts.append(f"{len(left):,} {name}")
        parts = []
        if counts:
            parts.append(f"Left out, because photos, labels or splits differ: {'; '.join(counts)}.")
        if missing := self.old.missing or self.new.missing:
            groups = ", and groups are not known" if self.old.split is None else ""
            parts.append(f"Training images are not compared{groups}: {missing}")
        return " ".join(parts)

    @property
    def text(self) -> str:
        """The output of `pawprint compare`: a sentence, a table with a row per set, and a line."""
        table = self.table.to_string(index=False)
        return "\n".join([self.sentences[0], "", table, *filter(None, [self.left_out])])

    @property
    def _compared(self) -> int:
        return sum(len(self.pairs.get(name, ())) for name in HELD_OUT)

    @property
    def _held_out(self) -> int:
        """The number of the older run's held-out images of the common classes."""
        labels = pd.concat(self.old.tables[name]["actual"] for name in HELD_OUT)
        return int((~self.old.shows(labels, self.gone)).sum())

    @property
    def _is_whole(self) -> bool:
        return self._compared / self._held_out >= COMPARED

    @property
    def passes(self) -> bool:
        """Whether a run passes the gate: not worse, on at least COMPARED of held-out images.

        A run without a verdict does not pass.
        """
        return self.verdict not in ("worse", OTHER_SPLITS) and self._is_whole

    @property
    def gate(self) -> str:
        """How many of the older run's held-out images are left out and, if the gate fails, why."""
        line = (
            f"gate: left out: {self._held_out - self._compared:,} of {self._held_out:,} validation "
            f"and test images of {self.old.name}"
        )
        if not self._is_whole:
            return (
                f"{line}, more than {1 - COMPARED:.0%}. They may be the hard ones, so the gate "
                "fails: look at the images left out and decide."
            )
        why = OTHER_SPLITS if self.splits else f"{self.new.name} is worse"
        return line if self.passes else f"{line}. The gate fails, because {why}."


def compare_runs(old: Run, new: Sequence[Run]) -> list[ComparedRun]:
    """Compare runs with an older run, on the images that have the same label in all runs.

    Each run is tested once, on all images together that decide: validation images and, if all runs
    have scored them, training images in folds. Images in the same group of `old` are not
    independent; if the data of `old` are missing, each image is its own group. If a set has no
    common images, all its images are left out. The loss of the best of more epochs is lower by
    chance, and without a rare error it is lower the surer the model is, so errors then decide.
    Raises InputError if the runs have fewer than two classes or no validation images in common, or
    differ in `label_kind`.
    """
    runs = [old, *new]
    if len({run.label_kind for run in runs}) > 1:
        several = name_some([run.name for run in runs if not run.label_kind.exclusive])
        raise InputError(
            f"nothing can be compared: only in {several} can a photo have several labels "
            "(clean.several_labels), which makes the log loss another measure."
        )
    classes = _classes_of(runs)
    differ = [labels != classes[0] for labels in classes[1:]]
    if any(differ):  # errors are compared, so predictions have to be known
        shared = set.intersection(*classes)
        old, *new = runs = [_without_open(_without_unknown(run), shared) for run in runs]
    common = _pair_images(runs, differ)
    deciding = [{name: of[name] for name in of if name != BESIDE} for of in common]
    kind = "validation images"
    if TRAINING in deciding[0]:
        kind += " and training images (in folds)"
    epochs = [run.epochs for run in runs]
    by_errors = min(epochs) < max(epochs)
    if max(epochs) > 1:
        kind += ", which have also chosen the epoch" + ", so errors decide" * by_errors
    results = []
    compared = compare(deciding, CONFIDENCE, old.label_kind, by_errors=by_errors)
    each = zip(new, common, compared, classes[1:])
    for run, of_run, comparison, labels in each:
        if BESIDE in of_run:
            name = f"{BESIDE} (decides nothing)"
            row = set_row(name, of_run[BESIDE], CONFIDENCE, old.label_kind)
            comparison = comparison._replace(sets=[*comparison.sets, row])
        changed = classes[0] - labels, labels - classes[0]
        results.append(ComparedRun(old, run, comparison, of_run, kind, *changed))
    return results


def _without_unknown(run: Run) -> Run:
    """Return the run without sets whose predictions are not known, because it has thresholds."""
    known = {name: table for name, table in run.tables.items() if (table["predicted"] != "").all()}
    return run._replace(tables=known)


def _without_open(run: Run, labels: Set[str]) -> Run:
    """Return the run without what is not known of labels that are not among these."""
    known = {name: _known(table, labels, run.label_kind) for name, table in run.tables.items()}
    return run._replace(tables=known)


def _known(table: pd.DataFrame, labels: Set[str], kind: LabelKind) -> pd.DataFrame:
    states = table[["actual", "predicted"]].map(kind.states_in)
    cells = states.map(
        lambda of: kind.written({name: s for name, s in of.items() if s >= 0 or name in labels})
    )
    return table.assign(**cells)


def _classes_of(runs: Sequence[Run]) -> list[set[str]]:
    """Return each run's classes: all, or only those held out if a run does not list its classes.

    Raises InputError if the runs have fewer than two classes in common.
    """
    classes = [{*run.labels} for run in runs]
    if not all(classes):
        tables = [run.places for run in runs]
        names = [t["label"][t["split"].isin(HELD_OUT)] for t in tables]
        classes = [run.label_kind.names_in(cells) for run, cells in zip(runs, names)]
    if len(set.intersection(*classes)) < runs[0].label_kind.least:
        raise InputError(
            f"nothing can be compared: {' and '.join(run.name for run in runs)} have fewer than "
            "two classes in common. Compare runs with the same classes."
        )
    return classes


def _pair_images(runs: Sequence[Run], differ: Sequence[bool]) -> list[dict[str, pd.DataFrame]]:
    """Pair the first run with each other run, by set, on images with the same label in all runs.

    Sets without such images are left out. `differ` says whose classes differ from the first run's.
    """
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
            name: _pair(old.tables[name].merge(images), run.tables[name], groups, has_others)
            for name, images in common.items()
            if len(images)
        }
        for run, has_others in zip(new, differ)
    ]


def _groups(split: pd.DataFrame | None) -> dict[str, str]:
    """Return each image's group in a SPLIT table, or {} without a table."""
    return {} if split is None else dict(zip(with_image(split)["image"], split["group"]))


def _pair(
    old: pd.DataFrame, new: pd.DataFrame, groups: Mapping[str, str], has_others: bool
) -> pd.DataFrame:
    """Return the pairs. If a run has other classes, the loss is 1 for an error, and otherwise 0."""
    pairs = old.merge(new, on=["image", "actual"], suffixes=("_old", ""))
    for model in ("_old", "") if has_others else ():
        pairs[f"loss{model}"] = (pairs[f"predicted{model}"] != pairs["actual"]).astype(float)
    return pairs.assign(group=[groups.get(image, image) for image in pairs["image"]])


def _describe_choices(old: Mapping[str, object], new: Mapping[str, object]) -> str:
    """Return a sentence that names choices of cross-validation that differ, such as C, or ""."""
    known = [name for name in ("C", "blocks", "views") if name in old and name in new]
    values = [(name, f"{old[name]:g}", f"{new[name]:g}") for name in known]
    changes = [f"{name}: {before} → {after}" for name, before, after in values if before != after]
    return f" Cross-validation chose other values ({', '.join(changes)})." if changes else ""


# Parses a file of a run with a function that raises ValueError, with "expected …", for content that
# it cannot read. Raises InputError if the file is missing.
Reader = Callable[[Path, Callable[[bytes], Any]], Any]


def read_run(read: Reader, name: str) -> Run:
    """Read a run with `read`. Sentences refer to it as `name`.

    Files that are only in DVC's cache may be missing. Raises InputError without predictions.
    """
    tables = {split: read(path, _parse) for split, path in paths.PREDICTED_CLASSES_CSV.items()}
    run = Run(name, tables)
    with contextlib.suppress(InputError):
        scores = read(paths.SCORES_CSV, partial(parse_table, columns=SCORES))
        run = run._replace(marked=_count_marked(scores))
        if (scores["score"] == "exact").any():
            tables |= {split: join_labels(table) for split, table in tables.items()}
            run = run._replace(label_kind=SEVERAL_LABELS)
    with contextlib.suppress(InputError):
        classes = read(paths.CLASSES_CSV, partial(parse_table, columns=CLASSES))
        run = run._replace(labels=run.label_kind.names_in(classes["label"]))
    try:
        head, tuned = (
            read(path, partial(parse_table, columns=HISTORY))
            for path in (paths.EXTRACT_HISTORY_CSV, paths.FINETUNE_HISTORY_CSV)
        )
        is_tuned = tuned["kept"].any()
        params = parse_mapping(read(paths.PARAMS, bytes.decode), f"{name}: {paths.PARAMS}")
        epochs = len(head) if _has_chosen(params, "train_extract") else 1
        epochs += len(tuned) if is_tuned and _has_chosen(params, "train_finetune") else 0
        run = run._replace(epochs=epochs, splitting=params.get("split") or {})
        split = read(paths.SPLIT_CSV, partial(parse_table, columns=SPLIT))
        choices = read(paths.CROSS_VALIDATION_JSON, json.loads)
        run = run._replace(split=with_groups(split, choices), choices=choices)
        # Cross-validation describes a fitted head (epoch 0), and no model trained in epochs.
        if not is_tuned and not head["epoch"].any():
            judged = read(paths.CROSS_VALIDATION_CSV, parse_judged)[list(PREDICTED_CLASSES)]
            if not run.label_kind.exclusive:
                judged = join_labels(split_labels(judged))
            keys = ("threshold", "recall")
            has_thresholds = any(value_at(params, "calibrate", key) for key in keys)
            tables[TRAINING] = judged.assign(predicted="") if has_thresholds else judged
    except InputError as error:
        run = run._replace(missing=str(error))
    return run


def _count_marked(scores: pd.DataFrame) -> str:
    """Return the numbers of images labelled unknown and unsure, as text, from a SCORES table."""
    label = scores["score"].map({"refused": UNKNOWN, "decided": UNSURE})
    part = scores["value"].where(label == UNKNOWN, 1 - scores["value"])
    counts = (part * scores["images"])[scores["label"] == ""].groupby(label).sum()
    return " and ".join(f"{counts.get(name, 0):,.0f}" for name in (UNKNOWN, UNSURE))


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
