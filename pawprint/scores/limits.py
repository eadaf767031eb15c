"""What limits this model: sentences, each with its number and what to do.

LIMITS has a function for each, the most serious first. It returns None where the data do not
support its sentence.
"""

import warnings
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import bdtrc, chdtrc

from pawprint.randomization import paired_test, two_sets_test
from pawprint.scores.intervals import fraction_interval, linear_interval
from pawprint.scores.learning_curve import describe_curve
from pawprint.scores.review import every_prediction, list_errors
from pawprint.scores.shift import describe_divided_series, describe_series, describe_shift
from pawprint.scores.slices import describe_slices
from pawprint.tables import predicted_labels, probabilities_in, training_images

ALPHA = 0.02  # probability of a sentence by chance
MAX_LIMITS, MAX_NAMED = 5, 3  # sentences, and classes in one
DOUBTFUL = 0.05  # p-value of test against validation; above ALPHA the sentence says so
MIN_GAP = 0.1  # of accuracies, to be called a limit
MAX_ENLARGED = 2 / 3  # of `image_size`, from which an enlarged image is blurred
MIN_FRACTION = 0.2  # of the errors, of two classes
MAX_MEASURED = 500  # training images whose files are looked at
MIN_WRONG = 0.01  # of the labels
MIN_PROBABILITY = 1e-6  # probability of a label that is counted; tables have six digits
NO_LIMIT = "No limit of this model stands out."
NEXT_STEP = "pawprint try measures whether another backbone, image size or resize is better."


class Run(NamedTuple):
    """`images` has a row of each image: those of the tables SPLIT and IMAGES. `judged` is a table
    JUDGED, `predictions` are tables PREDICTIONS by split, `scores` is a table SCORES,
    `learning_curve` a table LEARNING_CURVE, and `near_duplicates` a table NEAR_DUPLICATES.

    `train_accuracy` is that of the head on the images that it learned from, or None.
    `accuracy_by_series` is that of scores/shift.py, of training images, or None.
    """

    images: pd.DataFrame
    judged: pd.DataFrame
    predictions: dict[str, pd.DataFrame]
    scores: pd.DataFrame
    train_accuracy: float | None
    image_size: int
    learning_curve: pd.DataFrame
    near_duplicates: pd.DataFrame
    accuracy_by_series: float | None

    @property
    def are_right_in_folds(self) -> np.ndarray:
        """Whether the cross-validated head predicts each training image correctly."""
        return (self.judged["probability"] >= self.judged["likely_probability"]).to_numpy()

    @property
    def in_folds(self) -> tuple[int, int]:
        """The number of those, and of all."""
        return int(self.are_right_in_folds.sum()), len(self.judged)


class Limit(NamedTuple):
    """`confused` are the true and the predicted class of the photos behind it, if there are."""

    sentence: str
    confused: tuple[str, str] | None = None


def find_limits(run: Run) -> list[Limit]:
    """At most MAX_LIMITS, the most serious first."""
    return [limit for find in LIMITS if (limit := find(run))][:MAX_LIMITS]


def no_better_than_one_class(run: Run) -> Limit | None:
    test, labels = run.predictions["test"], run.images["label"][run.images["split"] == "train"]
    largest = labels.value_counts().index[0]
    # Without the thresholds: a recall is bought with accuracy.
    probable = np.array(predicted_labels(test))[probabilities_in(test).argmax(axis=1)]
    is_right, is_largest = probable == test["actual"], test["actual"] == largest
    if _is_more_often(is_right.to_numpy(), is_largest.to_numpy()):
        return None
    todo = "Check that a person can tell the classes in the photos, and add images."
    if _is_more_often(run.are_right_in_folds, (run.judged["label"] == largest).to_numpy()):
        right, images = run.in_folds
        todo = (
            f"In folds the head is right for {right} of {images} training images: look at "
            "plots/errors.png, and add images."
        )
    return Limit(
        f"The most probable class is right for {is_right.sum()} of {len(test)} test images, and "
        f"always answering {largest} would be for {is_largest.sum()}: not significantly more. "
        f"{todo}"
    )


def test_of_another_kind(run: Run) -> Limit | None:
    sentence = describe_shift(run.scores) or _describe_doubt(run)
    return Limit(sentence) if sentence else None


