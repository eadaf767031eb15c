"""Handle classes: allowed names, weights, probabilities, and predicted classes."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Self
from unicodedata import normalize

import numpy as np

from pawprint.base.errors import is_printable, printable

# Names that classes cannot have, except for NEITHER in lower case.
NEITHER = "none"  # in labels.csv, marks an image to reject, unless the source has this class
UNKNOWN = "unknown"  # predicted for images unlike the training images, and the name of their folder
UNLABELLED = "unlabelled"  # marks an image that may still get a label
UNSURE = "unsure"  # predicted for an image that a person should check
RESERVED = (UNKNOWN, UNSURE, UNLABELLED)  # compared without regard to case
PREDICTED = "the predicted class"  # in tables with more than two classes
MAX_LARGEST = 2  # ratio to an equal share, above which the classes are imbalanced
# What the main score is called, by its key in the metrics and in plots/scores.csv.
HEADLINES = {
    "accuracy": "accuracy",
    "mean_recall": "balanced accuracy",
    "exact": "photos with every label right",  # if a photo can show several
}


def are_imbalanced(images: Collection[int]) -> bool:
    """Return whether one of three or more classes has over MAX_LARGEST times its even share.

    `images` contains the number of images of each class that has images.
    """
    return max(images) > MAX_LARGEST * sum(images) / len(images)


def headline(images: Collection[int]) -> str:
    """Return the main score of these classes, a key of HEADLINES."""
    return "mean_recall" if are_imbalanced(images) else "accuracy"


def headline_strata(actual: np.ndarray, exclusive: bool = True) -> tuple[str, np.ndarray]:
    """Return the main score's title for images of these classes, and its strata, `(images,)`.

    Strata are weighted equally: the classes for the balanced accuracy, or a single stratum for the
    accuracy. If labels are not `exclusive`, the score is the fraction of images with all right.
    """
    name = "exact"
    if exclusive:
        name = headline(np.unique(actual, return_counts=True)[1].tolist())
    return HEADLINES[name], actual if name == "mean_recall" else np.zeros(len(actual), int)


def balanced_weights(targets: np.ndarray) -> dict[int, float]:
    """Return a weight for each class that is inversely proportional to its number of images.

    A class of average size has a weight of 1, as in scikit-learn's `compute_class_weight`.
    """
    classes, images = np.unique(targets, return_counts=True)
    weights = len(targets) / (len(classes) * images)
    return dict(zip(classes.astype(int).tolist(), weights.tolist()))


def sample_weights(class_weight: str | None, targets: np.ndarray) -> np.ndarray:
    """Return the weight of each image in the loss, float64 `(images,)`, with a mean of 1.

    With "balanced", all classes that have images weigh the same. With None, all images do;
    `TrainExtract.weight_for` in pipeline/params/model.py decides.
    """
    if class_weight is None:
        return np.ones(len(targets))
    numbers = np.unique(targets, return_inverse=True)[1]
    return np.array([*balanced_weights(targets).values()])[numbers]


def is_reserved(label: str) -> bool:
    """Return whether a name is reserved and cannot be a class.

    NEITHER can be in lower case, because cameras such as Frigate's have a class of that name.
    """
    return label != NEITHER and label.lower() in (NEITHER, *RESERVED)


def problem_of_labels(labels: Iterable[str], exclusive: bool = True) -> str | None:
    """Return the problem with class names, as "expected ... Received: ...", or None.

    Unless they are `exclusive`, one is enough.
    """
    labels = sorted(labels)
    if len(labels) < 1 + exclusive:
        names = ", ".join(map(printable, labels)) or "none"
        expected = "two or more classes" if exclusive else "a label"
        return f"expected {expected}. Received: {len(labels)}: {names}"
    return problem_of_names(labels)


def problem_of_names(labels: Iterable[str]) -> str | None:
    """Return the problem with the names of any number of classes, or None."""
    labels = sorted(labels)
    for label in labels:
        is_plain = label and is_printable(label) and label == label.strip()
        if not is_plain or "<" in label or is_reserved(label):  # DVC's plots are HTML
            return (
                "expected labels with printable characters only, without < and without leading "
                f"or trailing spaces, other than {', '.join(RESERVED)} (in any case); {NEITHER} "
                f"must be in lower case. Received: {label!r}"
            )
    by_name: dict[str, str] = {}
    for label in labels:
        other_label = by_name.setdefault(normalize("NFC", label).lower(), label)
        if other_label != label:
            return (
                "expected labels that differ by more than case. Received: "
                f"{other_label} and {label}"
            )
    return None


# The smallest distance of a probability from 0 and 1. float32 would round smaller distances away.
MIN_PROBABILITY = 2**-25
SIGNIFICANT = 0.05  # p-value below which a difference is significant


def class_probabilities(output: np.ndarray) -> np.ndarray:
    """Return probabilities `(…, classes)`, which sum to 1, from a model's output, `(…, units)`.

    A single unit stands for the second of two classes. With more classes, the output is divided by
    its sum, which is close to 1 in float32.
    """
    if output.shape[-1] == 1:
        return np.concatenate([1 - output, output], axis=-1)
    return output / output.sum(axis=-1, keepdims=True)


def predicted_classes(probabilities: np.ndarray, thresholds: Mapping[int, float]) -> np.ndarray:
    """Return the index of each predicted class, int `(…)`, from `(…, classes)`.

    `thresholds` maps the indices of some classes to their thresholds. The prediction is the first
    of these classes whose probability reaches its threshold. If there is none, it is the most
    probable of the other classes.
    """
    others = probabilities.copy()
    others[..., list(thresholds)] = -1
    predicted = others.argmax(axis=-1)
    for index, threshold in reversed(list(thresholds.items())):
        predicted = np.where(probabilities[..., index] >= threshold, index, predicted)
    return predicted


def problem_of_named(
    values: Mapping[str, float], labels: Sequence[str], exclusive: bool = True
) -> str | None:
    """Explain what is wrong with numbers by class, such as thresholds, or return None.

    All classes may have a number, except one if they are `exclusive`.
    """
    classes = ", ".join(map(printable, labels))
    if unknown := [name for name in values if name not in labels]:
        near = difflib.get_close_matches(unknown[0], labels, n=1)
        hint = f"Did you mean {printable(near[0])}?" if near else f"Classes: {classes}"
        return f"expected classes. Received: {printable(unknown[0])}. {hint}"
    if exclusive and len(values) >= len(labels):
        return f"expected at least one class without a value. Received: {classes}"
    return None


def log_losses(actual: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the log loss of each image, 0 or more, `(images,)`.

    Probabilities below 2.2e-16 count as 2.2e-16. `actual` contains class indices, int `(images,)`,
    and `probabilities` are `(images, classes)`. If `actual` is bool `(images, labels)`, losses are
    summed over labels.
    """
    # Logarithms of float32 differ between processors.
    of_labels = actual.ndim == 2
    if of_labels:
        of_truth = np.where(actual, probabilities, 1 - probabilities.astype(np.float64))
    else:
        of_truth = probabilities[np.arange(len(actual)), actual].astype(np.float64)
    losses = -np.log(np.maximum(of_truth, np.finfo(float).eps))
    return losses.sum(axis=1) if of_labels else losses


class Difference(NamedTuple):
    """The difference between the mean log losses of two models on the same images.

    `error` is the standard error of `mean`, computed from the differences in each group of images.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, losses: np.ndarray, other_losses: np.ndarray, groups: np.ndarray) -> Self:
        """Return `losses` minus `other_losses`, all `(images,)`, for at least two groups."""
        gaps = losses - other_losses
        _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        of_groups = np.bincount(group_of, weights=gaps - gaps.mean()) / sizes.mean()
        return cls(float(gaps.mean()), float(of_groups.std(ddof=1) / len(sizes) ** 0.5))

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.error:.4f}"
