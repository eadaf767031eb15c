"""Find the limits of a model: up to seven sentences about how to raise its score.

MEASURED contains a function for each limit that can be measured, in errors per 100 images. The
largest limit comes first if the sizes differ by more than chance. UNMEASURED contains a function
for each limit that cannot be measured. If a limit does not apply to the model, its function returns
None.
"""

import operator
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from pawprint.draws import draw_folds
from pawprint.scores.intervals import CONFIDENCE, linear_interval
from pawprint.scores.label_review import judge, list_suspects
from pawprint.scores.prediction_table import every_prediction, predicted_labels, probabilities_in
from pawprint.scores.series import describe_series
from pawprint.tables import training_images

# The width of an interval in standard deviations.
DEVIATIONS = 2 * NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
MIN_RATIO = 2  # minimum ratio, from twice the number of parameters
MIN_ERRORS = 0.5  # per 100 images
MIN_LEARNED = 0.9  # training accuracy of the head, below which the features are weak
TIE = 1e-6  # weight of the errors in one direction, if no two classes are confused in both
MIN_PROBABILITY = 1e-6  # lowest probability of a label, because tables have six digits
# Bounds for the fit of wrong labels.
MAX_WRONG = 0.5
SHARPNESS = (0.2, 5)
SECTION = (5**0.5 - 1) / 2  # the golden section, by which each step of a search shortens the range
STEPS = 24  # of a search: the range becomes 100,000 times shorter
SIZE_UNKNOWN = "Limits without an estimate; pawprint try measures backbone, image size and resize:"


class RunData(NamedTuple):
    """A run and its data.

    `images` has the columns SPLIT and IMAGES. `judged` is a JUDGED table, `predictions` are
    PROBABILITIES tables keyed by split, `learning_curve` is a LEARNING_CURVE table, and `to_review`
    is a LABELS_TO_REVIEW table.

    `train_accuracy` is the head's accuracy on its training images, or None. `choices` is the
    content of data/cross_validation.json.
    """

    images: pd.DataFrame
    judged: pd.DataFrame
    predictions: dict[str, pd.DataFrame]
    train_accuracy: float | None
    learning_curve: pd.DataFrame
    choices: Mapping
    to_review: pd.DataFrame

    @property
    def classes(self) -> int:
        """Return the number of classes."""
        return self.images["label"].nunique()

    @property
    def held_out(self) -> pd.DataFrame:
        """Return the result of `every_prediction`, with the column `group`."""
        every = every_prediction(self.judged, self.predictions)
        groups = every["path"].map(self.images.set_index("path")["group"])
        return every.assign(group=groups.fillna(every["path"]))


class Size(NamedTuple):
    """A number of errors per 100 images, with its confidence interval."""

    errors: float
    low: float
    high: float

    @property
    def expected(self) -> float:
        """Return the number of errors, at least 0, minus errors that may be due to chance.

        As in Akaike's criterion, an estimate only counts if its square is more than MIN_RATIO times
        the square of its standard error. Estimates far above this minimum hardly change.
        """
        if self.errors <= 0:
            return 0.0
        return self.errors * max(0.0, 1 - MIN_RATIO * (self.standard_error / self.errors) ** 2)

    @property
    def standard_error(self) -> float:
        """Return the standard error of `errors`, derived from the width of the interval."""
        return (self.high - self.low) / DEVIATIONS

    @property
    def verb(self) -> str:
        """Return "may save" if the interval contains 0, otherwise "would save"."""
        return "may save" if self.low <= 0 else "would save"

    @property
    def counts(self) -> bool:
        """Return whether it is half an error or more, or larger than chance."""
        return self.errors >= MIN_ERRORS or self.low > 0

    def is_like(self, other: Self) -> bool:
        """Return whether two sizes have the same `verb` and differ by no more than chance."""
        reach = DEVIATIONS / 2 * np.hypot(self.standard_error, other.standard_error)
        is_near = abs(self.expected - other.expected) <= reach
        return bool(is_near and self.verb == other.verb)

    def __str__(self) -> str:
        number = round(self.expected)
        if number == 0:
            return "less than one error"
        return f"{number} error{'s' if number > 1 else ''}"


class Limit(NamedTuple):
    """A sentence about a limit. `size` is None if the size is unknown.

    `confused` contains the true and predicted class for the photos behind the limit, if any.
    """

    sentence: str
    size: Size | None = None
    confused: tuple[str, str] | None = None


