"""Feature extraction: train a new head on the stored features of the frozen backbone.

A linear head is solved, by logistic regression; other heads are trained in epochs, by Keras. Either
way a cross-validated regression judges the training images. Reads data/features/ and
data/split/images.csv. Params: `train_extract`, `head`, `hardware`. Writes models/head.npz,
data/cross_validation.csv, metrics/train_extract.json and plots/history_extract.csv.
Run: `python -m stages.train_extract`
"""

from pawprint.core import data_paths, model_paths
from pawprint.core.data_tables import HISTORY, SPLIT
from pawprint.core.entry import run_stage
from pawprint.core.errors import InputError
from pawprint.core.files import write_json
from pawprint.core.params.hardware import Hardware
from pawprint.core.params.head import Head
from pawprint.core.params.section import PARAMS
from pawprint.core.params.train import LBFGS, TrainHead, problem_of_head
from pawprint.core.predictions import write_predictions
from pawprint.core.tables import read_table, write_table
from pawprint.features.reader import open_examples
from pawprint.network.head_arrays import write_head
from pawprint.network.logistic import USUAL_C, check_size, cross_validate, judge, solve


def main() -> None:
    params = TrainHead.load("train_extract")
    hardware, of_head = Hardware.load(), Head.load()
    if problem := problem_of_head(params.optimizer, of_head.dense):
        raise InputError(f"{PARAMS}: {problem}")
    split = read_table(data_paths.SPLIT_IMAGES, SPLIT)
    *train, labels = open_examples(data_paths.FEATURES, "top", split, "train")
    images = split[split["split"] == "train"]
    known = *train, images["group"], len(labels), params.class_weight
    if params.optimizer == LBFGS:
        check_size(train[0], len(labels))
        crossed = cross_validate(*known)
        *validation, _ = open_examples(data_paths.FEATURES, "top", split, "validation")
        arrays, metrics, history = solve(train, validation, labels, crossed, params.class_weight)
        how = f"by logistic regression, C = {crossed.C:g}, views = {crossed.views}"
    else:
        from pawprint.network.phases import train_stored_head  # TensorFlow starts here only

        crossed = cross_validate(*known, USUAL_C)
        settings = params, of_head, hardware, model_paths.EXTRACT_HISTORY
        arrays, metrics, history = train_stored_head(data_paths.FEATURES, split, *settings)
        how = f"after {len(history)} epochs"
    judged, metrics["cross_validated"], not_judged = judge(crossed, images, labels)
    initial, final, of_folds = metrics.values()
    accuracy = {f"{name}_accuracy": each["accuracy"] for name, each in metrics.items()}
    write_head(model_paths.HEAD, arrays)
    write_predictions(model_paths.CROSS_VALIDATION, judged)
    write_json(model_paths.EXTRACT_METRICS, accuracy | {"cross_validated_loss": of_folds["loss"]})
    write_table(model_paths.EXTRACT_HISTORY, history, HISTORY)
    print(
        f"train_extract: validation accuracy {initial['accuracy']:.4f}, "
        f"loss {initial['loss']:.4f} before; {final['accuracy']:.4f}, {final['loss']:.4f} {how}"
    )
    print(
        f"train_extract: cross-validated accuracy {of_folds['accuracy']:.4f}, "
        f"loss {of_folds['loss']:.4f} of {len(judged):,} training images"
    )
    for label, number in not_judged.items():
        what, why = f"{number} images of {label}", "no other training image or group has this label"
        print(f"train_extract: not cross-validated: {what}, because {why}")


if __name__ == "__main__":
    run_stage(main)