def _describe_doubt(run: Run) -> str:
    """A sentence if accuracies differ by MIN_GAP, and perhaps not by chance, or ""."""
    both = pd.concat([run.predictions["test"], run.predictions["validation"]])
    is_test = np.arange(len(both)) < len(run.predictions["test"])
    is_right = (both["predicted"] == both["actual"]).to_numpy(float)
    groups = both["path"].map(run.images.set_index("path")["group"]).to_numpy()
    test, validation = is_right[is_test].mean(), is_right[~is_test].mean()
    p_value = two_sets_test(is_right, is_test, groups)
    if abs(test - validation) < MIN_GAP or p_value >= DOUBTFUL:
        return ""
    interval = linear_interval(is_right, is_test, groups, 1 - DOUBTFUL, weights=(-1, 1))
    low, high = (100 * end for end in interval)
    return (
        f"The test accuracy is {test:.1%}, and that of validation {validation:.1%} (p = "
        f"{p_value:.3f}; the difference is {low:+.0f} to {high:+.0f} points). By chance alone, or "
        "as the test images are of another kind: look at plots/errors.png, and trust neither "
        "accuracy to a few points before there are more held-out images."
    )


def divided_series(run: Run) -> Limit | None:
    if run.accuracy_by_series is not None:
        learned = run.images[run.images["split"] != "test"]
        right, images = run.in_folds
        return Limit(describe_series(learned, right / images, run.accuracy_by_series))
    sentence = describe_divided_series(run.images, run.near_duplicates)
    return Limit(sentence) if sentence else None


def _properties(images: pd.DataFrame) -> pd.DataFrame:
    """Numbers from which a class should not be known, a column each."""
    suffixes = [PurePosixPath(path).suffix.lower() for path in images["path"]]
    columns = {
        "aspect ratio": images["width"] / images["height"],
        "file format": np.unique(suffixes, return_inverse=True)[1],
    }
    return images[["width", "height", "brightness"]].assign(**columns)


def shortcut(run: Run) -> Limit | None:
    """A small tree on properties of the files alone predicts the class, by folds."""
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    table = training_images(run.images, MAX_MEASURED)
    label, values = table["label"].to_numpy(), _properties(table)
    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=0)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    largest = table["label"].value_counts().index[0]
    with warnings.catch_warnings(action="ignore"):  # of classes with fewer images than folds
        try:
            predicted = cross_val_predict(tree, values, label, groups=table["group"], cv=folds)
        except ValueError:  # too few images or groups
            return None
    is_right, is_largest = predicted == label, label == largest
    right, images = run.in_folds
    gain, of_model = is_right.mean() - is_largest.mean(), right / images - is_largest.mean()
    if gain < max(MIN_GAP, of_model / 2) or not _is_more_often(is_right, is_largest):
        return None
    weights = tree.fit(values, label).feature_importances_
    seen = [values.columns[index] for index in np.argsort(-weights) if weights[index] >= 0.2]
    return Limit(
        f"A small tree that sees only {' and '.join(seen)}, and no picture, predicts the class of "
        f"{is_right.mean():.1%} of the training images ({is_largest.mean():.1%} are of {largest}; "
        f"the head: {right / images:.1%}). The model may learn how the photos were made. Make "
        "those of all classes in the same way."
    )


