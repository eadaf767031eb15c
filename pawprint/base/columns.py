"""Define the columns of a project's tables and their types."""

from collections.abc import Iterable

Columns = dict[str, str]


def texts(*names: str) -> Columns:
    """Return columns of text, in which an empty cell is ""."""
    return dict.fromkeys(names, "str")


def numbers(*names: str) -> Columns:
    """Return columns of numbers."""
    return dict.fromkeys(names, "float64")


def optional(*names: str) -> Columns:
    """Return columns of numbers, in which cells may be empty."""
    return dict.fromkeys(names, "Float64")


def counts(*names: str) -> Columns:
    """Return columns of whole numbers."""
    return dict.fromkeys(names, "int64")


# Measures of an image, computed in given/decoding/content.py.
MEASURES = numbers("brightness", "contrast", "sharpness", "entropy", "colour")
# `taken` is the time in the EXIF data, such as 2026-08-10T10:11:12.250, or "". `camera` is a model.
CONTENT = counts("width", "height") | texts("pixels_sha256", "perceptual_hash", "taken", "camera")
CONTENT |= MEASURES
# Results of decoding; `key` is a hash of the file's bytes and of the code that decodes them.
DECODED: Columns = {
    **(texts("key") | CONTENT | counts("used_bits", "file_bits")),
    "has_more": "bool",  # whether the file has further pages or frames
}
# `label` is the source's until labels.csv applies, `group` the group in metadata.csv, or "".
# `without_label` is why an image lacks a label, or "" if it has one or is yet to be labelled.
IMAGES = texts("path", "label", "archive_split", "group", "without_label") | DECODED
UNKNOWN_IMAGES = texts("path", "label", "group", "pixels_sha256")  # columns of IMAGES
REJECTED = texts("path", "label", "reason", "detail")
OF_TEST = " with the pixels of the test image "  # in the detail of its copies for training
# A non-empty cell of an additional column in metadata.csv, such as camera or site.
METADATA = texts("path", "column", "value")
CROPS = "crop_rule"  # column with the rule by which `pawprint crop` cut an image out of a photo
CROP_RULE = r"as-is|square \d\.\d{1,3}"  # such a rule; see pawprint/given/boxes.py
TRAIN = "train"
SPLITS = (TRAIN, "validation", "test")
# Candidates for series of photos; "" for a photo in none. `series` and `finer_series` are parts of
# the path, `metadata_series` and `crossed` are values in a column of metadata.csv, and `burst` is
# the path of the first photo.
SERIES = texts("series", "finer_series", "metadata_series", "burst", "crossed")
# `group` is the first path in the group.
SPLIT = texts("path", "label", "split", "group") | SERIES | texts("pixels_sha256")
CLASSES = texts("label") | counts(*SPLITS)  # numbers of images
PATHS = texts("path", "split", "pixels_sha256")  # the split may be UNKNOWN or UNLABELLED, too
# `contradicts` is the path of the nearest image with a different label, or "". `distance` is the
# number of differing bits among all 256, at most six times `split.near_duplicate_distance`.
NEAR_DUPLICATES = texts("group", "path", "label", "split", "nearest", "contradicts")
NEAR_DUPLICATES |= counts("distance")
HISTORY: Columns = {
    "epoch": "int64",  # number within the phase, starting at 1; 0 for a fitted head
    "learning_rate": "Float64",  # empty for a fitted head
    **numbers("accuracy", "loss", "validation_accuracy", "validation_loss"),
    "kept": "bool",  # whether the phase ends with the weights of this epoch
}
# Scores of cross-validated heads. `gain` is the increase in `score` from the previous row.
LEARNING_CURVE: Columns = {
    "images": "int64",  # number of images in a fit
    "accuracy": "float64",
    "score": "str",  # accuracy or balanced accuracy
    **optional("gain", "low", "high"),
}
# The predictions of a split, in data/probabilities.csv. These columns are followed by one for each
# label in order, called PROBABILITY plus the label, and possibly by UNKNOWN_SCORE. The image is
# identified by `pixels_sha256`, whatever its path.
PROBABILITIES = texts("path", "actual", "predicted", "pixels_sha256")
# The part that Git keeps for `dvc plots` and `compare`, in plots/predictions.csv. `loss` is the log
# loss on the image. With several labels, see scores/label_rows.py.
PREDICTED_CLASSES = texts("image", "actual", "predicted") | numbers("loss")
PROBABILITY = "probability_"
UNKNOWN_SCORE = "unknown_score"  # in predictions of models that have a detector of unknown inputs
# Predictions by models that were not trained on the image. `likely` is the most probable label
# besides the given one, and `probability` is the probability of the given label.
JUDGED = texts("path", "label", "likely") | numbers("probability", "likely_probability")
JUDGED |= texts("pixels_sha256")
# With several labels, these columns are followed by a probability column for each label.
JUDGED_LABELS = texts("path", "label", "pixels_sha256")
# `contradicts` is the path of a near-duplicate with a different label, or "". With several labels,
# a row is about one: `label` is such as "not sea", and `likely` such as "add sea".
LABELS_TO_REVIEW = texts("path", "label", "likely", "split") | numbers("probability")
LABELS_TO_REVIEW |= texts("contradicts", "pixels_sha256")
# `label` is the class that the probabilities refer to: the second of two classes, or PREDICTED
# with more. With several labels, it is EACH_LABEL.
PREDICTED = "the predicted class"
EACH_LABEL = "each label"
RELIABILITY = texts("split", "label") | numbers("probability", "fraction", "low", "high")
RELIABILITY |= counts("images")
ROC = texts("label") | numbers("false_positive_rate", "true_positive_rate")
# The most confident images in the test split. `decided` is their fraction of the images, and
# `confidence` the lowest confidence among them.
DECIDED = numbers("decided", "error", "confidence")
# `label` is "" for a score over all classes, or UNKNOWN for a score of unknown images. `low` and
# `high` are the ends of an interval.
SCORES = texts("split", "label", "score") | numbers("value") | optional("low", "high")
SCORES |= counts("images")


def to_review(*, exclusive: bool) -> Columns:
    """Return LABELS_TO_REVIEW and, with several labels, the whole `cell` that a row suggests."""
    return LABELS_TO_REVIEW if exclusive else LABELS_TO_REVIEW | texts("cell")


def columns_of_numbers(names: Iterable[str]) -> Columns:
    """Return the columns of probabilities and the UNKNOWN_SCORE among these names."""
    found = [name for name in names if name.startswith(PROBABILITY) or name == UNKNOWN_SCORE]
    return numbers(*found)


def columns_of_judged(names: Iterable[str]) -> Columns:
    """Return JUDGED, or JUDGED_LABELS and the probabilities among these names of columns."""
    probabilities = columns_of_numbers(names)
    return JUDGED_LABELS | probabilities if probabilities else JUDGED


def predicted_labels(names: Iterable[str]) -> list[str]:
    """Return the labels, in order, from a PROBABILITIES table or its columns, even without rows."""
    return [name.removeprefix(PROBABILITY) for name in names if name.startswith(PROBABILITY)]
