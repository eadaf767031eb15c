"""Compare runs on the images that all runs score: images left out, answers, and thresholds.

verdict.py contains the test that compares two models, with its verdict.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self

import pandas as pd

from pawprint.columns import UNKNOWN_SCORE
from pawprint.errors import InputError, name_some, printable
from pawprint.model.metadata import Metadata
from pawprint.scores.metrics import describe_found
from pawprint.scores.prediction_table import probabilities_in, with_image
from pawprint.scores.verdict import (
    MARGIN,
    ModelComparison,
    compare,
    describe_verdict,
    tabulate_sets,
)

TRAINING = "training, in folds"
IDENTICAL = "identical"
COMPARED = 0.9  # minimum fraction of the older run's test images, for `compare --gate`


class Run(NamedTuple):
    """The parts of a run that are compared. Unknown parts are None.

    `tables` contains PREDICTED_CLASSES tables for images that the model was not trained on: `test`,
    `validation` and, if the head is fitted and its data are available, TRAINING. `calibrate` is a
    section of the params. `split` is the SPLIT table with the groups of `with_groups`; if it is
    missing, `split_md5` from dvc.lock determines whether two runs have the same split. `metadata`
    and `test`, a PROBABILITIES table, belong to the served model; if they are missing, `scores` is
    the SCORES table. `missing` explains why data are missing, or is "".
    """

    name: str
    tables: dict[str, pd.DataFrame]
    calibrate: Mapping[str, object]
    split: pd.DataFrame | None = None
    split_md5: str | None = None
    metadata: Metadata | None = None
    test: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None
    missing: str = ""

    @property
    def places(self) -> pd.DataFrame:
        """The known images, each listed once: `image`, `label` and `split`."""
        if self.split is not None:
            return with_image(self.split)[["image", "label", "split"]]
        tables = [table.assign(split=name) for name, table in self.tables.items()]
        images = pd.concat(tables).rename(columns={"actual": "label"})
        return images[["image", "label", "split"]].drop_duplicates("image")


class Answers(NamedTuple):
    """The number of images per answer; `wrong` counts errors among the `decided` images."""

    images: int
    decided: int
    wrong: int
    unknown: int

    @classmethod
    def of_model(cls, table: pd.DataFrame, metadata: Metadata) -> Self:
        """Count the answers in a PROBABILITIES table."""
        is_decided = metadata.are_decided(probabilities_in(table))
        is_wrong = (table["predicted"] != table["actual"]).to_numpy()
        is_unknown = metadata.are_unknown(table.get(UNKNOWN_SCORE))
        unknown = 0 if is_unknown is None else is_unknown.sum()
        return cls(len(table), is_decided.sum(), (is_decided & is_wrong).sum(), unknown)

    @classmethod
    def of_scores(cls, scores: pd.DataFrame) -> Self:
        """Count the answers for the test images in a SCORES table."""
        is_whole = (scores["split"] == "test") & (scores["label"] == "")
        value = scores[is_whole].set_index("score")["value"]
        images = int(scores[is_whole & (scores["score"] == "accuracy")]["images"].iloc[0])
        decided = round(images * value.get("decided", 1.0))
        wrong = round(decided * value.get("error_of_decided", 1 - value["accuracy"]))
        return cls(images, decided, wrong, round(images * value.get("refused", 0.0)))


class ComparedRun(NamedTuple):
    """A run compared with an older run, on the images that all runs in `compare_runs` score.

    `old` and `new` are the names of the runs. `pairs` contains a table for each set of images, with
    the columns `image`, `actual`, and for both runs `predicted` and `loss`, with the suffix `_old`
    for the older run. `margin` is MARGIN if photos, labels or sets differ, else 0. `left_out`
    contains a line for each set with images that are not compared, `answers` lines about changes
    that affect a user of the model, and `notes` lines about missing data. The older run has
    `test_images` test images.
    """

    old: str
    new: str
    comparison: ModelComparison
    pairs: dict[str, pd.DataFrame]
    margin: float
    left_out: dict[str, str]
    answers: list[str]
    notes: list[str]
    test_images: int

    @property
    def verdict(self) -> str:
        """IDENTICAL, or the test's verdict, given the margin."""
        if all(_are_identical(pairs) for pairs in self.pairs.values()):
            return IDENTICAL
        return self.comparison.verdict(self.margin)

    @property
    def sentences(self) -> list[str]:
        """The verdict as a sentence, followed by one sentence for each answer that changed."""
        old, new, compared = self.old, self.new, self.comparison
        if self.verdict == IDENTICAL:
            images = f"all {compared.images:,} images: log loss {compared.old:.4f}"
            return [
                f"The predictions of {old} and {new} are identical on {images}.",
                *self.answers,
            ]
        return [describe_verdict(old, new, compared, self.margin), *self.answers]

    @property
    def on_common_test(self) -> str:
        """How many common test images are correct, or "" if both runs have the same test images."""
        if "test" not in self.left_out:
            return ""
        pairs = self.pairs["test"]
        new = (pairs["predicted"] == pairs["actual"]).mean()
        old = (pairs["predicted_old"] == pairs["actual"]).mean()
        return (
            f"The test photos differ: of the {len(pairs):,} with the same label in both runs, "
            f"{new:.1%} are correct, compared with {old:.1%} before."
        )

    @property
    def text(self) -> str:
        """The output of `pawprint compare`: sentences, a table with a row per set, and notes."""
        table = tabulate_sets(self.comparison).to_string(index=False)
        return "\n".join([*self.sentences, "", table, *self.left_out.values(), *self.notes])

    @property
    def _is_whole(self) -> bool:
        return len(self.pairs["test"]) / self.test_images >= COMPARED

    @property
    def passes(self) -> bool:
        """Whether a run passes the gate: not worse, on at least COMPARED of the test images."""
        return self.verdict != "worse" and self._is_whole

    @property
    def gate(self) -> str:
        """How many of the older run's test images are left out and, if the gate fails, why."""
        left_out = self.test_images - len(self.pairs["test"])
        line = f"gate: {left_out:,} of {self.test_images:,} test images of {self.old}"
        line += " are left out" if left_out != 1 else " is left out"
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

    Each run is tested once, on all these images together. Training images are included if all runs
    have scored them. The table includes counts for the classes that a run lists in `calibrate`.
    Images in the same group of `old` are not independent; if the data of `old` are missing, each
    image is its own group. If a set has no common images, all its images are left out. Raises
    InputError if the runs have no test images in common.
    """
    runs = [old, *new]
    pairs = _pair_images(runs)
    common = [{name: table for name, table in of.items() if len(table)} for of in pairs]
    named = dict.fromkeys(name for run in runs for name in _named_classes(run.calibrate))
    results = []
    for run, every, of_run, comparison in zip(new, pairs, common, compare(common)):
        for name in named:
            comparison.sets[f"class {name}"] = [
                ""
                if images == TRAINING  # thresholds do not apply
                else describe_found(
                    table["actual"], table["predicted"], table["predicted_old"], name
                )
                for images, table in of_run.items()
            ]
        left_out = {name: _describe_left_out(old, run, name, every[name]) for name in every}
        results.append(
            ComparedRun(
                old.name,
                run.name,
                comparison,
                of_run,
                0.0 if _have_same_photos(old, run) else MARGIN,
                {name: line for name, line in left_out.items() if line},
                [
                    *_describe_classes(old, run),
                    *_describe_thresholds(old, run),
                    *_describe_answers(old, run, of_run["test"]),
                ],
                _describe_missing(old, run),
                len(old.tables["test"]),
            )
        )
    return results


def _pair_images(runs: Sequence[Run]) -> list[dict[str, pd.DataFrame]]:
    """Pair the first run with each other run, by set, on images with the same label in all runs."""
    old, *new = runs
    names = [name for name in old.tables if all(name in run.tables for run in runs)]
    common = {
        name: functools.reduce(pd.merge, [run.tables[name][["image", "actual"]] for run in runs])
        for name in names
    }
    if common["test"].empty:
        tests = ", ".join(f"{len(run.tables['test']):,} of {run.name}" for run in runs)
        raise InputError(
            f"cannot compare {' with '.join(run.name for run in runs)}: they share no test "
            f"image with the same label ({tests}). Compare runs on the same photos, or "
            "`pawprint score` each model on photos that none of them was trained on."
        )
    groups = _groups(old.split)
    return [
        {
            name: _pair(old.tables[name].merge(common[name]), run.tables[name], groups)
            for name in names
        }
        for run in new
    ]


def _groups(split: pd.DataFrame | None) -> dict[str, str]:
    """Return each image's group in a SPLIT table, or {} without a table."""
    return {} if split is None else dict(zip(with_image(split)["image"], split["group"]))


