"""Columns of the tables of images and of training."""

from pawprint.core.tables import Columns

IMAGES: Columns = {
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "group": "str",  # from metadata.csv, or ""
    "width": "int64",
    "height": "int64",
    "pixels_sha256": "str",
    "perceptual_hash": "str",
}
REJECTED: Columns = {"path": "str", "reason": "str", "detail": "str"}
SPLITS = ("train", "validation", "test")
SPLIT: Columns = {
    "path": "str",
    "label": "str",
    "split": "str",
    "group": "str",  # the first path of the group
    "pixels_sha256": "str",
}
NEAR_DUPLICATES: Columns = {
    "group": "str",
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "split": "str",
    "nearest": "str",
    "distance": "int64",
    "moved": "bool",
}
HISTORY: Columns = {
    "epoch": "int64",  # of the phase, from 1 on; 0 for a head by LBFGS
    "learning_rate": "Float64",  # empty for LBFGS
    "accuracy": "float64",
    "loss": "float64",
    "validation_accuracy": "float64",
    "validation_loss": "float64",
    "kept": "bool",  # whether the phase ends with the weights of this epoch
}