class Limits(NamedTuple):
    """The limits with a size, in order, and the other limits, each with a heading."""

    heading: str
    measured: list[Limit]
    unmeasured: list[Limit]
    unmeasured_heading: str = SIZE_UNKNOWN

    @property
    def text(self) -> str:
        """Return one line for each heading and each limit."""
        measured = [f"- {limit.sentence}" for limit in self.measured]
        unmeasured = [f"- {limit.sentence}" for limit in self.unmeasured]
        lines = [self.heading, *measured, self.unmeasured_heading, *unmeasured]
        return "".join(f"{line}\n" for line in lines)


def find_limits(run: RunData) -> Limits:
    """Return the model's limits, with a heading."""
    wrong = 100 * run.held_out.groupby("actual")["wrong"].mean().mean()
    unmeasured = [limit for find in UNMEASURED if (limit := find(run))]
    heading = (
        f"The model is wrong on {wrong:.0f} of 100 images that it was not trained on, each class "
        "weighted equally. "
    )
    measured = rank_limits(run)
    if len(measured) > 1:
        heading += (
            "Errors that may be due to chance are not counted below. Possible improvements, "
            "largest effect first; those that differ only by chance are in a fixed order:"
        )
    elif measured:
        heading += "Errors that may be due to chance are not counted below. Possible improvement:"
    else:
        heading += "No limit with an estimate causes half an error of 100."
    return Limits(heading, measured, [*unmeasured, other_backbone(run)])


def rank_limits(run: RunData) -> list[Limit]:
    """Return the limits that can be measured, starting with the limit that causes the most errors.

    Limits that may save errors only by chance come last, and are left out if they are less than
    half an error per 100 images. Sizes that do not differ from the largest
    one by more than chance keep the order of MEASURED, and the same rule applies to the rest.
    Otherwise, a single photo could change the order.
    """
    found = [limit for find in MEASURED if (limit := find(run))]
    left = [(limit.size, limit) for limit in found if limit.size and limit.size.counts]
    ranked = []
    while left:
        first = max((size for size, _ in left), key=lambda size: (size.low > 0, size.expected))
        ranked += [limit for size, limit in left if size.is_like(first)]
        left = [(size, limit) for size, limit in left if not size.is_like(first)]
    return ranked


def more_images(run: RunData) -> Limit | None:
    """Return the limit "too few images", based on the last doubling of the training images."""
    curve = run.learning_curve
    if len(curve) < 2:
        return None
    size = Size(*(100 * curve[["gain", "low", "high"]].iloc[-1].astype(float)))
    before, last = curve["images"].iloc[-2:]
    score = curve["score"].iloc[-1]
    return Limit(
        f"More images {size.verb} {size} of 100: the last doubling, from {before:,} to {last:,} "
        f"training images, changed the {score} by {size.errors:+.1f} points ({CONFIDENCE:.0%} "
        f"interval {size.low:+.1f} to {size.high:+.1f}).",
        size,
    )


def wrong_labels(run: RunData) -> Limit | None:
    """Return the limit "wrong labels", as estimated by models that have not seen the images.

    The estimate is the fraction of labels that are best explained as random. A model's
    overconfidence or underconfidence must not make labels suspect. Therefore, the sharpness of the
    probabilities is fitted together with this fraction, separately for cross-validated and held-out
    images. The standard error is derived from the likelihood ratio. Labels that a person has
    confirmed are not considered.
    """
    table = pd.concat(run.predictions.values()).rename(columns={"actual": "label"})
    held_out = judge(table, probabilities_in(table), predicted_labels(table))
    parts = [run.judged, held_out]
    confirmed = set(list_suspects(pd.concat(parts))["path"]) - set(run.to_review["path"])
    doubted = [part[~part["path"].isin(confirmed)] for part in parts]
    log_odds = [_log_odds(part, run.classes) for part in doubted]
    loss = partial(_lowest_loss, log_odds, run.classes)
    without = loss(0)
    drawn, lowest = min((0, without), _minimise(loss, 0, MAX_WRONG), key=operator.itemgetter(1))
    wrong = 100 * drawn * (1 - 1 / run.classes)
    wrong *= sum(map(len, doubted)) / sum(map(len, parts))
    ratio = 2 * (without - lowest)
    reach = DEVIATIONS / 2 * wrong / max(ratio, MIN_PROBABILITY) ** 0.5
    size = Size(wrong, wrong - reach, wrong + reach)
    return Limit(
        f"Correcting labels {size.verb} {size} of 100, estimated from the suspected errors: look "
        "at the images in plots/labels_to_review.csv, and correct labels.csv.",
        size,
    )


