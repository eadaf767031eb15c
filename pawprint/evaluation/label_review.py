"""Images whose labels are likely wrong."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pawprint.core.params import Review

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
