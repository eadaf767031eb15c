"""Names: the paths of a project, as in `dvc.yaml`, and the columns of its tables."""

from pathlib import Path

PIPELINE = Path("dvc.yaml")
PARAMS = Path("params.yaml")
LABELS_CSV = Path("labels.csv")
SPLITS_CSV = Path("splits.csv")
UNLABELLED = Path("unlabelled")  # photos that the app got without a label
REQUIREMENTS = Path("requirements.txt")
LOCK = Path("dvc.lock")
STATE = Path(".pawprint.json")  # the files that `init` wrote, by name, and the default params
CODE = Path("data/code")  # what the stage `code` writes
FEATURE_ROW_CODE = Path("data/code/feature_row.txt")

RAW_ARCHIVES = Path("data/raw/archives")
RAW_IMAGES = RAW_ARCHIVES / "images.zip"  # or files.json, of a folder in DVC
IMAGES_CSV = Path("data/clean/images.csv")
METADATA_CSV = Path("data/clean/metadata.csv")  # further columns of the source's
UNKNOWN_CSV = Path("data/clean/unknown.csv")
DECODED_CSV = Path("data/clean/decoded.csv")  # what later runs of `clean` take over
UNLABELLED_CSV = Path("data/clean/unlabelled.csv")
REJECTED_CSV = Path("data/clean/rejected.csv")
SPLIT_CSV = Path("data/split/images.csv")
TRAIN_VALIDATION_CSV = Path("data/split/train_validation.csv")  # the part that training reads
PATHS_CSV = Path("data/split/paths.csv")  # of the images, whatever their labels
LABELS_JSON = Path("data/split/labels.json")  # of the classes, in the order of their indices
NEAR_DUPLICATES_CSV = Path("data/split/near_duplicates.csv")
FEATURES = Path("data/features")  # a folder for each split
FEATURES_ORIGIN = Path("data/features.json")
# Outside of the outputs, because DVC deletes those before a stage runs.
INTERRUPTED_FEATURES = Path(".dvc/tmp/pawprint")
CROSS_VALIDATION_CSV = Path("data/cross_validation.csv")
CROSS_VALIDATION_JSON = Path("data/cross_validation.json")  # what it chose, and what that gave

BACKBONE = Path("models/backbone/network.keras")
FROZEN_BACKBONE = Path("models/backbone/network.xml")  # where Keras builds none
EXTRACTOR = Path("models/extractor/network.xml")
HEAD = Path("models/head.npz")
NETWORK = Path("models/network/network.xml")  # of features, which the extractor gives
TRAINED_MODEL = Path("models/network/model.keras")  # of pixels, if layers were trained
OUTPUTS = Path("data/outputs")  # of the network, for held-out images
SERVED_MODEL = Path("models/served")
EXPORT = Path("models/export")  # of `pawprint export`

CLEAN_METRICS = Path("metrics/clean.json")
CLASSES_CSV = Path("metrics/classes.csv")
EXTRACT_METRICS = Path("metrics/train_extract.json")
EVALUATE_METRICS = Path("metrics/evaluate.json")
MODEL_CARD = Path("docs/model_card.md")
REPORT = Path("plots/report.html")
LIMITS = Path("plots/limits.txt")  # what limits the model
AUGMENTED = Path("plots/augmented.png")

EXTRACT_HISTORY_CSV = Path("plots/history_extract.csv")
LEARNING_CURVE_CSV = Path("plots/learning_curve.csv")
FINETUNE_HISTORY_CSV = Path("plots/history_finetune.csv")
TEST_PREDICTIONS_CSV = Path("data/probabilities.csv")
VALIDATION_PREDICTIONS_CSV = Path("data/probabilities_validation.csv")
PREDICTIONS_CSV = {"test": TEST_PREDICTIONS_CSV, "validation": VALIDATION_PREDICTIONS_CSV}
# The part of them that Git keeps.
PREDICTED_CSV = {
    "test": Path("plots/predictions.csv"),
    "validation": Path("plots/predictions_validation.csv"),
}
LABELS_TO_REVIEW_CSV = Path("plots/labels_to_review.csv")
RELIABILITY_CSV = Path("plots/reliability.csv")
ROC_CSV = Path("plots/roc.csv")
DECIDED_CSV = Path("plots/decided.csv")
SCORES_CSV = Path("plots/scores.csv")
PLOTS = Path("plots")


Columns = dict[str, str]

# What dataset/looks.py measures of an image.
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
    "contradicts": "str",  # path of the nearest one with another label, or empty
    "distance": "int64",
}
HISTORY: Columns = {
    "epoch": "int64",  # of the phase, from 1 on; 0 for a head by LBFGS
    "learning_rate": "Float64",  # empty for LBFGS
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
# Then one column per label, in their order: PROBABILITY and the label; then perhaps UNKNOWN_SCORE.
PREDICTIONS: Columns = {
    "path": "str",
    "actual": "str",
    "predicted": "str",
    "pixels_sha256": "str",  # names the image, whatever its path
}
# The part of it that `dvc plots` and `compare` need; `loss` is the log loss of the image.
PREDICTED_CLASSES: Columns = {
    "image": "str",
    "actual": "str",
    "predicted": "str",
    "loss": "float64",
}
PROBABILITY = "probability_"
UNKNOWN_SCORE = "unknown_score"  # in predictions of a model with a detector of unknown inputs
# An image by a model that did not learn from it; `likely` is the most probable of the other labels.
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
# The most confident images of the test split; `confidence` is the lowest among them.
DECIDED: Columns = {
    "decided": "float64",  # fraction of all images
    "error": "float64",
    "confidence": "float64",
}
# `label` is "" for a score of all classes, UNKNOWN for one of unknown images, or a column of
# metadata.csv with a value for scores of a slice; `low` and `high` are the ends of an interval.
SCORES: Columns = {
    "split": "str",
    "label": "str",
    "score": "str",
    "value": "float64",
    "low": "Float64",
    "high": "Float64",
    "images": "int64",
}
