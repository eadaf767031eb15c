"""Evaluate the saved model on decoded images: what is saved is what is evaluated.

Reads data/raw/images.zip, data/split/images.csv and models/finetune.keras. Params: `evaluate`.
Writes metrics/evaluate.json, plots/predictions.csv and plots/roc.csv.
Run: `python -m stages.evaluate`
"""

import zipfile

import numpy as np
from sklearn.metrics import (
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)
from tqdm import tqdm

from stages.shared import paths
from stages.shared.archive import open_archive
from stages.shared.backend import keras, make_deterministic
from stages.shared.images import map_in_threads, open_image, resize
from stages.shared.inference import compile_network
from stages.shared.network import load_model
from stages.shared.params import load_params
from stages.shared.records import read_csv, write_csv, write_json

PREDICTION_COLUMNS = ["path", "actual", "predicted", "probability"]
ROC_COLUMNS = ["false_positive_rate", "true_positive_rate", "threshold"]


def predict(model: keras.Model, archive: zipfile.ZipFile, rows: list[dict]) -> np.ndarray:
    """float64 `(len(rows),)`: the probability of the second class for the image of each row."""
    size, run = model.input_shape[1], compile_network(model)

    def predict_row(row: dict) -> float:
        (probability,) = run(resize(open_image(archive, row["path"]), size))
        return float(probability[0])

    predicted = map_in_threads(predict_row, rows)
    progress = tqdm(predicted, total=len(rows), desc="evaluate", unit="image", disable=None)
    return np.array(list(progress))


def measure(
    actual: np.ndarray, probability: np.ndarray, threshold: float, labels: list[str]
) -> dict:
    """Loss, accuracy with its counts, area under the ROC curve, and each class's scores.

    `actual` holds 0 and 1, the positions in `labels`; `probability` is of label 1.
    """
    predicted = (probability >= threshold).astype(int)
    correct = int((predicted == actual).sum())
    precision, recall, f1, _ = precision_recall_fscore_support(
        actual, predicted, labels=[0, 1], zero_division=0
    )
    scores = {
        label: {
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "f1": float(f1[index]),
        }
        for index, label in enumerate(labels)
    }
    return {
        "loss": float(log_loss(actual, probability, labels=[0, 1])),
        "accuracy": correct / len(actual),
        "correct": correct,
        "total": len(actual),
        "roc_auc": float(roc_auc_score(actual, probability)),
        **scores,
    }


def tabulate(
    rows: list[dict], probability: np.ndarray, threshold: float, labels: list[str]
) -> list[dict]:
    """A row per image: path, actual and predicted label, probability of the second class."""
    return [
        {
            "path": row["path"],
            "actual": row["label"],
            "predicted": labels[int(value >= threshold)],
            "probability": f"{value:.6f}",
        }
        for row, value in zip(rows, probability)
    ]


def tabulate_roc(actual: np.ndarray, probability: np.ndarray) -> list[dict]:
    """The points of the ROC curve of the second class. The first has no finite threshold: 1."""
    points = zip(*roc_curve(actual, probability))
    return [
        dict(zip(ROC_COLUMNS, (f"{rate:.6f}" for rate in (false, true, min(threshold, 1)))))
        for false, true, threshold in points
    ]


def main() -> None:
    params = load_params()
    make_deterministic(seed=0)
    model, labels = load_model(paths.FINETUNE_MODEL)
    rows = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] != "train"]
    with open_archive(paths.RAW_IMAGES) as archive:
        probability = predict(model, archive, rows)
    actual = np.array([labels.index(row["label"]) for row in rows])
    split = np.array([row["split"] for row in rows])
    threshold = params.evaluate.threshold
    metrics = {
        name: measure(actual[split == name], probability[split == name], threshold, labels)
        for name in ("validation", "test")
    }
    write_json(paths.EVALUATE_METRICS, metrics)
    is_test = split == "test"
    tests = [row for row in rows if row["split"] == "test"]
    predictions = tabulate(tests, probability[is_test], threshold, labels)
    write_csv(paths.PREDICTIONS, PREDICTION_COLUMNS, predictions)
    write_csv(paths.ROC, ROC_COLUMNS, tabulate_roc(actual[is_test], probability[is_test]))
    print(
        "evaluate: "
        + ", ".join(
            f"{name} accuracy {metrics[name]['accuracy']:.4f} "
            f"({metrics[name]['correct']}/{metrics[name]['total']})"
            for name in metrics
        )
    )


if __name__ == "__main__":
    main()
