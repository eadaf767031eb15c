"""List images whose labels are likely wrong, for a person to look at.

What the person finds goes into labels.csv, which `clean` applies. Reads data/features/,
data/split/images.csv, plots/predictions.csv and plots/predictions_validation.csv. Params:
`review`. Writes plots/likely_wrong_labels.csv. Run: `python -m stages.review`
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stages.shared import paths
from stages.shared.params import Review, load_params
from stages.shared.records import read_csv, read_json, write_csv

COLUMNS = ["path", "label", "likely", "split", "probability"]
# Of the penalty: features are many and nearly tell the classes apart.
INVERSE_STRENGTH = 0.01


def predict_training(params: Review, features: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """float64 `(images,)`: the probability of class 1 by a classifier that did not see the image.

    `features` is `(images, …)`, what the frozen base gives for each; `actual` holds 0 and 1.
    """
    folds = min(params.folds, np.bincount(actual.astype(int), minlength=2).min())
    if folds < 2:  # too few to learn from: nothing is suspected
        return actual.astype(float)
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_STRENGTH, max_iter=1000)
    )
    return cross_val_predict(
        classifier,
        np.asarray(features, np.float32).reshape(len(features), -1),
        actual,
        cv=StratifiedKFold(folds, shuffle=True, random_state=0),
        method="predict_proba",
    )[:, 1]


def suspect(actual: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Positions of the images whose labels are likely wrong, the likeliest first.

    `probability` is of class 1, by a model that did not learn from the image. An image is suspected
    if the other class is at least as probable as it is on average for images that bear its label:
    confident learning, Northcutt, Jiang and Chuang 2021 (https://doi.org/10.1613/jair.1.12125).
    """
    of_class = np.column_stack([1 - probability, probability])
    usual = np.array([of_class[actual == label, label].mean() for label in (0, 1)])
    images = np.arange(len(actual))
    own, other = of_class[images, actual], of_class[images, 1 - actual]
    suspected = images[(other >= usual[1 - actual]) & (other > own)]
    return suspected[np.argsort(own[suspected], kind="stable")]


def main() -> None:
    params = load_params()
    labels = read_json(paths.FEATURES / "labels.json")
    train = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == "train"]
    top = np.load(paths.FEATURES / "train_top.npy", mmap_mode="r")[:, 0]
    of_train = np.array([labels.index(row["label"]) for row in train])
    rows = [
        {"path": row["path"], "label": row["label"], "split": "train", "probability": value}
        for row, value in zip(train, predict_training(params.review, top, of_train))
    ]
    for split, file in (
        ("validation", paths.VALIDATION_PREDICTIONS),
        ("test", paths.PREDICTIONS),
    ):
        rows += [
            {"path": row["path"], "label": row["actual"], "split": split}
            | {"probability": float(row["probability"])}
            for row in read_csv(file)
        ]
    actual = np.array([labels.index(row["label"]) for row in rows])
    suspected = suspect(actual, np.array([row["probability"] for row in rows]))
    listed = []
    for index in suspected:
        row, second = rows[index], rows[index]["probability"]
        own = second if actual[index] else 1 - second
        likely = labels[1 - actual[index]]
        listed.append(row | {"likely": likely, "probability": f"{own:.6f}"})
    write_csv(paths.LIKELY_WRONG_LABELS, COLUMNS, listed)
    print(f"review: likely wrong labels: {len(listed)} of {len(rows):,}; a person has to look")


if __name__ == "__main__":
    main()
