"""What the advice is worth on other sets: `python -m bench.advice --public FOLDER [NAME …]`.

Prints three rows of Markdown per set, for the params of `pawprint init`, each begun by its table:

- `try`: its candidate by at most 2,000 training images and by all, the seconds for both, and
  accuracy and log loss on the test split of whole runs with the params of today and of the first.
- `learning curve`: of half of the training images, drawn SEEDS times: how often it says that more
  images help; the gain of the last doubling, and of the next one, to all images, on held-out ones.
- `suggest`: accuracy on held-out images with ADDED more labels than START, which `suggest` chooses
  or chance; means of SEEDS starts, and the difference with its range.

Held-out images are those of validation and test, which decide nothing here. Sets are those of
`bench.datasets`. Ten minutes a set on two cores.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml
from scipy.special import expit, softmax

from bench.datasets import params_of, sets
from pawprint import project
from pawprint.columns import IMAGES, SPLIT
from pawprint.errors import InputError
from pawprint.features.rows import row_function
from pawprint.features.store import StoredExamples
from pawprint.files import pack, parse_yaml, read_json
from pawprint.images.archive import open_archive
from pawprint.images.pixels import IDENTITY
from pawprint.model.predictor import predict_members
from pawprint.model.unknown import unit_length
from pawprint.network.head_weights import HeadWeights
from pawprint.network.solved_head import Examples, cross_validate, learning_curve, solve
from pawprint.params.whole import Params, load_params
from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.demo import prepare, run_dvc
from pawprint.runtime.network_file import read_network
from pawprint.scores.learning_curve import tabulate_curve
from pawprint.tables import read_table
from pawprint.tools import candidates
from pawprint.tools.suggestion import Candidates, choose, compare_hashes, uncertainty

SEEDS, START, ADDED = 5, 200, 180


class Images(NamedTuple):
    """A table, and features `(images, 1, …)`: of the last maps, and with those of blocks."""

    table: pd.DataFrame
    last: np.ndarray
    blocks: np.ndarray
    actual: np.ndarray

    def some(self, index: np.ndarray) -> "Images":
        return Images(self.table.iloc[index], *(each[index] for each in self[1:]))


def read(params: Params, labels: list[str]) -> tuple[Images, Images]:
    """The training images and the held-out ones of the project in this folder."""
    split = read_table(project.SPLIT_CSV, SPLIT)
    stored = StoredExamples(project.FEATURES, split, labels)

    def of(name: str) -> Images:
        table, actual = split[split["split"] == name], stored.classes(name)
        first = np.arange(len(actual)), np.zeros(len(actual), int)
        kinds = ("top",), ("blocks", "top")
        return Images(table, *(stored.open(name, *each)[first][:, None] for each in kinds), actual)

    test, validation = split[split["split"] == "test"], of("validation")
    run = row_function(read_network(project.EXTRACTOR), params.model.resize)
    with open_archive(project.RAW_ARCHIVES, params.clean.bits) as archive:
        *blocks, top = predict_members(
            lambda image: [*run(image, [IDENTITY])[0]], archive, test["path"], "test"
        )
    both = np.concatenate([*blocks, top], axis=1)
    tested = Images(test, top[:, None], both[:, None], stored.classes("test"))
    pairs = zip(validation[1:], tested[1:])
    held_out = (np.concatenate(pair) for pair in pairs)
    return of("train"), Images(pd.concat([validation.table, test]), *held_out)


def predict(head: HeadWeights, images: Images) -> np.ndarray:
    kernel, bias = head.arrays
    rows = (images.blocks if head.has_blocks else images.last)[:, 0].astype(np.float32)
    head.standardisation.apply(rows)
    logits = rows @ kernel + bias
    if logits.shape[1] > 1:
        return softmax(logits, axis=1)
    return np.hstack([1 - expit(logits), expit(logits)])


def score(head: HeadWeights, images: Images, name: str = "accuracy") -> float:
    is_right = predict(head, images).argmax(axis=1) == images.actual
    if name == "accuracy":
        return is_right.mean()
    return pd.Series(is_right).groupby(images.actual).mean().mean()


def examples_of(images: Images, params: Params, labels: list[str]) -> Examples:
    weight = params.train_extract.weight_for(images.table["label"])
    groups = images.table["group"].to_numpy()
    return Examples(images.last, images.actual, groups, len(labels), weight, images.blocks)


def fit(images: Images, params: Params, labels: list[str]) -> HeadWeights:
    """A head, solved as in `train_extract`, that learned from one view of each image."""
    examples = examples_of(images, params, labels)
    crossed = cross_validate(examples)
    held_out = examples.chosen(crossed), images.actual
    return solve(examples, held_out, labels, crossed, np.arange(len(images.actual))).weights


def curve_row(train: Images, held_out: Images, params: Params, labels: list[str]) -> str:
    groups, said, last, gains = train.table["group"], 0, [], []
    with_all = fit(train, params, labels)
    for seed in range(SEEDS):
        drawn = groups.drop_duplicates().sample(frac=0.5, random_state=seed)
        half = train.some(np.flatnonzero(groups.isin(drawn)))
        examples = examples_of(half, params, labels)
        judged, parts = learning_curve(examples, cross_validate(examples))
        row = tabulate_curve(half.actual[judged], examples.groups[judged], parts).iloc[-1]
        said += row["low"] > 0
        last.append(row["gain"])
        scores = (
            score(each, held_out, row["score"]) for each in (with_all, fit(half, params, labels))
        )
        gains.append(next(scores) - next(scores))
    gained = f"{points(last)} | {points(gains)}"
    return f"{row['score']} | {len(half.actual):,} | {said} of {SEEDS} | {gained}"


def suggest_row(train: Images, held_out: Images, params: Params, labels: list[str]) -> str:
    hashes = read_table(project.IMAGES_CSV, IMAGES).set_index("path")["perceptual_hash"]
    hashes, accuracies = hashes[train.table["path"]], []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(train.actual))
        is_repeated = pd.Series(train.actual[order]).duplicated().to_numpy()
        order = order[np.argsort(is_repeated, kind="stable")]  # all classes are in the start
        start, pool = order[:START], order[START:]
        fitted = fit(train.some(start), params, labels)
        new = pool[~hashes.iloc[pool].duplicated().to_numpy()]
        is_near, alike = compare_hashes(
            hashes.iloc[start], hashes.iloc[new], params.split.near_duplicate_distance
        )
        rest, alike = new[~is_near], alike[~is_near][:, ~is_near]
        unit = unit_length(train.last[:, 0].astype(np.float32))
        weight = uncertainty(predict(fitted, train.some(rest)))
        given = Candidates(unit[rest], weight, alike, np.zeros(len(rest), bool))
        chosen = rest[choose(given, unit[start], ADDED, 0)]
        at_random = np.random.default_rng(seed).permutation(pool)[:ADDED]
        pairs = (np.concatenate([start, more]) for more in (at_random, chosen))
        fits = (fit(train.some(index), params, labels) for index in pairs)
        accuracies.append([score(each, held_out) for each in fits])
    random, suggested = np.mean(accuracies, axis=0)
    differences = [more - less for less, more in accuracies]
    return f"{random:.2%} | {suggested:.2%} | {points(differences)}"


def points(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{100 * np.mean(values):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def try_row(params: Params, labels: list[str]) -> str:
    content = parse_yaml(project.PARAMS.read_text(encoding="utf-8"), "params.yaml")
    split = read_table(project.SPLIT_CSV, SPLIT)
    train = split[split["split"] == "train"]
    table = read_table(project.IMAGES_CSV, IMAGES)
    found = candidates.candidates(content, {}, table[table["path"].isin(train["path"])])
    best, seconds = [], []
    for images in (candidates.draw(train), train):
        with open_archive(project.RAW_ARCHIVES, params.clean.bits) as archive:
            weight = params.train_extract.weight_for(train["label"])
            sample, start = candidates.Sample(archive, images, labels, weight), time.monotonic()
            tried = list(candidates.measure(found, sample, 60))
            seconds.append(f"{time.monotonic() - start:.0f}")
        for candidate, error in tried:
            if isinstance(error, InputError):
                print(f"{candidate.name}: not measured: {error}")
        measured = [pair for pair in tried if isinstance(pair[1], candidates.Measured)]
        scores = candidates.score([each for _, each in measured], sample)
        for (candidate, cost), each in zip(measured, scores):
            mark = "*" if each.is_significant else ""
            print(
                f"{len(images):,} images, {candidate.name}: {each.accuracy:.2%}, {each.loss:.4f}, "
                f"{each.difference}{mark}, {cost.cpu_ms:.1f} ms",
                flush=True,
            )
        best.append(measured[candidates.winner(scores)][0])
    runs = [test_of_run()]
    if best[0].changes:
        text = overlay(project.PARAMS.read_text(encoding="utf-8"), yaml.safe_dump(best[0].changes))
        project.PARAMS.write_text(text, encoding="utf-8")
        run_dvc(Path(), "repro", "--quiet", "evaluate")
        runs.append(test_of_run())
    names = f"{best[0].name} | {best[1].name} | {', '.join(seconds)}"
    return f"{len(train):,} | {names} | {runs[0]} | {runs[1] if best[0].changes else '–'}"


def test_of_run() -> str:
    test = read_json(project.EVALUATE_METRICS)["test"]
    return f"{test['accuracy']:.2%}, {test['loss']:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.advice")
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="of clones: OWNER/NAME")
    parser.add_argument("names", nargs="*", metavar="NAME", help="sets; default: all")
    arguments = parser.parse_args()
    here = Path.cwd()
    for name, (images, changes, _) in sets(arguments.public, arguments.names).items():
        with tempfile.TemporaryDirectory() as scratch:
            archive, workspace = Path(scratch, "images.zip"), Path(scratch, "workspace")
            workspace.mkdir()
            pack(archive, images)
            prepare(workspace, params_of(archive, 1, changes))
            run_dvc(workspace, "repro", "--quiet", "evaluate")
            os.chdir(workspace)
            params, labels = load_params(), read_json(project.LABELS_JSON)
            given = *read(params, labels), params, labels
            for title, row in (("learning curve", curve_row), ("suggest", suggest_row)):
                print(f"| {title} | {name} | {row(*given)} |", flush=True)
            print(f"| try | {name} | {try_row(params, labels)} |", flush=True)
            os.chdir(here)


if __name__ == "__main__":
    main()
