"""Make the model's probabilities mean what they say, and choose from which one to predict.

Both are fitted on the validation split alone. Reads data/raw/images.zip, data/split/images.csv and
models/finetune.keras. Params: `calibrate`. Writes models/calibrated.keras and
metrics/calibrate.json. Run: `python -m stages.calibrate`
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from stages.shared import paths
from stages.shared.archive import open_archive
from stages.shared.calibration import expected_calibration_error
from stages.shared.classifier import load_classifier
from stages.shared.intervals import mcnemar
from stages.shared.keras_file import write_calibrated
from stages.shared.params import load_params
from stages.shared.prediction import predict_rows
from stages.shared.records import read_csv, write_json

# Of the logarithm of the temperature: two times out of three it is within a factor of 1.6.
PRIOR = 0.5
TEMPERATURES = (0.05, 20)  # between which it is searched for
SMALLEST = 1e-7  # probabilities nearer to 0 or 1 have no finite logit in float32
FOLDS = 5
SIGNIFICANT = 0.05


def fit_temperature(actual: np.ndarray, logits: np.ndarray) -> float:
    """The number that logits are divided by for the lowest loss, which changes no ranking.

    `actual` holds 0 and 1. Guo et al., On Calibration of Modern Neural Networks, 2017
    (https://arxiv.org/abs/1706.04599). With a normal prior of its logarithm around 0: a few images
    without a mistake would ask for a temperature of 0, and hundreds hardly notice it.
    """

    def loss(logarithm: float) -> float:
        scaled = logits / np.exp(logarithm)
        return np.sum(np.logaddexp(0, scaled) - actual * scaled) + (logarithm / PRIOR) ** 2 / 2

    fitted = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(fitted.x))


def cross_fit(actual: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The probability of each image by the temperature that the other folds' images give."""
    fold = np.arange(len(actual)) % FOLDS
    temperature = [
        fit_temperature(actual[fold != each], logits[fold != each]) for each in range(FOLDS)
    ]
    return expit(logits / np.array(temperature)[fold])


def choose_threshold(actual: np.ndarray, probability: np.ndarray, recall: float | None) -> float:
    """The threshold in (0, 1) with the best accuracy; of equals, that nearest 0.5.

    Or, given a recall of class 1, that with the best precision among those that have it. `actual`
    holds 0 and 1, `probability` is of 1. Candidates lie half-way between neighbouring
    probabilities, and one of them is 0.5. For accuracy it is 0.5 unless another is better beyond
    luck: the best of so many is the best for these very images (docs/decisions/12).
    """
    values = np.unique(np.concatenate([[0, 1], probability]))
    candidates = np.append((values[1:] + values[:-1]) / 2, 0.5)
    predicted = probability >= candidates[:, None]
    if recall is None:
        score = (predicted == actual).mean(axis=1)
    else:
        right = (predicted & (actual == 1)).sum(axis=1)
        precision = right / np.maximum(predicted.sum(axis=1), 1)
        score = np.where(right >= recall * (actual == 1).sum(), precision, -1)
    best = candidates[score == score.max()]
    threshold = float(best[np.abs(best - 0.5).argmin()])
    if recall is None:
        at_half, at_best = ((probability >= each) == actual for each in (0.5, threshold))
        won, lost = (at_best & ~at_half).sum(), (at_half & ~at_best).sum()
        if mcnemar(won, lost) >= SIGNIFICANT:
            return 0.5
    return threshold


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
