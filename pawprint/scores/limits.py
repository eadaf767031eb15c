"""Find the limits of a model: sentences about how to raise its score.

SIZED contains a function for each limit whose size can be measured, in errors per 100 images, and
OTHERS a function for each limit without a size. If a limit does not apply, its function returns
None.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.errors import counted
from pawprint.base.folds import draw_folds
from pawprint.base.tables import training_images
from pawprint.scores.intervals import CONFIDENCE, linear_interval
from pawprint.scores.prediction_table import every_prediction, judged_predictions
from pawprint.scores.series import describe_series

MIN_ERRORS = 0.5  # per 100 images
TIE = 1e-6  # weight of the errors in one direction, if no two classes are confused in both
HEADING = (
    "Errors per 100 images that the model was not trained on, each class weighted equally, with "
    f"{CONFIDENCE:.0%} intervals; largest first, and last those that may be due to chance:"
)
NO_SIZE = "No measured limit causes half an error per 100 images."


class RunData(NamedTuple):
    """A run and its data.

    `images` has the columns SPLIT and IMAGES. `judged` is a JUDGED table, `predictions` are
    PROBABILITIES tables keyed by split, `learning_curve` is a LEARNING_CURVE table, and `to_review`
    is a LABELS_TO_REVIEW table. `choices` is the content of data/cross_validation.json.
    """

    images: pd.DataFrame
    judged: pd.DataFrame
    predictions: dict[str, pd.DataFrame]
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
    def is_shown(self) -> bool:
        """Return whether the size is larger than chance."""
        return self.low > 0

    def __str__(self) -> str:
        verb = "would" if self.is_shown else "may"
        return f"{verb} save {self.errors:.1f} errors ({self.low:z.1f} to {self.high:z.1f})"


class Limit(NamedTuple):
    """A sentence about a limit. `size` is None if the size is unknown.

    `confused` contains the true and predicted class for the photos behind the limit, if any.
    """

    sentence: str
    size: Size | None = None
    confused: tuple[str, str] | None = None


class Limits(NamedTuple):
    """The limits with a size, in order, under a heading, and the other limits."""

    heading: str
    sized: list[Limit]
    others: list[Limit]

    @property
    def text(self) -> str:
        """Return one line for the heading and for each limit."""
        lines = [f"- {limit.sentence}" for limit in (*self.sized, *self.others)]
        return "".join(f"{line}\n" for line in (self.heading, *lines))


def find_limits(run: RunData) -> Limits:
    """Return the model's limits, with a heading."""
    others = [limit for find in OTHERS if (limit := find(run))]
    sized = rank_limits(run)
    return Limits(HEADING if sized else NO_SIZE, sized, others)


def rank_limits(run: RunData) -> list[Limit]:
    """Return the limits that cause MIN_ERRORS or more, starting with the most errors.

    Limits that may be due to chance come last.
    """
    found = [limit for find in SIZED if (limit := find(run))]
    ranked = [(limit.size, limit) for limit in found if limit.size]
    ranked = [(size, limit) for size, limit in ranked if size.errors >= MIN_ERRORS]
    ranked.sort(key=lambda pair: (pair[0].is_shown, pair[0].errors), reverse=True)
    return [limit for _, limit in ranked]


def more_images(run: RunData) -> Limit | None:
    """Return the limit "too few images", based on the last doubling of the training images."""
    curve = run.learning_curve
    if len(curve) < 2:
        return None
    size = Size(*(100 * curve[["gain", "low", "high"]].iloc[-1].astype(float)))
    before, last = curve["images"].iloc[-2:]
    return Limit(
        f"Twice as many images {size}, as in the last doubling, from {before:,} to {last:,} "
        "training images.",
        size,
    )


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
        f"Distinguishing {second} from {first} as well as other classes are distinguished "
        f"{size}: add images that show the difference, or make them one class.",
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
        f"A recall of {weak} as high as in other classes {size}: the model is correct on "
        f"{recalls[weak]:.0%} of its {images:,} images, and on {recalls.drop(weak).mean():.0%} of "
        f"the others; add images of {weak}.",
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


def labels_to_review(run: RunData) -> Limit | None:
    """Return the limit for labels that look wrong."""
    if run.to_review.empty:
        return None
    return Limit(
        f"{counted(len(run.to_review), 'label')} may be wrong: look at the photos in "
        "plots/labels_to_review.csv, and correct labels.csv."
    )


def divided_series(run: RunData, key: str = "series") -> Limit | None:
    """Return the limit for photo series that are divided between several splits."""
    if key not in run.choices:
        return None
    learned = run.images[run.images["split"] == "train"]
    is_right = ~judged_predictions(run.judged)["wrong"]
    return Limit(describe_series(learned, is_right.mean(), run.choices, key))


MAX_IMAGES = 500  # maximum number of training images to examine
MIN_OF_CLASS = 10  # minimum number of images examined per class
# The class's recall, minus the fraction of other images predicted as the class. Artificial borders
# and sizes reach 0.82 to 1. Brightness, which is legitimate content in satellite images, reaches
# 0.55 to 0.69.
MIN_KNOWN = 0.75
# The fraction of a class within a range of one property, minus the same fraction of other classes.
MIN_OF_RANGE = 0.5
# Times the square root of the sum of 1 / images of the class and 1 / other images, this is the
# difference that at most one property in a hundred reaches by chance (N. H. Kuiper, 1960).
BY_CHANCE = 2
MIN_IMPORTANCE = 0.2  # properties with a lower importance are not mentioned
GREY = 5  # maximum colour of a grey image, such as one by infrared light; JPEG adds about 1


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
        others = len(label) - number
        if number >= MIN_OF_CLASS and others:
            least = max(MIN_OF_RANGE, BY_CHANCE * np.sqrt(1 / number + 1 / others))
            weight = np.where(is_class, 1 / number, -1 / others)
            for _, column in values.items():
                sums = pd.Series(weight).groupby(column.to_numpy()).sum().cumsum().to_numpy()
                before = np.minimum.accumulate(np.append(0, sums[:-1]))
                if (sums - before).max() >= least:
                    return True
    return False


def _properties(images: pd.DataFrame) -> pd.DataFrame:
    """Return, as columns, the properties that should not reveal a class."""
    suffixes = [PurePosixPath(path).suffix.lower() for path in images["path"]]
    columns = {
        "aspect ratio": images["width"] / images["height"],
        "file format": np.unique(suffixes, return_inverse=True)[1],
        "border": _brightness_of_borders(images["perceptual_hash"]),
        "grey or in colour": images["colour"] > GREY,
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


SIZED: tuple[Callable[[RunData], Limit | None], ...] = (confused_classes, weak_class, more_images)
OTHERS: tuple[Callable[[RunData], Limit | None], ...] = (
    labels_to_review,
    shortcut,
    divided_series,
    partial(divided_series, key="crossed"),
)
