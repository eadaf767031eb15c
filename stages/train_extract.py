"""Feature extraction: train a new head on the stored features of the frozen backbone.

A linear head is solved, by logistic regression; other heads are trained in epochs, by Keras. Either
way a cross-validated regression judges the training images. Reads data/features/,
data/split/images.csv and data/split/labels.json. Params: `train_extract`, `head`, `hardware`,
`model.features`. Writes models/head.npz, data/cross_validation.csv, metrics/train_extract.json,
plots/history_extract.csv and plots/learning_curve.csv. Run: `python -m stages.train_extract`
"""

import numpy as np
import pandas as pd

from pawprint import project
from pawprint.columns import HISTORY, JUDGED, LEARNING_CURVE, SPLIT
from pawprint.errors import InputError
from pawprint.features.store import StoredExamples
from pawprint.files import read_json, write_json
from pawprint.network.head_weights import HeadWeights, kinds_of
from pawprint.network.solved_head import (
    USUAL_C,
    VALUES_OF_C,
    CrossValidation,
    Examples,
    cross_validate,
    cross_validate_as,
    learning_curve,
    measure,
    part_that_fits,
    solve,
)
from pawprint.params.model import Model
from pawprint.params.training import IN_BATCHES, LBFGS, Hardware, Head, TrainHead, problem_of_head
from pawprint.pipeline.entry import run_stage
from pawprint.scores.learning_curve import describe_curve, tabulate_curve
from pawprint.scores.review import judge
from pawprint.scores.shift import describe_series, find_series
from pawprint.tables import read_table, write_table


def main() -> None:
    params = TrainHead.load("train_extract")
    hardware, head, features = Hardware.load(), Head.load(), Model.load().features
    if problem := problem_of_head(params.optimizer, head.dense):
        raise InputError(f"{project.PARAMS}: {problem}")
    split = read_table(project.SPLIT_CSV, SPLIT)
    labels = read_json(project.LABELS_JSON)
    stored = StoredExamples(project.FEATURES, split, labels)
    images = split[split["split"] == "train"]
    class_weight = params.weight_for(images["label"])
    actual = stored.classes("train")
    is_open = features == "auto" and stored.has("blocks")
    examples = Examples(
        stored.open("train", *kinds_of(features == "blocks")),
        actual,
        images["group"].to_numpy(),
        len(labels),
        class_weight,
        stored.open("train", *kinds_of(True)) if is_open else None,
    )
    is_solved = params.optimizer == LBFGS
    crossed = cross_validate(examples, VALUES_OF_C if is_solved else USUAL_C)
    has_blocks = crossed.takes_more or features == "blocks"
    part = part_that_fits(examples, crossed) if is_solved else None
    if part is not None:
        held_out = stored.open("validation", *kinds_of(has_blocks)), stored.classes("validation")
        solved = solve(examples, held_out, labels, crossed, part)
        weights = HeadWeights(solved.arrays, solved.standardisation, has_blocks)
        initial, final, history = solved.initial, solved.validation, solved.history
        how = f"by logistic regression, C = {crossed.C:g}"
        if (views := examples.features.shape[1]) > 1:
            print(f"train_extract: {describe_views(views, solved.views, crossed)}")
        if len(part) < len(images):
            how += f", of a random part of {len(part):,} of {len(images):,} images"
    else:
        from pawprint.network.training import Phase, train_stored_head  # TensorFlow starts here

        if is_solved:
            print(
                f"train_extract: lbfgs cannot hold {len(images):,} images with {len(labels):,} "
                "classes, so adam learns in batches"
            )
            params = IN_BATCHES.model_copy(update={"class_weight": params.class_weight})
        phase = Phase("train_extract", params, path=project.EXTRACT_HISTORY_CSV)
        trained = train_stored_head(stored, has_blocks, head, phase, hardware)
        weights, initial, final, history = trained
        how = f"after {len(history)} epochs"
    how += ", each class with the same weight" if class_weight else ""
    metrics = {
        "initial_accuracy": initial["accuracy"],
        "validation_accuracy": final["accuracy"],
        **write_judged(images, labels, crossed.probabilities, actual),
    }
    if history["kept"].any():
        metrics["train_accuracy"] = history["accuracy"][history["kept"]].iloc[-1]
    judged, of_parts = learning_curve(examples, crossed)
    curve = tabulate_curve(actual[judged], examples.groups[judged], of_parts)
    weights.write(project.HEAD)
    write_json(project.EXTRACT_METRICS, metrics)
    write_table(project.EXTRACT_HISTORY_CSV, history, HISTORY)
    write_table(project.LEARNING_CURVE_CSV, curve, LEARNING_CURVE)
    if crossed.gain:
        taken = "features of blocks" if has_blocks else "features of the last maps alone"
        print(
            f"train_extract: {taken} are taken; those of blocks change the cross-validated log "
            f"loss by {crossed.gain}"
        )
    print(
        f"train_extract: validation accuracy {initial['accuracy']:.4f}, "
        f"loss {initial['loss']:.4f} before; {final['accuracy']:.4f}, {final['loss']:.4f} {how}"
    )
    why = "too few images or groups" if of_parts else "too many classes"
    of_curve = describe_curve(curve) if len(curve) > 1 else f"no learning curve, as there are {why}"
    print(f"train_extract: {of_curve}")
    if (series := find_series(split)) is not None:
        apart = cross_validate_as(crossed, examples._replace(groups=series[images.index]))
        pair = crossed.probabilities, apart.probabilities
        example = series[series != split["group"]].mode()[0]
        if told := describe_series(*pair, actual, example):
            print(f"train_extract: {told}")


def describe_views(views: int, taken: int, crossed: CrossValidation) -> str:
    how_many = f"all {views} views of each image are"
    if taken < views:
        how_many = f"one of {views} views of each image is"
    if crossed.views_gain and taken == crossed.views:
        return f"{how_many} taken; all change the cross-validated log loss by {crossed.views_gain}"
    return f"{how_many} taken, because all are too many for one fit"


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
    folds = measure(probabilities[is_judged], actual[is_judged])
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
