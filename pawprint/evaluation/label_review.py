"""Images whose labels are likely wrong."""

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# Strong regularisation: the features are many and nearly separate the classes.
INVERSE_REGULARISATION = 0.01


def predict_training(features: np.ndarray, actual: np.ndarray, folds: int) -> np.ndarray:
    """float64 `(images,)`: the probability of class 1, cross-validated over `folds` folds.

    `features` is `(images, …)`, the output of the frozen layers; `actual` holds 0 and 1. With fewer
    than two images of a class there is no cross-validation, and each label gets probability 1.
    """
    folds = min(folds, np.bincount(actual, minlength=2).min())
    if folds < 2:
        return actual.astype(float)
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000)
    )
    return cross_val_predict(
        classifier,
        np.asarray(features, np.float32).reshape(len(features), -1),
        actual,
        cv=StratifiedKFold(folds, shuffle=True, random_state=0),
        method="predict_proba",
    )[:, 1]


def find_suspects(actual: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of images whose labels are likely wrong, and the probability of these labels.

    `actual` holds 0 and 1; `probability` is of class 1, by a model that was not trained on the
    image. The lowest probability comes first. Confident learning: an image is listed if the other
    class is more probable, and at least as probable as on average for images of that class
    (Northcutt, Jiang and Chuang 2021, https://doi.org/10.1613/jair.1.12125).
    """
    of_class = np.column_stack([1 - probability, probability])
    is_suspect = find_label_issues(actual, of_class, filter_by="confident_learning", n_jobs=1)
    suspects = np.flatnonzero(is_suspect)
    of_label = of_class[suspects, actual[suspects]]
    order = np.argsort(of_label, kind="stable")
    return suspects[order], of_label[order]
