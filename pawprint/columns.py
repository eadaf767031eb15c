"""Define the columns of a project's tables and their types, each fingerprinted separately."""

Columns = dict[str, str]

# Measures of an image by dataset/looks.py.
MEASURES: Columns = dict.fromkeys(("brightness", "contrast", "sharpness", "entropy"), "float64")
IMAGES: Columns = {
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "group": "str",  # from metadata.csv, or ""
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
    "has_more": "bool",  # whether the file has further pages or frames, which are not used
}
REJECTED: Columns = {"path": "str", "reason": "str", "detail": "str"}
# A cell of a further column of metadata.csv, such as camera or site, that is not empty.
METADATA: Columns = {"path": "str", "column": "str", "value": "str"}
TRAIN = "train"
SPLITS = (TRAIN, "validation", "test")
SPLIT: Columns = {
    "path": "str",
    "label": "str",
    "split": "str",
    "group": "str",  # the first path of the group
    "pixels_sha256": "str",
}
CLASSES: Columns = {"label": "str"} | dict.fromkeys(SPLITS, "int64")  # numbers of images
PATHS: Columns = {"path": "str", "split": "str", "pixels_sha256": "str"}  # of SPLIT
NEAR_DUPLICATES: Columns = {
    "group": "str",
    "path": "str",
    "label": "str",
    "archive_split": "str",
    "split": "str",
    "nearest": "str",
    "contradicts": "str",  # path of the nearest one with another label, or ""
    "distance": "int64",
}
HISTORY: Columns = {
    "epoch": "int64",  # of the phase, from 1 on; 0 for a head that is fitted
    "learning_rate": "Float64",  # empty for a head that is fitted
    "accuracy": "float64",
    "loss": "float64",
    "validation_accuracy": "float64",
    "validation_loss": "float64",
    "kept": "bool",  # whether the phase ends with this epoch's weights
}
# Scores of cross-validated heads; `gain` is the rise of `score` from the row before.
LEARNING_CURVE: Columns = {
    "images": "int64",  # that a fit learns from
    "accuracy": "float64",
    "loss": "float64",
    "score": "str",  # accuracy, or mean recall
    "gain": "Float64",
    "low": "Float64",
    "high": "Float64",
}
# Then a column per label, in order, named PROBABILITY and the label; then perhaps UNKNOWN_SCORE.
PREDICTIONS: Columns = {
    "path": "str",
    "actual": "str",
    "predicted": "str",
    "pixels_sha256": "str",  # names the image, whatever its path
}
# The columns that `dvc plots` and `compare` need; `loss` is the log loss of the image.
PREDICTED_CLASSES: Columns = {
    "image": "str",
    "actual": "str",
    "predicted": "str",
    "loss": "float64",
}
PROBABILITY = "probability_"
UNKNOWN_SCORE = "unknown_score"  # in predictions of a model with a detector of unknown inputs
# Predictions of models that did not learn from the image; `likely` is the most probable other
# label.
JUDGED: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "probability": "float64",  # of the label
    "likely_probability": "float64",
    "pixels_sha256": "str",
}
LABELS_TO_REVIEW: Columns = {
    "path": "str",
    "label": "str",
    "likely": "str",
    "split": "str",
    "probability": "float64",
    "contradicts": "str",  # path of a near-duplicate with another label, or empty
    "pixels_sha256": "str",
}
ADDED = ("contradicts",)  # columns that tables of earlier versions may lack
# `label` is the class of the probabilities: the second of two classes, otherwise PREDICTED.
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
# The most confident images of the test split; `confidence` is the lowest among them.
DECIDED: Columns = {
    "decided": "float64",  # fraction of all images
    "error": "float64",
    "confidence": "float64",
}
# `label` is "" for a score over all classes, UNKNOWN for a score of unknown images, or a column of
# metadata.csv with a value for a slice. `low` and `high` are the ends of an interval.
SCORES: Columns = {
    "split": "str",
    "label": "str",
    "score": "str",
    "value": "float64",
    "low": "Float64",
    "high": "Float64",
    "images": "int64",
}
