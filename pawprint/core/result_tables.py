"""Columns of the tables of results."""

from pawprint.core.tables import Columns

LIKELY_WRONG_LABELS: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "split": "str",
    "probability": "float64",
}
PREDICTED = "the predicted class"
# `label` is the class of the probabilities: the second of two, or PREDICTED of more.
RELIABILITY: Columns = {
    "split": "str",
    "label": "str",
    "probability": "float64",
    "fraction": "float64",
    "low": "float64",
    "high": "float64",
    "images": "int64",
}
ROC: Columns = {
    "label": "str",
    "false_positive_rate": "float64",
    "true_positive_rate": "float64",
    "threshold": "float64",
}
# `label` is "" for a score of all classes, UNKNOWN for one of images of no class; `low` and `high`
# are the ends of an interval.
SCORES: Columns = {
    "split": "str",
    "label": "str",
    "score": "str",
    "value": "float64",
    "low": "Float64",
    "high": "Float64",
    "images": "int64",
}
