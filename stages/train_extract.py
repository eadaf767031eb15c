"""Feature extraction: train a new head on the stored features of the frozen backbone.

A linear head is solved, by logistic regression; other heads are trained in epochs, by Keras. Either
way a cross-validated regression judges the training images. Reads data/features/ and
data/split/images.csv. Params: `train_extract`, `head`, `hardware`. Writes models/head.npz,
data/cross_validation.csv, metrics/train_extract.json and plots/history_extract.csv.
Run: `python -m stages.train_extract`
"""

import numpy as np

from pawprint.core import data_paths, model_paths
from pawprint.core.data_tables import HISTORY, SPLIT
from pawprint.core.entry import run_stage
from pawprint.core.errors import InputError
from pawprint.core.files import write_json
from pawprint.core.params.hardware import Hardware
from pawprint.core.params.head import Head
from pawprint.core.params.section import PARAMS
from pawprint.core.params.train import LBFGS, TrainHead, problem_of_head
from pawprint.core.predictions import tabulate, write_predictions
from pawprint.core.tables import read_table, write_table
from pawprint.features.reader import open_examples
from pawprint.network import logistic
from pawprint.network.head_arrays import write_head


def main() -> None:
    params = TrainHead.load("train_extract")
    hardware, of_head = Hardware.load(), Head.load()
    if problem := problem_of_head(params.optimizer, of_head.dense):
        raise InputError(f"{PARAMS}: {problem}")
    split = read_table(data_paths.SPLIT_IMAGES, SPLIT)
    train, actual, labels = open_examples(data_paths.FEATURES, "top", split, "train")
    is_solved = params.optimizer == LBFGS
    if is_solved:
        logistic.check_size(train, len(labels))
    images = split[split["split"] == "train"]
    crossed = logistic.cross_validate(
        train,
        actual,
        images["group"],
        len(labels),
        params.class_weight,
        logistic.VALUES_OF_C if is_solved else logistic.USUAL_C,
    )
    if is_solved:
        validation, of_validation, _ = open_examples(
            data_paths.FEATURES, "top", split, "validation"
        )
        pairs = (train, actual), (validation, of_validation)
        arrays, metrics, history = logistic.solve(*pairs, labels, crossed, params.class_weight)
        how = f"by logistic regression, C = {crossed.C:g}"
    else:  # TensorFlow starts for this way only
        from pawprint.network.backend import make_deterministic
        from pawprint.network.hardware import training_on
        from pawprint.network.phases import train_head
        from pawprint.network.training import open_batches

        make_deterministic(params.seed)
        *batches, _ = open_batches(data_paths.FEATURES, split, "top", params)
        with training_on(hardware) as precision:
            arrays, metrics, history = train_head(params, of_head, len(labels), precision, *batches)
        how = f"after {len(history)} epochs"
    is_judged = ~np.isnan(crossed.probabilities).any(axis=1)
    probabilities, known = crossed.probabilities[is_judged], actual[is_judged]
    judged = tabulate(images[is_judged], probabilities, probabilities.argmax(axis=1), labels)
    of_folds, initial = logistic.measure(probabilities, known), metrics["initial"]
    final = metrics["validation"]
    accuracy = {
        "initial_accuracy": initial["accuracy"],
        "validation_accuracy": final["accuracy"],
        "cross_validated_accuracy": of_folds["accuracy"],
        "cross_validated_loss": of_folds["loss"],
    }
    write_head(model_paths.HEAD, arrays)
    write_predictions(model_paths.CROSS_VALIDATION, judged)
    write_json(model_paths.EXTRACT_METRICS, accuracy)
    write_table(model_paths.EXTRACT_HISTORY, history, HISTORY)
    print(
        f"train_extract: validation accuracy {initial['accuracy']:.4f}, "
        f"loss {initial['loss']:.4f} before; {final['accuracy']:.4f}, {final['loss']:.4f} {how}"
    )
    print(
        f"train_extract: cross-validated accuracy {of_folds['accuracy']:.4f}, "
        f"loss {of_folds['loss']:.4f} of {len(known):,} training images"
    )
    for label, number in images["label"][~is_judged].value_counts(sort=False).items():
        print(
            f"train_extract: not cross-validated: {number} images of {label}, because no other "
            "training image or group has this label"
        )


if __name__ == "__main__":
    run_stage(main)
