"""Images whose labels are likely wrong."""

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# Strong regularisation: the features are many and nearly separate the classes.
INVERSE_REGULARISATION = 0.01


def cross_validate(features: np.ndarray, actual: np.ndarray, folds: int) -> np.ndarray:
    """float64 `(images, classes)`: probabilities, cross-validated over `folds` folds.

    `features` is `(images, …)`, the output of the frozen layers; `actual` holds class indices. With
    fewer than two images of a class there is no cross-validation, and each label gets probability
    1.
    """
    images = np.bincount(actual)
    folds = min(folds, images.min())
    if folds < 2:
        return np.eye(len(images))[actual]
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_REGULARISATION, max_iter=1000)
    )
    return cross_val_predict(
        classifier,
        np.asarray(features, np.float32).reshape(len(features), -1),
        actual,
        cv=StratifiedKFold(folds, shuffle=True, random_state=0),
        method="predict_proba",
    )


def find_suspects(
    actual: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions of images whose labels are likely wrong, their likely classes, and probabilities.

    `actual` holds class indices; `probabilities` are float `(images, classes)`, by models of one
    kind that were not trained on the image: another kind has another average confidence. Those
    returned are of the labels that the images have, the lowest first. Confident learning: an image
    is listed if another class is more probable, and at least as probable as on average for images
    of that class (Northcutt, Jiang and Chuang 2021, https://doi.org/10.1613/jair.1.12125).
    """
    is_suspect = find_label_issues(actual, probabilities, filter_by="confident_learning", n_jobs=1)
    suspects = np.flatnonzero(is_suspect)
    of_label = probabilities[suspects, actual[suspects]]
    order = np.argsort(of_label, kind="stable")
    suspects = suspects[order]
    of_others = probabilities[suspects]
    of_others[np.arange(len(suspects)), actual[suspects]] = 0
    return suspects, of_others.argmax(axis=1), of_label[order]


def tabulate_suspects(
    judged: list[tuple[pd.DataFrame, np.ndarray]], labels: list[str]
) -> pd.DataFrame:
    """The table LIKELY_WRONG_LABELS, the least probable labels first.

    Each pair is what one kind of model judged: images with the columns `path`, `label` and `split`,
    and probabilities, `(images, classes)`.
    """
    listed = []
    for images, probabilities in judged:
        actual = pd.Index(labels).get_indexer(images["label"])
        suspects, likely, probability = find_suspects(actual, probabilities)
        listed.append(
            images.iloc[suspects].assign(likely=np.array(labels)[likely], probability=probability)
        )
    return pd.concat(listed).sort_values("probability", kind="stable")
