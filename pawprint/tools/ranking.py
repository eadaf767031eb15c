"""The candidates of `try` for this project, ranked: their scores and costs, and which to use."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight

from pawprint import project
from pawprint.classes import SIGNIFICANT, are_imbalanced, log_losses
from pawprint.columns import IMAGES, SPLIT
from pawprint.errors import InputError
from pawprint.files import read_json, read_text, read_yaml
from pawprint.images.archive import open_archive
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
    """A candidate and its scores. `comparison` is that with today's params, None for these.

    Where classes are imbalanced, each class counts the same in the log loss. `cpu_ms` is the CPU
    time of an image without decoding, `run_seconds` what a `dvc repro` of all images takes for
    decoding, features, predictions and the choice of a head, without the start of the stages.
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
    """`rows` begin with today's params. `best` is the index of what to use.

    `failed` says by name why a candidate is not measured.
    """

    rows: list[RankedRow]
    best: int
    failed: dict[str, InputError]
    is_imbalanced: bool


def rank(choices: Mapping[str, list], minutes: float | None, name: str | None = None) -> Ranking:
    """Measure the candidates on training images of this project, or only the one of this name.

    That one is used then. What is not stored is measured, see `measure`; without `minutes` nothing
    is, not even the times of an image. With some, `dvc repro split` is run where its images are
    missing. Raises InputError for wrong choices, another name, and if today's params or those of
    this name fail.
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
    images, labels = draw(train), read_json(project.LABELS_JSON)
    weight = params.train_extract.weight_for(train["label"])
    with open_archive(project.RAW_ARCHIVES, params.clean.bits) as archive:
        sample = Sample(archive, images, labels, weight)
        tried = list(measure(options, sample, minutes or 0))
        failed = {option.name: error for option, error in tried if isinstance(error, InputError)}
        if name in failed:
            raise failed[name]
        pairs = [(option, result) for option, result in tried if isinstance(result, Measurement)]
        decoding, *cpu_ms = time_in_turn(pairs, sample, is_measured=minutes is not None)
    passes, decoding = _passes(split, params), DECODED * len(split) * decoding
    seconds = [
        (decoding + passes * ms) / CORES / 1000 + result.fit_seconds
        for ms, (_, result) in zip(cpu_ms, pairs)
    ]
    rows, best = _rank(pairs, cpu_ms, seconds, sample)
    is_imbalanced = are_imbalanced(Counter(images["label"]).values())
    return Ranking(rows, 1 if name else best, failed, is_imbalanced)


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


def _rank(
    pairs: Sequence[tuple[Candidate, Measurement]],
    cpu_ms: Iterable[float],
    seconds: Iterable[float],
    sample: Sample,
) -> tuple[list[RankedRow], int]:
    """Each with its scores, and the index of the one to use.

    Considered are today's params and those that are cheaper or significantly better. Those that are
    MARGIN or less above the lowest log loss, and not significantly worse, are equally good: of the
    cheapest of them, whose CPU times are ALIKE, the one with the lowest log loss is used.
    """
    results, images = [result for _, result in pairs], sample.images
    judged = ~np.isnan([result.probabilities[:, 0] for result in results]).any(axis=0)
    actual = pd.Index(sample.labels).get_indexer(images["label"])[judged]
    groups, weights = images["group"][judged], compute_sample_weight(sample.class_weight, actual)
    probabilities = [result.probabilities[judged] for result in results]
    losses = [weights * log_losses(actual, each) for each in probabilities]
    rights = [each.argmax(axis=1) == actual for each in probabilities]

    def compare_with(first: int, others: Iterable[int]) -> list[Comparison]:
        def pair(n: int) -> Pair:
            return Pair(actual, rights[first], rights[n], groups, (losses[first], losses[n]))

        return compare([{"images": pair(n)} for n in others], 1 - SIGNIFICANT)

    comparisons = [None, *compare_with(0, range(1, len(pairs)))]
    recalls = [pd.Series(right).groupby(actual).mean().mean() for right in rights]
    accuracies, means = ([values.mean() for values in each] for each in (rights, losses))
    scores = zip(accuracies, recalls, means, comparisons, cpu_ms, seconds)
    rows = [
        RankedRow(option, *row, result.megabytes) for (option, result), row in zip(pairs, scores)
    ]
    are_better = [row and row.test.verdict == "better" for row in comparisons]
    is_cheap = [row.cpu_ms < rows[0].cpu_ms for row in rows]
    considered = [n for n in range(len(rows)) if n == 0 or are_better[n] or is_cheap[n]]
    first = min(considered, key=means.__getitem__)
    near = [n for n in considered if n != first and means[n] <= means[first] + MARGIN]
    with_first = zip(near, compare_with(first, near))
    good = [first, *(n for n, compared in with_first if compared.test.verdict != "worse")]
    most = ALIKE * min(rows[number].cpu_ms for number in good)
    return rows, min((n for n in good if rows[n].cpu_ms <= most), key=means.__getitem__)


def describe_ranking(ranking: Ranking) -> str:
    """What to use, and why."""
    today, best = ranking.rows[0], ranking.rows[ranking.best]
    if not best.comparison:
        return "Keep the params of today: no candidate is better, or as good and cheaper."
    name, cost = best.candidate.name, "cheaper" if best.cpu_ms < today.cpu_ms else "dearer"
    verdict = describe_verdict(TODAY, name, best.comparison)
    times = f"an image takes {best.cpu_ms:.1f} ms of CPU time, {today.cpu_ms:.1f} today"
    return f"{verdict} {name} is {cost}: {times}."


def tabulate_ranking(ranking: Ranking) -> pd.DataFrame:
    """A row of text for each candidate; the column `changes` has its params."""
    table = []
    for row in ranking.rows:
        cells = {"candidate": row.candidate.name, "accuracy": f"{row.accuracy:.2%}"}
        if ranking.is_imbalanced:
            cells["mean recall"] = f"{row.mean_recall:.2%}"
        cells |= {"log loss": f"{row.loss:.4f}", "difference": "", "verdict": ""}
        if row.comparison:
            test = row.comparison.test
            cells["difference"] = f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})"
            cells["verdict"] = test.verdict
        cells |= {"CPU ms": f"{row.cpu_ms:.1f}", "run s": f"{row.run_seconds:,.0f}"}
        cells |= {"MB": f"{row.megabytes:.1f}", "params": describe_params(row.candidate)}
        table.append(cells)
    return pd.DataFrame(table)
