"""Feature extraction: train a new head on the stored features of the frozen backbone.

A linear head is solved, by logistic regression; other heads are trained in epochs, by Keras. Either
way a cross-validated regression judges the training images. Reads data/features/,
data/split/train_validation.csv and data/split/labels.json. Params: `train_extract`, `head`,
`hardware`, `model.features`. Writes models/head.npz, data/cross_validation.csv,
metrics/train_extract.json, plots/history_extract.csv and plots/learning_curve.csv.
Run: `python -m stages.train_extract`
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.columns import HISTORY, JUDGED, LEARNING_CURVE, SPLIT
from pawprint.errors import InputError
from pawprint.features.store import StoredExamples
from pawprint.files import read_json, write_json
from pawprint.network.cross_validation import (
    CrossValidation,
    Examples,
    cross_validate,
    cross_validate_as,
    learning_curve,
    metrics_of,
    open_examples,
)
from pawprint.network.head_weights import NewHead
from pawprint.network.new_head import Settings, learn_head
from pawprint.params.model import Model
from pawprint.params.training import Hardware, Head, TrainHead, problem_of_head
from pawprint.pipeline.entry import run_stage
from pawprint.scores.learning_curve import describe_curve, tabulate_curve
from pawprint.scores.review import judge
from pawprint.scores.shift import accuracy_by_series, describe_series, find_series
from pawprint.tables import read_table, write_table


def main() -> None:
    params, head_params = TrainHead.load("train_extract"), Head.load()
    if problem := problem_of_head(params.optimizer, head_params.dense):
        raise InputError(f"{project.PARAMS}: {problem}")
    split = read_table(project.TRAIN_VALIDATION_CSV, SPLIT)
    images, labels = split[split["split"] == "train"], read_json(project.LABELS_JSON)
    store = StoredExamples(project.FEATURES, split, labels)
    examples = open_examples(store, Model.load().features, params.weight_for(images["label"]))
    judged = cross_validate(examples)
    settings = Settings(params, head_params, Hardware.load(), project.EXTRACT_HISTORY_CSV)
    head = learn_head(store, examples, judged, settings)
    is_judged = ~np.isnan(judged.probabilities).any(axis=1)
    probabilities, kept = judged.probabilities[is_judged], head.history[head.history["kept"]]
    of_folds = metrics_of(probabilities, examples.actual[is_judged])
    metrics = {
        "initial_accuracy": head.initial["accuracy"],
        "validation_accuracy": head.validation["accuracy"],
        **{f"cross_validated_{name}": value for name, value in of_folds.items()},
        "C": judged.C,
        "views": judged.views,
        "blocks": int(judged.has_blocks),
    }
    if len(kept):
        metrics["train_accuracy"] = kept["accuracy"].iloc[-1]
    by_series = compare_series(split, examples, judged)
    if by_series is not None:
        metrics["accuracy_by_series"] = by_series
    in_curve, fits = learning_curve(examples, judged)
    curve = tabulate_curve(examples.actual[in_curve], examples.groups[in_curve], fits)
    head.weights.write(project.HEAD)
    write_json(project.EXTRACT_METRICS, metrics)
    rows = judge(images[is_judged], probabilities, labels)
    write_table(project.CROSS_VALIDATION_CSV, rows, JUDGED)
    write_table(project.EXTRACT_HISTORY_CSV, head.history, HISTORY)
    write_table(project.LEARNING_CURVE_CSV, curve, LEARNING_CURVE)
    of_images = describe_folds(of_folds, images["label"], is_judged)
    for line in (*of_images, *describe_head(head, examples, judged)):
        print(f"train_extract: {line}")
    why = "too few images or groups" if fits else "too many classes"
    of_curve = describe_curve(curve) if len(curve) > 1 else f"no learning curve, as there are {why}"
    print(f"train_extract: {of_curve}")
    if by_series is not None:
        accuracy = metrics["cross_validated_accuracy"]
        print(f"train_extract: {describe_series(split, accuracy, by_series)}")


def compare_series(
    split: pd.DataFrame, examples: Examples, judged: CrossValidation
) -> float | None:
    """`accuracy_by_series` of the training images; None, too, if the names tell no series."""
    series = find_series(split)
    if series is None:
        return None
    groups = series[split["split"] == "train"].to_numpy()
    apart = cross_validate_as(judged, examples._replace(groups=groups))
    return accuracy_by_series(judged.probabilities, apart.probabilities, examples.actual)


def describe_folds(scores: dict, label: pd.Series, is_judged: np.ndarray) -> Iterator[str]:
    """The cross-validated scores, and of which classes images have none."""
    number, accuracy, loss = is_judged.sum(), scores["accuracy"], scores["loss"]
    yield f"cross-validated accuracy {accuracy:.4f}, loss {loss:.4f} of {number:,} training images"
    for name, number in label[~is_judged].value_counts(sort=False).items():
        what, why = f"{number} images of {name}", "no other training image or group has this label"
        yield f"not cross-validated: {what}, because {why}"


def describe_head(head: NewHead, examples: Examples, judged: CrossValidation) -> Iterator[str]:
    """Whether features of blocks are taken, and the scores of the head on validation."""
    if judged.gain:
        kind = "blocks" if judged.has_blocks else "the last maps alone"
        changes = f"blocks change the {examples.loss_name} by {judged.gain}"
        yield f"features of {kind} are taken; {changes}"
    initial, final = head.initial, head.validation
    weighted = ", each class with the same weight" if examples.class_weight else ""
    yield (
        f"validation accuracy {initial['accuracy']:.4f}, loss {initial['loss']:.4f} before; "
        f"{final['accuracy']:.4f}, {final['loss']:.4f} {head.how}{weighted}"
    )


if __name__ == "__main__":
    run_stage(main)