def _log_odds(judged: pd.DataFrame, classes: int) -> np.ndarray:
    """Return the log odds of other labels against the label, `(2, images)`.

    The rows are the most probable other label, and the mean of the remaining labels.
    """
    label, likely = judged[["probability", "likely_probability"]].to_numpy().T
    other = (1 - label - likely) / max(classes - 2, 1)
    label, likely, other = np.log(np.maximum([label, likely, other], MIN_PROBABILITY))
    return np.array([likely - label, other - label])


def _lowest_loss(parts: list[np.ndarray], classes: int, drawn: float) -> float:
    """Return the log loss of labels with these log odds if a fraction of them is drawn at random.

    In each part, the probabilities have the sharpness in SHARPNESS that results in the lowest loss.
    """
    losses = (partial(_loss, part, classes, drawn) for part in parts)
    return sum(_minimise(loss, *np.log(SHARPNESS))[1] for loss in losses)


def _loss(log_odds: np.ndarray, classes: int, drawn: float, log_sharpness: float) -> float:
    others = np.array([1, classes - 2]) @ np.exp(np.exp(log_sharpness) * log_odds)
    return -np.log((1 - drawn) / (1 + others) + drawn / classes).sum()


def _minimise(function: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """Return where a function is lowest in a range, and its value there, by golden-section search.

    Importing SciPy's optimisation would take a third of a second.
    """
    points = [high - SECTION * (high - low), low + SECTION * (high - low)]
    values = [function(point) for point in points]
    for _ in range(STEPS):
        if values[0] < values[1]:
            high = points[1]
            points = [high - SECTION * (high - low), points[0]]
            values = [function(points[0]), values[0]]
        else:
            low = points[0]
            points = [points[1], low + SECTION * (high - low)]
            values = [values[1], function(points[1])]
    return min(zip(points, values), key=operator.itemgetter(1))


def confused_classes(run: RunData) -> Limit | None:
    """Return the limit for the two classes that are confused most, in both directions.

    At least three classes are required. The direction with fewer errors counts twice, because the
    remaining errors belong to a single class.
    """
    every = run.held_out
    if run.classes < 3:
        return None
    errors = pd.crosstab(every["actual"], every["predicted"], normalize="index")
    errors = errors.reindex(columns=errors.index, fill_value=0)
    in_both = np.triu(np.minimum(errors, errors.T) + (errors + errors.T) * TIE, 1)
    if not in_both.any():
        return None
    pair = errors.index[list(np.unravel_index(in_both.argmax(), in_both.shape))]
    first, second = sorted(pair, key=lambda label: errors.loc[label, pair].drop(label).item())
    is_fewer = (every["actual"] == first) & (every["predicted"] == second)
    is_more = (every["actual"] == second) & (every["predicted"] == first)
    others = run.classes * (run.classes - 1) // 2 - 1
    rest = every.assign(wrong=every["wrong"] & ~is_more)
    size = _excess(rest, 2 * is_fewer, others)
    return Limit(
        f"Distinguishing {second} from {first} as well as other classes {size.verb} {size} of 100: "
        "add images that show the difference, or make them one class.",
        size,
        (second, first),
    )


def weak_class(run: RunData) -> Limit | None:
    """Return the limit for the class with the lowest recall."""
    every = run.held_out
    recalls = 1 - every.groupby("actual")["wrong"].mean()
    weak = recalls.idxmin()
    size = _excess(every, every["actual"] == weak, run.classes - 1)
    images = (every["actual"] == weak).sum()
    return Limit(
        f"A recall of {weak} as high as in other classes {size.verb} {size} of 100: the model is "
        f"correct on {recalls[weak]:.0%} of its {images:,} images, and on "
        f"{recalls.drop(weak).mean():.0%} of the others; add images of {weak}.",
        size,
    )


def _excess(every: pd.DataFrame, times: pd.Series, others: int) -> Size:
    """Return by how much the errors on some images exceed the mean error on other images.

    Classes are weighted equally. `every` is a table like `RunData.held_out`. `times`, `(images,)`,
    is the weight of an error, or 0 for `others`.
    """
    ends = -1 / others, float(times.max())
    values = np.where(every["wrong"], np.where(times > 0, times, ends[0]), 0)
    strata = every["actual"].to_numpy()
    groups = every["group"].to_numpy()
    low, high = linear_interval(values, strata, groups, ends=ends)
    errors = pd.Series(values).groupby(strata).mean().mean()
    return Size(100 * errors, 100 * low, 100 * high)


def divided_series(run: RunData) -> Limit | None:
    """Return the limit for photo series that are divided between several splits."""
    if "series" not in run.choices:
        return None
    learned = run.images[run.images["split"] == "train"]
    is_right = run.judged["probability"] >= run.judged["likely_probability"]
    return Limit(describe_series(learned, is_right.mean(), run.choices))


def other_backbone(run: RunData) -> Limit:
    """Return the limit "other backbone", emphasised if the head does not fit its images."""
    if run.train_accuracy is None or run.train_accuracy >= MIN_LEARNED:
        return Limit("Another backbone, image size or resizing method may be better.")
    return Limit(
        f"The head is correct on only {run.train_accuracy:.0%} of its training images: "
        "another backbone or image size is likely to be better."
    )


MAX_IMAGES = 500  # maximum number of training images to examine
MIN_OF_CLASS = 10  # minimum number of images examined per class
# The class's recall, minus the fraction of other images predicted as the class. Artificial borders
# and sizes reach 0.82 to 1. Brightness, which is legitimate content in satellite images, reaches
# 0.55 to 0.69.
MIN_KNOWN = 0.75
# The fraction of a class within a range of one property, minus the same fraction of other classes.
MIN_OF_RANGE = 0.5
MIN_IMPORTANCE = 0.2  # properties with a lower importance are not mentioned


def shortcut(run: RunData) -> Limit | None:
    """Return the limit for a class that can be recognised from file properties.

    It is the class that a small cross-validated tree recognises best. The model may recognise such
    a class from the way its photos were made, even if that says nothing about the other classes.
    """
    table = training_images(run.images, MAX_IMAGES)
    label = table["label"].to_numpy()
    values = _properties(table)
    if not _may_have_shortcut(label, values):
        return None
    # Importing these modules takes longer than the rest of the report.
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=0)
    fold = draw_folds(label, table["group"].to_numpy(), table["pixels_sha256"].to_numpy())
    if len(np.unique(fold)) < 2:
        return None
    predicted = cross_val_predict(tree, values, label, cv=PredefinedSplit(fold))
    best = None
    most = MIN_KNOWN
    for name, number in table["label"].value_counts().items():
        known = (predicted[label == name] == name).mean()
        mistaken = (predicted[label != name] == name).mean()
        if number >= MIN_OF_CLASS and known - mistaken >= most:
            best = name
            most = known - mistaken
            recall = known
    if best is None:
        return None
    weights = tree.fit(values, label == best).feature_importances_
    order = np.argsort(-weights, kind="stable")
    seen = [values.columns[index] for index in order if weights[index] >= MIN_IMPORTANCE]
    return Limit(
        f"{recall:.0%} of the training images of {best} can be recognized from "
        f"{' and '.join(seen)} alone, so the model may learn how photos were taken: "
        "take the photos of all classes in the same way."
    )


