"""Define the paths of a project's files and folders, as in `dvc.yaml`, relative to its folder."""

from pathlib import Path

PIPELINE = Path("dvc.yaml")
PARAMS = Path("params.yaml")
LABELS_CSV = Path("labels.csv")
SPLITS_CSV = Path("splits.csv")
REQUIREMENTS = Path("requirements.txt")
LOCK = Path("dvc.lock")
COPIES = "/.dvc/tmp/exps/"  # where DVC copies a project for an experiment
STATE = Path(".pawprint.json")  # the version that wrote dvc.yaml, and the hash of what it wrote
OF_URLS = (".yaml", ".yml")  # suffixes of a source that contains the URL of the images
CODE = Path("data/code")  # output of the `code` stage
DECODED_ROW_CODE = CODE / "decoded_row.txt"
FEATURE_ROW_CODE = CODE / "feature_row.txt"
SHOWN_PARAMS = CODE / "params.json"  # the values in params.yaml, without secrets
FINGERPRINTS = Path(".dvc/tmp/pawprint-code.json")  # of the last run of `code`; may be deleted

RAW_ARCHIVES = Path("data/raw/archives")
RAW_IMAGES = RAW_ARCHIVES / "images.zip"  # or files.json, for a folder tracked by DVC
IMAGES_CSV = Path("data/clean/images.csv")  # all that can be decoded; reused by later runs
METADATA_CSV = Path("data/clean/metadata.csv")  # further columns of the source's metadata.csv
CLEAN_REJECTED_CSV = Path("data/clean/rejected.csv")  # files that cannot be decoded
REJECTED_CSV = Path("data/split/rejected.csv")  # these, and images that labels or copies rule out
UNKNOWN_CSV = Path("data/split/unknown.csv")
SPLIT_CSV = Path("data/split/images.csv")
TRAIN_VALIDATION_CSV = Path("data/split/train_validation.csv")  # input of training
PATHS_CSV = Path("data/split/paths.csv")  # paths of all usable images, without their labels
LABELS_JSON = Path("data/split/labels.json")  # class names in the order of their indices
SERIES_JSON = Path("data/split/series.json")  # where the series in SPLIT come from
NEAR_DUPLICATES_CSV = Path("data/split/near_duplicates.csv")
FEATURES = Path("data/features")  # contains one folder per split
FEATURES_ORIGIN = Path("data/features.json")
# This folder is not an output, because DVC deletes outputs before a stage runs.
INTERRUPTED_FEATURES = Path(".dvc/tmp/pawprint")
CROSS_VALIDATION_CSV = Path("data/cross_validation.csv")
CROSS_VALIDATION_JSON = Path("data/cross_validation.json")  # the chosen settings and their effects

BACKBONE = Path("models/backbone/network.keras")
NO_BACKBONE = Path("models/backbone/none.txt")  # if Keras does not build the backbone
EXTRACTOR = Path("models/extractor/network.xml")
HEAD = Path("models/head.npz")
TO_TUNE = Path("models/to_tune")  # what fine-tuning starts from, or a note that there is none
TUNED = Path("models/tuned")  # the network after fine-tuning, or a note that there was none
NO_NETWORK = TUNED / "none.txt"
TUNED_VIEWS = TUNED / "views.json"  # the number of views of an image that it learned from
TRAINED_MODEL = TUNED / "model.keras"  # input: pixels
NETWORK = Path("models/network/network.xml")  # input: the features from the extractor
NETWORK_JSON = Path("models/network.json")  # whether it also predicts the mirror image
OUTPUTS = Path("data/outputs")  # the network's outputs for held-out images
SERVED_MODEL = Path("models/served")
EXPORT = Path("models/export")  # written by `pawprint export`

SPLIT_METRICS = Path("metrics/split.json")
CLASSES_CSV = Path("metrics/classes.csv")
EXTRACT_METRICS = Path("metrics/train_extract.json")
EVALUATE_METRICS = Path("metrics/evaluate.json")
MODEL_CARD = Path("docs/model_card.md")
REPORT = Path("plots/report.html")
LIMITS = Path("plots/limits.txt")  # sentences about what limits the model

EXTRACT_HISTORY_CSV = Path("plots/history_extract.csv")
LEARNING_CURVE_CSV = Path("plots/learning_curve.csv")
FINETUNE_HISTORY_CSV = Path("plots/history_finetune.csv")
PROBABILITIES_CSV = {
    "test": Path("data/probabilities.csv"),
    "validation": Path("data/probabilities_validation.csv"),
}
# The part of these tables that Git keeps.
PREDICTED_CLASSES_CSV = {
    "test": Path("plots/predictions.csv"),
    "validation": Path("plots/predictions_validation.csv"),
}
LABELS_TO_REVIEW_CSV = Path("plots/labels_to_review.csv")
RELIABILITY_CSV = Path("plots/reliability.csv")
ROC_CSV = Path("plots/roc.csv")
DECIDED_CSV = Path("plots/decided.csv")
SCORES_CSV = Path("plots/scores.csv")
FIGURES = Path("plots/figures")  # curves as pictures
