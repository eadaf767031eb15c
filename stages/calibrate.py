"""Make the model's probabilities mean what they say, and choose from which one to predict.

Both are fitted on the validation split alone. Reads data/raw/archives/, data/split/images.csv and
models/finetune.keras. Params: `calibrate`. Writes models/calibrated.keras and
metrics/calibrate.json. Run: `python -m stages.calibrate`
"""

import numpy as np
from scipy.special import expit, logit

from pawprint.core import paths
from pawprint.core.files import read_csv, write_json
from pawprint.core.params import load_params
from pawprint.evaluation.calibration import expected_calibration_error
from pawprint.evaluation.temperature import cross_fit, fit_temperature
from pawprint.evaluation.threshold import choose_threshold
from pawprint.images.archive import open_archive
from pawprint.serving.classifier import load_classifier
from pawprint.serving.keras_file import write_calibrated
from pawprint.serving.prediction import predict_rows

SMALLEST = 1e-7  # probabilities nearer to 0 or 1 have no finite logit in float32


def main() -> None:
    params = load_params()
    classifier = load_classifier(paths.FINETUNE_MODEL)
    labels = classifier.labels
    rows = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == "validation"]
    with open_archive(paths.RAW_IMAGES) as archive:
        probability = predict_rows(classifier, archive, rows, "calibrate")
    actual = np.array([labels.index(row["label"]) for row in rows])
    logits = logit(np.clip(probability, SMALLEST, 1 - SMALLEST))
    temperature, honest = 1.0, expit(logits)
    if params.calibrate.temperature:
        temperature, honest = fit_temperature(actual, logits), cross_fit(actual, logits)
    threshold = params.calibrate.threshold
    if threshold is None:
        threshold = choose_threshold(actual, expit(logits / temperature), params.calibrate.recall)
    write_calibrated(paths.FINETUNE_MODEL, paths.CALIBRATED_MODEL, temperature, threshold)
    metrics = {
        "temperature": temperature,
        "threshold": threshold,
        # Of images that the temperature was not fitted on; evaluate's is of images that it was.
        "cross_fitted_calibration_error": expected_calibration_error(actual, honest),
    }
    write_json(paths.CALIBRATE_METRICS, metrics)
    print(
        f"calibrate: temperature {temperature:.3f}; "
        f"{labels[1]} from a probability of {threshold:.3f}"
    )


if __name__ == "__main__":
    main()
