"""Define the columns of a project's tables and their types."""

Columns = dict[str, str]

# Measures of an image, computed in decoding/row.py.
MEASURES: Columns = dict.fromkeys(("brightness", "contrast", "sharpness", "entropy"), "float64")
IMAGES: Columns = {
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "group": "str",  # group in metadata.csv, or ""
    "width": "int64",
    "height": "int64",
    "pixels_sha256": "str",
    "perceptual_hash": "str",
    **MEASURES,
}
# Results of decoding; `key` is a hash of the file's bytes and of the code that decodes them.
DECODED: Columns = {
    "key": "str",
    "width": "int64",
    "height": "int64",
    "pixels_sha256": "str",
    "perceptual_hash": "str",
    **MEASURES,
    "used_bits": "int64",
    "file_bits": "int64",
    "has_more": "bool",  # whether the file has further pages or frames
}
REJECTED: Columns = {"path": "str", "reason": "str", "detail": "str"}
# A non-empty cell of an additional column in metadata.csv, such as camera or site.
METADATA: Columns = {"path": "str", "column": "str", "value": "str"}
TRAIN = "train"
SPLITS = (TRAIN, "validation", "test")
SPLIT: Columns = {
    "path": "str",
    "label": "str",
    "split": "str",
    "group": "str",  # the first path in the group
    "series": "str",  # part of the path, or "" if names suggest no series
    "metadata_series": "str",  # value in a column of metadata.csv, or ""
    "pixels_sha256": "str",
}
CLASSES: Columns = {"label": "str"} | dict.fromkeys(SPLITS, "int64")  # numbers of images
PATHS: Columns = {"path": "str", "split": "str", "pixels_sha256": "str"}  # columns of SPLIT
NEAR_DUPLICATES: Columns = {
    "group": "str",
    "path": "str",
    "label": "str",
    "split": "str",
    "nearest": "str",
    "contradicts": "str",  # the path of the nearest one with a different label, or ""
    "distance": "int64",
}
HISTORY: Columns = {
    "epoch": "int64",  # number within the phase, starting at 1; 0 for a fitted head
    "learning_rate": "Float64",  # empty for a fitted head
    "accuracy": "float64",
    "loss": "float64",
    "validation_accuracy": "float64",
    "validation_loss": "float64",
    "kept": "bool",  # whether the phase ends with the weights of this epoch
}
# Scores of cross-validated heads. `gain` is the increase in `score` from the previous row.
LEARNING_CURVE: Columns = {
    "images": "int64",  # number of images in a fit
    "accuracy": "float64",
    "score": "str",  # accuracy or balanced accuracy
    "gain": "Float64",
    "low": "Float64",
    "high": "Float64",
}
# The predictions of a split, in data/probabilities.csv. These columns are followed by one for each
# label in order, called PROBABILITY plus the label, and possibly by UNKNOWN_SCORE.
PROBABILITIES: Columns = {
    "path": "str",
    "actual": "str",
    "predicted": "str",
    "pixels_sha256": "str",  # identifies the image, whatever its path
}
# The part that Git keeps for `dvc plots` and `compare`, in plots/predictions.csv. `loss` is the log
# loss on the image.
PREDICTED_CLASSES: Columns = {
    "image": "str",
    "actual": "str",
    "predicted": "str",
    "loss": "float64",
}
PROBABILITY = "probability_"
UNKNOWN_SCORE = "unknown_score"  # in predictions of models that have a detector of unknown inputs
# Predictions by models that were not trained on the image. `likely` is the most probable label
# besides the given one.
JUDGED: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "probability": "float64",  # probability of the given label
    "likely_probability": "float64",
    "pixels_sha256": "str",
}
LABELS_TO_REVIEW: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "split": "str",
    "probability": "float64",
    "contradicts": "str",  # the path of a near-duplicate with a different label, or empty
    "pixels_sha256": "str",
}
# `label` is the class that the probabilities refer to: the second of two classes, or PREDICTED.
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
}
# The most confident images in the test split. `confidence` is the lowest confidence among them.
DECIDED: Columns = {
    "decided": "float64",  # fraction of images that are decided
    "error": "float64",
    "confidence": "float64",
}
# `label` is "" for a score over all classes, UNKNOWN for a score of unknown images, or a column of
# metadata.csv and a value for a slice. `low` and `high` are the ends of an interval.
SCORES: Columns = {
    "split": "str",
    "label": "str",
    "score": "str",
    "value": "float64",
    "low": "Float64",
    "high": "Float64",
    "images": "int64",
}
