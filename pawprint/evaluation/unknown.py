"""Unknown inputs: measuring the detector."""

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from pawprint.core.tables import SCORES
from pawprint.evaluation.intervals import wilson


def measure_unknown(
    is_correct: np.ndarray,
    scores: np.ndarray,
    drawn: np.ndarray,
    threshold: float,
    confidence: float,
) -> pd.DataFrame:
    """The columns of SCORES after `split`: how the detector treats images of the classes.

    `is_correct` says of each image whether the predicted class is the true one, and `scores` holds
    its score, both `(images,)`; `drawn` are the scores of drawn images, of no class. Rows are the
    fraction of images refused, the accuracy of the others, the area under the ROC curve of the
    score between images and drawn ones, and the fraction of drawn images refused.
    """
    is_kept, images = scores <= threshold, len(scores)
    is_drawn = np.repeat([0, 1], [images, len(drawn)])
    area = roc_auc_score(is_drawn, np.concatenate([scores, drawn]))
    rows = [
        _fraction("refused", ~is_kept, confidence),
        _fraction("kept_accuracy", is_correct[is_kept], confidence),
        ("", "unknown_roc_auc", area, np.nan, np.nan, images),
        _fraction("drawn_refused", drawn > threshold, confidence),
    ]
    return pd.DataFrame(rows, columns=list(SCORES)[1:]).dropna(subset="value")


def _fraction(name: str, is_true: np.ndarray, confidence: float) -> tuple:
    if not len(is_true):  # all images are refused
        return "", name, np.nan, np.nan, np.nan, 0
    low, high = wilson(int(is_true.sum()), len(is_true), confidence)
    return "", name, is_true.mean(), low, high, len(is_true)
