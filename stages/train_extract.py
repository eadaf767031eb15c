"""Feature extraction: train a new head on the stored features of the frozen backbone.

A linear head is solved, by logistic regression; other heads are trained in epochs, by Keras. Either
way a cross-validated regression judges the training images. Reads data/features/,
data/split/train_validation.csv and data/split/labels.json. Params: `train_extract`, `head`,
`hardware`, `model.features`. Writes models/head.npz, data/cross_validation.csv,
metrics/train_extract.json, plots/history_extract.csv and plots/learning_curve.csv.
Run: `python -m stages.train_extract`
"""

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.columns import HISTORY, JUDGED, LEARNING_CURVE, SPLIT
from pawprint.errors import InputError
from pawprint.features.store import StoredExamples
from pawprint.files import read_json, write_json
from pawprint.network import solved_head
from pawprint.network.new_head import Settings, learn_head, open_examples
from pawprint.params.model import Model
from pawprint.params.training import LBFGS, Hardware, Head, TrainHead, problem_of_head
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
    labels = read_json(project.LABELS_JSON)
    store = StoredExamples(project.FEATURES, split, labels)
    images = split[split["split"] == "train"]
    class_weight = params.weight_for(images["label"])
    examples = open_examples(store, Model.load().features, class_weight)
    is_solved = params.optimizer == LBFGS
    values_of_c = solved_head.VALUES_OF_C if is_solved else solved_head.USUAL_C
    cross_validation = solved_head.cross_validate(examples, values_of_c)
    settings = Settings(params, head_params, Hardware.load(), project.EXTRACT_HISTORY_CSV)
    head = learn_head(store, examples, cross_validation, settings)
    history, actual = head.history, examples.actual
    metrics = {
        "initial_accuracy": head.initial["accuracy"],
        "validation_accuracy": head.validation["accuracy"],
        **write_judged(images, labels, cross_validation.probabilities, actual),
        "C": cross_validation.C,
        "views": cross_validation.views,
        "blocks": int(examples.takes_blocks(cross_validation)),
    }
    if history["kept"].any():
        metrics["train_accuracy"] = history["accuracy"][history["kept"]].iloc[-1]
    by_series = compare_series(split, examples, cross_validation)
    if by_series is not None:
        metrics["accuracy_by_series"] = by_series
    judged, of_parts = solved_head.learning_curve(examples, cross_validation)
    curve = tabulate_curve(actual[judged], examples.groups[judged], of_parts)
    head.weights.write(project.HEAD)
    write_json(project.EXTRACT_METRICS, metrics)
    write_table(project.EXTRACT_HISTORY_CSV, history, HISTORY)
    write_table(project.LEARNING_CURVE_CSV, curve, LEARNING_CURVE)
    if cross_validation.gain:
        kind = "blocks" if cross_validation.takes_more else "the last maps alone"
        print(
            f"train_extract: features of {kind} are taken; blocks change the {examples.loss_name} "
            f"by {cross_validation.gain}"
        )
    initial, final = head.initial, head.validation
    weighted = ", each class with the same weight" if class_weight else ""
    print(
        f"train_extract: validation accuracy {initial['accuracy']:.4f}, "
        f"loss {initial['loss']:.4f} before; {final['accuracy']:.4f}, {final['loss']:.4f} "
        f"{head.how}{weighted}"
    )
    why = "too few images or groups" if of_parts else "too many classes"
    of_curve = describe_curve(curve) if len(curve) > 1 else f"no learning curve, as there are {why}"
    print(f"train_extract: {of_curve}")
    if by_series is not None:
        accuracy = metrics["cross_validated_accuracy"]
        print(f"train_extract: {describe_series(split, accuracy, by_series)}")


def compare_series(
    split: pd.DataFrame, examples: solved_head.Examples, result: solved_head.CrossValidation
) -> float | None:
    """`accuracy_by_series` of the training images; None, too, if the names tell no series."""
    series = find_series(split)
    if series is None:
        return None
    groups = series[split["split"] == "train"].to_numpy()
    apart = solved_head.cross_validate_as(result, examples._replace(groups=groups))
    return accuracy_by_series(result.probabilities, apart.probabilities, examples.actual)


def write_judged(
    images: pd.DataFrame, labels: list[str], probabilities: np.ndarray, actual: np.ndarray
) -> dict[str, float]:
    """Write and say what cross-validation gives for training images; returns its metrics.

    `probabilities` are `(images, classes)`, NaN for an image that is not judged.
    """
    is_judged = ~np.isnan(probabilities).any(axis=1)
    write_table(
        project.CROSS_VALIDATION_CSV,
        judge(images[is_judged], probabilities[is_judged], labels),
        JUDGED,
    )
    folds = solved_head.metrics_of(probabilities[is_judged], actual[is_judged])
    print(
        f"train_extract: cross-validated accuracy {folds['accuracy']:.4f}, "
        f"loss {folds['loss']:.4f} of {is_judged.sum():,} training images"
    )
    for label, number in images["label"][~is_judged].value_counts(sort=False).items():
        what, why = f"{number} images of {label}", "no other training image or group has this label"
        print(f"train_extract: not cross-validated: {what}, because {why}")
    return {f"cross_validated_{name}": value for name, value in folds.items()}


if __name__ == "__main__":
    run_stage(main)
