"""The candidates of `try` for this project, ranked: their scores and costs, and which to use."""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.classes import SIGNIFICANT, are_imbalanced, log_losses, problem_of_labels
from pawprint.columns import IMAGES, SPLIT
from pawprint.errors import InputError
from pawprint.files import read_json, read_text, read_yaml
from pawprint.images.archive import open_archive
from pawprint.network.logistic_regression import sample_weights
from pawprint.package import python_in
from pawprint.params.whole import Params, load_params
from pawprint.runtime import CORES
from pawprint.scores.paired import Comparison, Pair, compare, describe_verdict
from pawprint.tables import read_table
from pawprint.templates.files import flat
from pawprint.tools.candidates import (
    TODAY,
    Candidate,
    Measurement,
    Sample,
    candidates,
    describe_params,
    draw,
    measure,
    time_in_turn,
)
from pawprint.tools.projects import describe_changes, set_params

MARGIN, ALIKE = 0.01, 1.1  # how much higher a log loss, how many times a CPU time counts as equal
DECODED = 2  # times that `dvc repro` decodes an image: `clean` and `features`


class RankedRow(NamedTuple):
    """A candidate and its scores. `comparison` is that with the first row, None for this.

    Where classes are imbalanced, each class counts the same in the log loss. `cpu_ms` is the CPU
    time of an image without decoding, `run_seconds` what a `dvc repro` of all images takes for
    decoding, features, predictions and the choice of a head, without the start of the stages. A
    time that is ALIKE to that of an earlier row is that one.
    """

    candidate: Candidate
    accuracy: float
    mean_recall: float
    loss: float
    comparison: Comparison | None
    cpu_ms: float
    run_seconds: float
    megabytes: float


class Ranking(NamedTuple):
    """`rows` begin with today's params, or without their weights with the first that has some.

    The others are compared with these. `best` is the index of what to use. `failed` says by name
    why a candidate is not measured.
    """

    rows: list[RankedRow]
    best: int
    failed: dict[str, InputError]
    is_imbalanced: bool


Show = Callable[[Sequence[Candidate], Candidate, dict[str, str] | InputError, bool], None]


def rank(
    choices: Mapping[str, list],
    minutes: float | None,
    name: str | None = None,
    show: Show | None = None,
) -> Ranking:
    """Measure the candidates on training images of this project, or only the one of this name.

    That one is used then. What is not stored is measured, see `measure`; without `minutes` nothing
    is, not even the times of an image. With some, `dvc repro split` is run where its images are
    missing. `show` gets all candidates, each one with its `cells_of`, or why it has none, as soon
    as it is measured, first that of today, and whether it is the first with cells. Raises
    InputError for wrong choices, another name, and if the params of this name fail, those of today
    for another reason than their weights, or all.
    """
    if minutes:
        _require_images()
    params, split = load_params(), read_table(project.SPLIT_CSV, SPLIT)
    train = split[split["split"] == "train"]
    sizes = read_table(project.IMAGES_CSV, IMAGES)
    sizes = sizes[sizes["path"].isin(train["path"])]
    options = candidates(read_yaml(project.PARAMS), choices, sizes)
    if name:
        names = [option.name for option in options[1:]]
        if name not in names:
            raise InputError(
                f"--use: expected one of {', '.join(names)}. Received: {name}. Give the same -S, "
                "too."
            )
        options = [options[0], options[1 + names.index(name)]]
    labels = read_json(project.LABELS_JSON)
    if problem := problem_of_labels(labels):
        raise InputError(f"labels are missing: {problem}. Label photos with `pawprint app` first.")
    images = draw(train)
    weight = params.train_extract.weight_for(train["label"])
    is_imbalanced = are_imbalanced(Counter(images["label"]).values())
    rows, results, failed = [], [], {}
    with open_archive(project.RAW_ARCHIVES, params.clean.bits) as archive:
        sample = Sample(archive, images, labels, weight)
        for option, result in measure(options, sample, minutes or 0):
            if isinstance(result, InputError):
                if option.name == name:
                    raise result
                failed[option.name] = shown = result
            else:
                # In turn with the first, so that both have the computer as it is.
                pairs = [*results[:1], (option, result)]
                decoding, *cpu_ms = time_in_turn(pairs, sample, is_measured=minutes is not None)
                ms = cpu_ms[-1] * (rows[0].cpu_ms / cpu_ms[0] if rows else 1)
                of_run = _passes(split, params) * ms + DECODED * len(split) * decoding
                seconds = of_run / CORES / 1000 + result.fit_seconds
                results.append((option, result))
                level = SIGNIFICANT / max(len(options) - 1, 1)
                rows.append(_row(results, rows, sample, ms, seconds, level))
                shown = cells_of(rows[-1], is_imbalanced)
            if show:
                show(options, option, shown, len(rows) == 1)
    if not rows:
        raise failed[TODAY]
    best = len(rows) - 1 if name else _best(rows, [result for _, result in results], sample)
    return Ranking(rows, best, failed, is_imbalanced)


def _row(
    results: Sequence[tuple[Candidate, Measurement]],
    earlier: Sequence[RankedRow],
    sample: Sample,
    cpu_ms: float,
    seconds: float,
    level: float,
) -> RankedRow:
    """Return the row of the last of these results.

    `level` is that of its comparison with the first one, `earlier` are the rows of the others.
    """
    (_, today), (option, result) = results[0], results[-1]
    pair = _pair(today, result, sample)
    return RankedRow(
        option,
        pair.new_right.mean(),
        pd.Series(pair.new_right).groupby(pair.actual).mean().mean(),
        pair.values[1].mean(),
        compare([{"images": pair}], 1 - level)[0] if earlier else None,
        _as_earlier(cpu_ms, [row.cpu_ms for row in earlier]),
        _as_earlier(seconds, [row.run_seconds for row in earlier]),
        result.megabytes,
    )


