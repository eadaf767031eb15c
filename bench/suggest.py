"""Whether labels of suggested images help more: `python -m bench.suggest`.

Prints Markdown: the accuracy on validation images of a head that is solved on START random images,
and after each of STEPS times STEP further ones: those that `suggest` chooses, the most uncertain,
those that greedy k-center chooses, or random ones. Means over SEEDS starts; the difference is that
to random ones in points, the mean over the steps with its 95% interval. Features are those of the
frozen backbone in place of a served model's, as no network is trained. Run after `dvc repro`; about
five minutes on one core.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from scipy.sparse import csr_array
from scipy.stats import t

from bench.datasets import Images, digits
from pawprint import project
from pawprint.classes import to_probabilities
from pawprint.columns import SPLIT
from pawprint.engine.mapping import map_in_threads
from pawprint.evaluation.suggestion import choose, uncertainty
from pawprint.features.rows import row_function
from pawprint.features.store import open_examples
from pawprint.files import read_json
from pawprint.images.decoder import decode
from pawprint.images.pixels import IDENTITY
from pawprint.network.solved_head import USUAL_C, CrossValidation, solve
from pawprint.params.model import Model
from pawprint.runtime.network_file import read_network
from pawprint.serving.served_model import unit_length
from pawprint.tables import read_table

START, STEP, STEPS, SEEDS = 200, 50, 5, 20
HOW = ("suggest", "most uncertain", "k-center", "random")
RARE, COPIES, NOISE = 0.25, 4, 0.3
USUAL = CrossValidation(np.empty(0), USUAL_C[0], views=1)


class Examples(NamedTuple):
    """Features, `(images, channels)`, and class indices: of a pool, and for validation."""

    pool: np.ndarray
    actual: np.ndarray
    validation: np.ndarray
    of_validation: np.ndarray


def stored() -> Examples:
    """The stored features of the training and validation images, without augmentation."""
    split, labels, found = read_table(project.SPLIT_CSV, SPLIT), read_json(project.LABELS_JSON), []
    for name in ("train", "validation"):
        features, actual = open_examples(project.FEATURES, "top", split, name, labels)
        found += [features[np.arange(len(actual)), np.zeros_like(actual)], actual]
    return Examples(*found)


def computed(images: Images) -> Examples:
    """A random third of the images is for validation."""
    rows_of = row_function(read_network(project.EXTRACTOR), Model.load().resize)
    names, files = zip(*images)
    rows = map_in_threads(lambda data: rows_of(decode(data), [IDENTITY])[0][1], files)
    features = np.array(list(rows))
    actual = np.unique([PurePosixPath(name).parts[0] for name in names], return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(actual))
    held_out, pool = np.split(order, [len(order) // 3])
    return Examples(features[pool], actual[pool], features[held_out], actual[held_out])


def imbalanced(examples: Examples) -> Examples:
    """The first half of the classes as they are, and a random RARE of the other images."""
    random, actual = np.random.default_rng(0), examples.actual
    is_kept = (actual <= actual.max() / 2) | (random.random(len(actual)) < RARE)
    return examples._replace(pool=examples.pool[is_kept], actual=actual[is_kept])


def repeated(examples: Examples) -> Examples:
    """600 random images, each COPIES times, with noise of NOISE standard deviations."""
    random = np.random.default_rng(0)
    kept = np.tile(random.choice(len(examples.pool), 600, replace=False), COPIES)
    pool, deviation = examples.pool[kept], NOISE * examples.pool.std(axis=0, dtype=float)
    pool = np.maximum(pool + deviation * random.normal(size=pool.shape), 0)
    return examples._replace(pool=pool, actual=examples.actual[kept])


def choose_step(
    how: str, unit: np.ndarray, weight: np.ndarray, labelled: np.ndarray, random: Generator
) -> np.ndarray:
    """STEP positions that are not labelled, in one of the ways of HOW."""
    others = np.setdiff1d(np.arange(len(unit)), labelled)
    weight = weight[others]
    if how == "random":
        return random.choice(others, STEP, replace=False)
    if how == "most uncertain":
        return others[np.argsort(-weight, kind="stable")[:STEP]]
    if how == "k-center":
        weight = np.ones_like(weight)
    alike, none = csr_array((len(others), len(others))), np.zeros(len(others), bool)
    return others[choose(unit[others], weight, unit[labelled], alike, STEP, none, 1)]


def accuracies(examples: Examples, how: str, seed: int) -> Iterator[float]:
    """On validation, at the start and after each step."""
    random = np.random.default_rng(seed)
    pool, unit = examples.pool, unit_length(examples.pool.astype(np.float32))
    labels = list(map(str, np.unique(examples.actual)))
    validation = examples.validation[:, None], examples.of_validation
    labelled = random.choice(len(pool), START, replace=False)
    for _ in range(STEPS + 1):
        train = pool[labelled, None], examples.actual[labelled]
        (kernel, bias), metrics, *_ = solve(train, validation, labels, USUAL)
        yield metrics["validation"]["accuracy"]
        weight = uncertainty(to_probabilities(pool @ kernel + bias))
        labelled = np.append(labelled, choose_step(how, unit, weight, labelled, random))


def main() -> None:
    numbers = [f"{START + step * STEP}" for step in range(STEPS + 1)]
    print(f"| images of | chosen | {' | '.join(numbers)} | difference |")
    print("|---" * (len(numbers) + 3) + "|")
    for name, examples in (
        ("cats and dogs", stored()),
        ("digits", of_digits := computed(digits())),
        ("digits, half of the classes rare", imbalanced(of_digits)),
        ("digits, four noisy copies of each", repeated(of_digits)),
    ):
        found = {
            how: np.array([[*accuracies(examples, how, seed)] for seed in range(SEEDS)])
            for how in HOW
        }
        for how, each in found.items():
            gain = 100 * (each - found["random"])[:, 1:].mean(axis=1)
            half = t.ppf(0.975, SEEDS - 1) * gain.std(ddof=1) / SEEDS**0.5
            cells = [f"{value:.2%}" for value in each.mean(axis=0)]
            cells.append(
                f"{gain.mean():+.2f} ({gain.mean() - half:+.2f} to {gain.mean() + half:+.2f})"
            )
            print(f"| {name} | {how} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