def _may_have_shortcut(label: np.ndarray, values: pd.DataFrame) -> bool:
    """Return whether some range of one property contains much more of a class than of the rest."""
    for name, number in zip(*np.unique(label, return_counts=True)):
        is_class = label == name
        if MIN_OF_CLASS <= number < len(label):
            weight = np.where(is_class, 1 / number, -1 / (len(label) - number))
            for _, column in values.items():
                sums = pd.Series(weight).groupby(column.to_numpy()).sum().cumsum().to_numpy()
                before = np.minimum.accumulate(np.append(0, sums[:-1]))
                if (sums - before).max() >= MIN_OF_RANGE:
                    return True
    return False


def _properties(images: pd.DataFrame) -> pd.DataFrame:
    """Return, as columns, the properties that should not reveal a class."""
    suffixes = [PurePosixPath(path).suffix.lower() for path in images["path"]]
    columns = {
        "aspect ratio": images["width"] / images["height"],
        "file format": np.unique(suffixes, return_inverse=True)[1],
        "border": _brightness_of_borders(images["perceptual_hash"]),
    }
    return images[["width", "height", "brightness"]].assign(**columns)


def _brightness_of_borders(hashes: pd.Series) -> np.ndarray:
    """Return int64 `(images,)`: 0 for a dark border, 14 for a bright one, and about 5 for none.

    A border that is darker than the picture inside lowers all even row and column frequencies, and
    a brighter border raises them. The hash has 16 x 16 bits, each of which indicates whether a
    frequency is above the median.
    """
    content = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), -1)
    bits = np.unpackbits(content, axis=1).reshape(len(hashes), 16, 16)
    return bits[:, 2::2, 0].sum(axis=1, dtype=int) + bits[:, 0, 2::2].sum(axis=1, dtype=int)


# Limits that tell users which images to look at come before limits that ask for more images of any
# kind.
MEASURED: tuple[Callable[[RunData], Limit | None], ...] = (
    confused_classes,
    weak_class,
    more_images,
    wrong_labels,
)
UNMEASURED: tuple[Callable[[RunData], Limit | None], ...] = (shortcut, divided_series)
