"""Whether labels of suggested images help more: `python -m bench.suggest`.

Prints Markdown: the accuracy on validation images of a head that is solved on START random images,
and after each of STEPS times STEP further ones: those that `suggest` chooses, the most uncertain
ones, or random ones. Means over SEEDS starts, and the 95% interval of the difference to random ones
after the last step. Features are those of the frozen backbone in place of a served model's, as no
network is trained. Run after `dvc repro`; about NN minutes on one core.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from scipy.sparse import eye_array
from scipy.stats import t

from bench.datasets import Images, digits
from pawprint.core import data_paths
from pawprint.core.data_tables import SPLIT
from pawprint.core.params.model import Model
from pawprint.core.tables import read_table
from pawprint.engine.threads import map_in_threads
from pawprint.evaluation.temperature import probabilities_of
from pawprint.features.reader import open_examples
from pawprint.features.rows import row_function
from pawprint.images.decoder import decode
from pawprint.images.warp import IDENTITY
from pawprint.network.logistic import USUAL_C, CrossValidation, solve
from pawprint.runtime.network_file import read_network
from pawprint.serving.suggestion import choose, uncertainty
from pawprint.serving.unknown import unit_length

START, STEP, STEPS, SEEDS = 200, 50, 5, 20
RARE = 0.25
USUAL = CrossValidation(np.empty(0), USUAL_C[0], iterations=100, views=1)


class Examples(NamedTuple):
    """Features, `(images, channels)`, and class indices: of a pool, and for validation."""

    pool: np.ndarray
    actual: np.ndarray
    validation: np.ndarray
    of_validation: np.ndarray


def stored() -> Examples:
    """The stored features of the training and validation images, without augmentation."""
    split, found = read_table(data_paths.SPLIT_IMAGES, SPLIT), []
    for name in ("train", "validation"):
        features, actual, _ = open_examples(data_paths.FEATURES, "top", split, name)
        found += [features[np.arange(len(actual)), np.zeros_like(actual)], actual]
    return Examples(*found)


def computed(images: Images) -> Examples:
    """A random third of the images is for validation."""
    rows_of = row_function(read_network(data_paths.EXTRACTOR), Model.load().resize)
    names, files = zip(*images)
    rows = map_in_threads(lambda data: rows_of(decode(data), [IDENTITY])[0][1], files)
    features = np.array(list(rows))
    actual = np.unique([PurePosixPath(name).parts[0] for name in names], return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(actual))
    held_out, pool = np.split(order, [len(order) // 3])
    return Examples(features[pool], actual[pool], features[held_out], actual[held_out])


def imbalanced(examples: Examples) -> Examples:
    """With the first half of the classes as they are, and a random RARE of the other images."""
    random, actual = np.random.default_rng(0), examples.actual
    is_kept = (actual <= actual.max() / 2) | (random.random(len(actual)) < RARE)
    return examples._replace(pool=examples.pool[is_kept], actual=actual[is_kept])


# Each chooses STEP rows of `open_to` by the features of a pool, the uncertainty of its images, and
# the rows that are labelled.
def suggested(unit, weight, labelled, open_to, random):
    alike, is_limited = eye_array(len(open_to), format="csr"), np.zeros(len(open_to), bool)
    known = unit[labelled]
    return open_to[choose(unit[open_to], weight[open_to], known, alike, STEP, is_limited, 1)]


def most_uncertain(unit, weight, labelled, open_to, random):
    return open_to[np.argsort(-weight[open_to], kind="stable")[:STEP]]


def at_random(unit, weight, labelled, open_to, random):
    return random.choice(open_to, STEP, replace=False)


CHOICES = {"suggest": suggested, "most uncertain": most_uncertain, "random": at_random}


def accuracies(examples: Examples, choice, seed: int) -> Iterator[float]:
    """On validation, at the start and after each step."""
    random = np.random.default_rng(seed)
    pool, unit = examples.pool, unit_length(examples.pool.astype(np.float32))
    labels = list(map(str, np.unique(examples.actual)))
    validation = examples.validation[:, None], examples.of_validation
    labelled = random.choice(len(pool), START, replace=False)
    for _ in range(STEPS + 1):
        train = pool[labelled, None], examples.actual[labelled]
        (kernel, bias), metrics, _ = solve(train, validation, labels, USUAL)
        yield metrics["validation"]["accuracy"]
        weight = uncertainty(probabilities_of(pool @ kernel + bias))
        open_to = np.setdiff1d(np.arange(len(pool)), labelled)
        labelled = np.append(labelled, choice(unit, weight, labelled, open_to, random))


def main() -> None:
    numbers = [f"{START + step * STEP}" for step in range(STEPS + 1)]
    print(f"| images of | chosen | {' | '.join(numbers)} | difference |")
    print("|---" * (len(numbers) + 3) + "|")
    for name, examples in (
        ("cats and dogs", stored()),
        ("digits", of_digits := computed(digits())),
        ("digits, half of the classes rare", imbalanced(of_digits)),
    ):
        found = {
            title: np.array([[*accuracies(examples, choice, seed)] for seed in range(SEEDS)])
            for title, choice in CHOICES.items()
        }
        for title, each in found.items():
            gain = 100 * (each - found["random"])[:, 1:].mean(axis=1)
            half = t.ppf(0.975, SEEDS - 1) * gain.std(ddof=1) / SEEDS**0.5
            cells = [f"{value:.2%}" for value in each.mean(axis=0)]
            cells.append(
                f"{gain.mean():+.2f} ({gain.mean() - half:+.2f} to {gain.mean() + half:+.2f})"
            )
            print(f"| {name} | {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