def _is_more_often(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether the first is significantly more often true, of the same images."""
    differences = first.astype(float) - second
    is_significant = paired_test(differences, np.arange(len(differences))) < ALPHA
    return bool(differences.sum() > 0 and is_significant)


def wrong_labels(run: Run) -> Limit | None:
    """The probabilities fit the labels better if a part of the labels is taken as drawn at random.

    By a likelihood-ratio test, of a parameter at the end of its range. Those of training images in
    folds, as the model can be too sure of held-out images.
    """
    of_label = np.maximum(run.judged["probability"].to_numpy(), MIN_PROBABILITY)
    classes = run.images["label"].nunique()

    def loss(drawn: float) -> float:
        return -np.log((1 - drawn) * of_label + drawn / classes).sum()

    drawn = minimize_scalar(loss, bounds=(0, 0.5), method="bounded").x
    wrong = drawn * (1 - 1 / classes)
    if wrong < MIN_WRONG or chdtrc(1, max(2 * (loss(0) - loss(drawn)), 0)) / 2 >= ALPHA:
        return None
    return Limit(
        f"The probabilities fit the labels best if {wrong:.1%} of the labels are wrong, and more "
        "may be. Look at the images in plots/labels_to_review.csv, and correct their labels in "
        "labels.csv."
    )


def more_images_help(run: Run) -> Limit | None:
    curve = run.learning_curve
    if len(curve) < 2 or curve["low"].iloc[-1] <= 0:
        return None
    sentence = describe_curve(curve).capitalize()
    return Limit(f"{sentence}. Add images. pawprint suggest chooses those to label first.")


def too_weak_features(run: Run) -> Limit | None:
    right, images = run.in_folds
    # A head that was trained in epochs can be worse than those that are solved in folds.
    if run.train_accuracy is None or right / images - run.train_accuracy >= MIN_GAP:
        return None
    learned = round(run.train_accuracy * images)
    highest = fraction_interval(learned, images, 1 - ALPHA)[1]
    in_folds = fraction_interval(right, images, 1 - ALPHA)[0]
    if highest >= 1 - MIN_GAP or run.train_accuracy - in_folds >= MIN_GAP:
        return None
    return Limit(
        f"The head is right for only {run.train_accuracy:.1%} of the images that it learned from, "
        f"and in folds for {right / images:.1%}: the features do not tell the classes apart, and "
        "more images help little. pawprint try measures other backbones and image sizes."
    )


def confused_classes(run: Run) -> Limit | None:
    errors = list_errors(run.judged, run.predictions)
    classes = run.images["label"].nunique()
    if errors.empty or classes < 3:
        return None
    both = np.sort(errors[["actual", "predicted"]].to_numpy(str), axis=1)
    either = pd.Series(list(map(tuple, both.tolist())), errors.index)
    (pair, number), *_ = either.value_counts().items()
    pairs = classes * (classes - 1) // 2
    p_value = pairs * bdtrc(number - 1, len(errors), 1 / pairs)
    if number < MIN_FRACTION * len(errors) or p_value >= ALPHA:
        return None
    of_pair = errors[[couple == pair for couple in either]]
    directed = of_pair.groupby(["actual", "predicted"]).size().idxmax()
    return Limit(
        f"{number} of the {len(errors)} errors, of training images in folds and of held-out "
        f"images, confuse {pair[0]} and {pair[1]}. Look at their photos: add images that show the "
        "difference, or make them one class.",
        directed,
    )


def weak_classes(run: Run) -> Limit | None:
    counts = run.images["label"][run.images["split"] == "train"].value_counts()
    every = every_prediction(run.judged, run.predictions)
    is_right, each, low = (~every["wrong"]).to_numpy(), np.arange(len(every)), {}
    labels = every["actual"].unique()
    for label in labels:
        is_other = (every["actual"] != label).to_numpy()
        p_value = two_sets_test(is_right, is_other, each, one_sided=True)
        recall = is_right[~is_other].mean()
        if p_value < ALPHA / len(labels) and is_right[is_other].mean() - recall >= MIN_GAP:
            low[label] = recall
    if not low:
        return None
    weakest = ", ".join(
        f"{label} ({low[label]:.1%}, {counts.get(label, 0)} training images)"
        for label in sorted(low, key=low.get)[:MAX_NAMED]
    )
    return Limit(
        f"Lower recalls than those of the other classes, in folds and held out: {weakest}. Add "
        "images of these first."
    )


def worse_slices(run: Run) -> Limit | None:
    sentences = describe_slices(run.scores)
    more = "Add training images like these, or look at how they were made."
    return Limit(f"{sentences[0]} {more}") if sentences else None


def small_images(run: Run) -> Limit | None:
    side = run.images[["width", "height"]].min(axis=1).median()
    if side >= run.image_size * MAX_ENLARGED:
        return None
    return Limit(
        f"The median of the shorter sides of the images is {side:.0f} pixels, much less than "
        f"model.image_size, {run.image_size}. Take larger originals if there are some."
    )


LIMITS: tuple[Callable[[Run], Limit | None], ...] = (
    no_better_than_one_class,
    test_of_another_kind,
    divided_series,
    shortcut,
    wrong_labels,
    more_images_help,
    too_weak_features,
    confused_classes,
    weak_classes,
    worse_slices,
    small_images,
)