def _as_earlier(value: float, earlier: Iterable[float]) -> float:
    """Return the first of the earlier values that is ALIKE, or else the value."""
    return next((other for other in earlier if other / ALIKE <= value <= other * ALIKE), value)


def _pair(old: Measurement, new: Measurement, sample: Sample) -> Pair:
    """Return two results on the images that both judge, by log losses."""
    judged = ~np.isnan(old.probabilities[:, 0] + new.probabilities[:, 0])
    actual = pd.Index(sample.labels).get_indexer(sample.images["label"])[judged]
    weights = sample_weights(sample.class_weight, actual)
    probabilities = [result.probabilities[judged] for result in (old, new)]
    old_right, new_right = (each.argmax(axis=1) == actual for each in probabilities)
    old_loss, new_loss = (weights * log_losses(actual, each) for each in probabilities)
    groups = sample.images["group"][judged]
    return Pair(actual, old_right, new_right, groups, (old_loss, new_loss))


def use_candidate(candidate: Candidate) -> list[str]:
    """Write the params of a candidate. Returns a line for each change, such as `a.b: 1 → 2`."""
    before = flat(read_text(project.PARAMS))
    set_params(candidate.changes)
    return describe_changes(before, candidate.changes)


def _require_images() -> None:
    paths = project.SPLIT_CSV, project.IMAGES_CSV, project.RAW_ARCHIVES
    if all(path.exists() for path in paths):
        return
    command = [*python_in(), "-m", "dvc", "repro", "split"]
    if subprocess.run(command).returncode or not all(path.exists() for path in paths):
        raise InputError(
            f"{paths[0]}: expected the images of `dvc repro split`. Received: its error above. "
            "In a clone, run `dvc pull` first."
        )


def _passes(split: pd.DataFrame, params: Params) -> int:
    """How many squares the stage `features` passes through the network."""
    images = split["split"].value_counts()
    held_out = images.get("validation", 0) + images.get("test", 0)
    return images["train"] * params.augment.views + held_out * (1 + params.augment.is_mirrored)


def _best(rows: Sequence[RankedRow], results: Sequence[Measurement], sample: Sample) -> int:
    """Return the index of the row to use.

    Considered are the first row and those that are cheaper or significantly better. Those that are
    MARGIN or less above the lowest log loss, and not significantly worse, are equally good: of the
    cheapest of them, whose CPU times are ALIKE, the one with the lowest log loss is used.
    """
    considered = [
        number
        for number, row in enumerate(rows)
        if not row.comparison
        or row.comparison.test.verdict == "better"
        or row.cpu_ms < rows[0].cpu_ms
    ]
    first = min(considered, key=lambda number: rows[number].loss)
    near = [n for n in considered if n != first and rows[n].loss <= rows[first].loss + MARGIN]
    pairs = [{"images": _pair(results[first], results[number], sample)} for number in near]
    compared = zip(near, compare(pairs, 1 - SIGNIFICANT))
    good = [first, *(number for number, each in compared if each.test.verdict != "worse")]
    most = ALIKE * min(rows[number].cpu_ms for number in good)
    cheap = [number for number in good if rows[number].cpu_ms <= most]
    return min(cheap, key=lambda number: rows[number].loss)


def describe_ranking(ranking: Ranking) -> str:
    """Return what to use, and why."""
    today, best = ranking.rows[0], ranking.rows[ranking.best]
    name, base = best.candidate.name, today.candidate.name
    if base == TODAY == name:
        return "Keep the params of today: no candidate is better, or as good and cheaper."
    if not best.comparison:
        others = ", and no other is better" if ranking.rows[1:] else ""
        return f"Use {name}: today's network has no weights here{others}."
    where = TODAY if base == TODAY else f"with {base}"
    verdict = describe_verdict(base, name, best.comparison)
    times = f"an image takes {best.cpu_ms:.1f} ms of CPU time, {today.cpu_ms:.1f} {where}"
    if best.cpu_ms == today.cpu_ms:
        return f"{verdict} {name} costs the same: {times}."
    return f"{verdict} {name} is {'cheaper' if best.cpu_ms < today.cpu_ms else 'dearer'}: {times}."


def cells_of(row: RankedRow, is_imbalanced: bool) -> dict[str, str]:
    """Return the row as text by column."""
    cells = {"candidate": row.candidate.name, "accuracy": f"{row.accuracy:.2%}"}
    if is_imbalanced:
        cells["mean recall"] = f"{row.mean_recall:.2%}"
    cells |= {"log loss": f"{row.loss:.4f}", "difference": "", "verdict": ""}
    if row.comparison:
        test = row.comparison.test
        cells["difference"] = f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})"
        cells["verdict"] = test.verdict
    cells |= {"CPU ms": f"{row.cpu_ms:.1f}", "run s": f"{row.run_seconds:,.0f}"}
    return cells | {"MB": f"{row.megabytes:.1f}", "params": describe_params(row.candidate)}


def tabulate_ranking(ranking: Ranking) -> pd.DataFrame:
    """Return `cells_of` each candidate."""
    return pd.DataFrame([cells_of(row, ranking.is_imbalanced) for row in ranking.rows])
