"""Whether confident learning tells how many labels are wrong: `python -m bench.labels PROJECT …`.

Prints a row of Markdown per project, of its training images, as the stage `train_extract` judges
them by their first view: their number and the cross-validated accuracy. Then, with each of CHANGED
of the labels changed to a random other class: the estimated number of wrong labels, the changed
ones; the labels that `review` lists, and those of them that were changed.
"""

import sys
from pathlib import Path

import numpy as np

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.evaluation.review import judge, list_suspects
from pawprint.features.store import open_examples
from pawprint.files import read_json
from pawprint.network.solved_head import Examples, cross_validate
from pawprint.params.training import TrainHead
from pawprint.tables import read_table

CHANGED = (0, 0.02, 0.1)  # of the labels


def estimate(probabilities: np.ndarray, actual: np.ndarray) -> int:
    """Wrong labels, by the calibrated joint of Northcutt et al., 2021.

    An image counts for the most probable of the classes that reach the mean of their own images.
    """
    classes = probabilities.shape[1]
    means = [probabilities[actual == each, each].mean() for each in range(classes)]
    reached = np.where(probabilities >= means, probabilities, 0)
    is_sure = reached.any(axis=1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (actual[is_sure], reached[is_sure].argmax(axis=1)), 1)
    joint *= (np.bincount(actual, minlength=classes) / joint.sum(axis=1).clip(1))[:, None]
    return round(joint.sum() - joint.trace())


def cells(folder: Path) -> list[str]:
    split = read_table(folder / project.SPLIT_CSV, SPLIT)
    labels = read_json(folder / project.LABELS_JSON)
    features, actual = open_examples(folder / project.FEATURES, "top", split, "train", labels)
    images = np.arange(len(actual))
    first = features[images, np.zeros_like(images)][:, None]
    rows = split[split["split"] == "train"]
    weight = TrainHead.load("train_extract", folder / project.PARAMS).weight_for(rows["label"])
    rng, found = np.random.default_rng(1), []
    for fraction in CHANGED:
        given = actual.copy()
        changed = rng.choice(images, round(fraction * len(images)), replace=False)
        given[changed] += rng.integers(1, len(labels), len(changed))
        given %= len(labels)
        crossed = cross_validate(Examples(first, given, rows["group"], len(labels), weight))
        named = rows.assign(label=np.array(labels)[given])
        listed = list_suspects(judge(named, crossed.probabilities, labels))
        hits = listed["path"].isin(rows["path"].iloc[changed]).sum()
        if not fraction:
            accuracy = (crossed.probabilities.argmax(axis=1) == actual).mean()
            found += [f"{len(images):,}", f"{accuracy:.1%}"]
        wrong = estimate(crossed.probabilities, given)
        found.append(f"{wrong} for {len(changed)}; {len(listed)}, {hits}")
    return found


def main() -> None:
    for folder in sys.argv[1:]:
        print(f"| {Path(folder).name} | {' | '.join(cells(Path(folder)))} |", flush=True)


if __name__ == "__main__":
    main()