def _pair(old: pd.DataFrame, new: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    pairs = old.merge(new, on=["image", "actual"], suffixes=("_old", ""))
    return pairs.assign(group=[groups.get(image, image) for image in pairs["image"]])


def _named_classes(calibrate: Mapping[str, object]) -> list[str]:
    """Return the classes for which `calibrate` sets a threshold or a recall."""
    values = (calibrate.get(key) for key in ("threshold", "recall"))
    return [name for by_class in values if isinstance(by_class, dict) for name in by_class]


def _have_same_photos(old: Run, new: Run) -> bool:
    """Return whether two runs have the same images with the same labels in the same sets.

    A renamed file counts as the same image. If a table is missing, both runs must have the same
    MD5.
    """
    rows = [run.places.sort_values("image", ignore_index=True) for run in (old, new)]
    are_known = old.split is not None and new.split is not None
    return rows[0].equals(rows[1]) and (are_known or old.split_md5 == new.split_md5)


def _describe_left_out(old: Run, new: Run, name: str, pairs: pd.DataFrame) -> str:
    """Return how many images in a set are compared and which are not, or "" if all are compared."""
    both = old.tables[name].merge(
        new.tables[name], "outer", "image", suffixes=("_old", ""), indicator="side"
    )
    left = both[~both["image"].isin(pairs["image"])]
    if left.empty:
        return ""
    compared = f"{name}: {len(pairs):,} images are compared, {len(left):,} left out"
    parts = []
    for reason, details in _reasons(old, new, left).items():
        counts = details[details.index.isin(left.index)].value_counts()
        left = left.drop(details.index, errors="ignore")
        if len(counts):
            numbers = [f"{detail} {number:,}" for detail, number in counts.items()]
            named = name_some(numbers if len(counts) > 1 else counts.index)
            parts.append(f"{counts.sum():,} {reason} ({named})")
    return f"{compared}: {', '.join(parts)}"


def _reasons(old: Run, new: Run, left: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the classes or changes of images by the reason why they are left out.

    If there are several reasons for an image, the first one counts. `left` contains images from
    either run, with `actual`, `actual_old` for the older run, and `side`.
    """
    before = left["image"].map(old.places.set_index("image")["split"])
    after = left["image"].map(new.places.set_index("image")["split"])
    label = left["actual"].fillna(left["actual_old"])
    is_old, is_new, is_both = (left["side"] == side for side in ("left_only", "right_only", "both"))
    relabelled = left["actual_old"] + " to " + left["actual"]
    moved = before + " to " + after
    return {
        "with another label": relabelled[is_both & (left["actual_old"] != left["actual"])],
        "of a new class": label[is_new & ~label.isin(old.places["label"])],
        f"of a class that {new.name} lacks": label[is_old & ~label.isin(new.places["label"])],
        "in another set": moved[before.notna() & after.notna() & ~is_both],
        f"only in {old.name}": label[is_old],
        f"only in {new.name}": label[is_new],
        "not in every run": label[is_both],
    }


def _describe_classes(old: Run, new: Run) -> Iterator[str]:
    """Yield a sentence about added, removed or merged classes. Renamed ones do not count."""
    before, after = set(old.places["label"]), set(new.places["label"])
    if before < after:
        added = sorted(after - before)
        yield (
            f"The task is harder than for {old.name}, because images can now be mistaken for new "
            f"classes: {name_some(added)}."
        )
    elif after < before:
        removed = sorted(before - after)
        yield (
            f"The task is easier than for {old.name}, because images can no longer be mistaken for "
            f"these classes: {name_some(removed)}."
        )


def _describe_thresholds(old: Run, new: Run) -> Iterator[str]:
    """Yield a sentence for each class whose threshold in the served model has changed."""
    if old.metadata is None or new.metadata is None:
        return
    before, after = old.metadata.thresholds, new.metadata.thresholds
    for label in dict.fromkeys([*before, *after]):
        values = (after.get(label), before.get(label))
        now, was = ("none" if value is None else f"{value:.3g}" for value in values)
        if now != was:
            yield f"Threshold of {printable(label)}: {now}, was {was}."


def _describe_answers(old: Run, new: Run, pairs: pd.DataFrame) -> Iterator[str]:
    """Yield the changes for a user: how many test images are decided or flagged as unknown.

    The images are those in `pairs` or, if data are missing, all test images of each run.
    """
    images = None
    own = ", each run's own"
    if None not in (old.metadata, new.metadata) and old.test is not None and new.test is not None:
        images = pairs["image"]
        is_whole = len(images) == len(old.test) == len(new.test)
        own = "" if is_whole else " that can be compared"
    before, after = (_answers(run, images) for run in (old, new))
    if before is None or after is None:
        return
    have_unsure = after.decided < after.images or before.decided < before.images
    if have_unsure and after[:3] != before[:3]:  # images, decided images and wrong ones
        yield (
            f"Decided, not unsure: {after.decided:,} of {after.images:,} test images{own}, "
            f"{after.wrong:,} of them wrong; was {before.decided:,} of {before.images:,}, "
            f"{before.wrong:,} wrong."
        )
    if after.unknown * before.images != before.unknown * after.images:
        yield (
            f"Flagged as unknown: {after.unknown:,} of {after.images:,} test images{own}; was "
            f"{before.unknown:,} of {before.images:,}."
        )


def _answers(run: Run, images: pd.Series | None) -> Answers | None:
    """Return a run's answers for these test images, or for all of them; None if unknown."""
    if run.metadata is not None and run.test is not None:
        table = run.test if images is None else run.test[with_image(run.test)["image"].isin(images)]
        return Answers.of_model(table, run.metadata)
    return None if run.scores is None else Answers.of_scores(run.scores)


def _describe_missing(old: Run, new: Run) -> list[str]:
    """Return a line about anything that is not compared because data are missing, if any."""
    missing = old.missing or new.missing
    groups = ", and groups are not known" if old.split is None else ""
    return [f"Training images are not compared{groups}: {missing}"] if missing else []
