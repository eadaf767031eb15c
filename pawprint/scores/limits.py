"""Find the limits of a model: sentences about how to raise its score.

SIZED contains a function for each limit whose size can be measured, in errors per 100 images, and
OTHERS a function for each limit without a size. If a limit does not apply, its function returns
None.
"""

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.columns import TRAIN
from pawprint.base.errors import counted, printable
from pawprint.base.labels import NOT, SEVERAL_LABELS
from pawprint.base.tables import training_images
from pawprint.scores.intervals import (
    CONFIDENCE,
    SIGNIFICANT,
    extend_to_zero,
    largest_excess,
    linear_interval,
)
from pawprint.scores.label_rows import split_labels
from pawprint.scores.results import Results
from pawprint.scores.series import describe_series
from pawprint.scores.slices import describe_sites, describe_slice

MIN_ERRORS = 0.5  # per 100 images
ERRORS, REVIEW = "errors", "review"  # filters of photos
TIE = 1e-6  # weight of the errors in one direction, if no two classes are confused in both
HEADING = (
    "Errors per 100 images that the model was not trained on, {}, with "
    f"{CONFIDENCE:.0%} intervals; largest first, and last those that may be due to chance:"
)
COUNTED = {  # keyed by `exclusive`
    True: "each class weighted equally",
    False: "where an error is a wrong label: the one that a line names, or any",
}
OF_REGRESSION = (
    "Too few images and series are measured by a logistic regression on frozen features, not by "
    "this model, which was trained in epochs. "
)
NO_SIZE = "No single limit causes half an error per 100 images: see the photos of errors, if any."


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

    `shows` are the photos behind the limit, if any: REVIEW, or ERRORS and the class that they show,
    and perhaps the class that is predicted.
    """

    sentence: str
    size: Size | None = None
    shows: tuple[str, ...] = ()


class Limits(NamedTuple):
    """The limits with a size, in order, under a heading, after any question; the other limits."""

    heading: str
    sized: list[Limit]
    others: list[Limit]

    @property
    def text(self) -> str:
        """Return one line for the heading and for each limit."""
        lines = [f"- {limit.sentence}" for limit in (*self.sized, *self.others)]
        return "".join(f"{line}\n" for line in (self.heading, *lines))


def find_limits(run: Results) -> Limits:
    """Return the model's limits, with a heading."""
    others = [limit for find in OTHERS if (limit := find(run))]
    sized = rank_limits(run)
    question = [Limit(f"Before anything else, {run.question}.")] if run.question else []
    heading = HEADING.format(COUNTED[run.exclusive]) if sized else NO_SIZE
    return Limits(OF_REGRESSION * run.in_epochs + heading, question + sized, others)


def rank_limits(run: Results) -> list[Limit]:
    """Return the limits that cause MIN_ERRORS or more, starting with the most errors.

    Limits that may be due to chance come last.
    """
    found = [limit for find in SIZED[run.exclusive] if (limit := find(run))]
    ranked = [(limit.size, limit) for limit in found if limit.size]
    ranked = [(size, limit) for size, limit in ranked if size.errors >= MIN_ERRORS]
    ranked.sort(key=lambda pair: (pair[0].is_shown, pair[0].errors), reverse=True)
    return [limit for _, limit in ranked]


def more_images(run: Results) -> Limit | None:
    """Return the limit "too few images", based on the last doubling of the training images."""
    curve = run.curve
    if len(curve) < 2:
        return None
    size = Size(*(100 * curve[["gain", "low", "high"]].iloc[-1].astype(float)))
    before, last = curve["images"].iloc[-2:]
    return Limit(
        f"Twice as many images {size}, as in the last doubling, from {before:,} to {last:,} "
        "training images.",
        size,
    )


def confused_classes(run: Results) -> Limit | None:
    """Return the limit for the two classes that are confused most, in both directions.

    At least three classes are required. The direction with fewer errors counts twice, because the
    remaining errors belong to a single class.
    """
    every = run.held_out
    classes = every["actual"].nunique()
    if classes < 3:
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
    others = classes * (classes - 1) // 2 - 1
    rest = every.assign(wrong=every["wrong"] & ~is_more)
    size = _excess(rest, 2 * is_fewer, others)
    return Limit(
        f"Distinguishing {second} from {first} as well as other classes are distinguished "
        f"{size}: add images that show the difference, or make them one class.",
        size,
        (ERRORS, second, first),
    )


def weak_class(run: Results) -> Limit | None:
    """Return the limit for the class with the clearest excess of errors, by `largest_excess`."""
    return _weakest(
        run.held_out,
        "A recall of {weak} as high as in other classes {size}: the model is correct on {own:.0%} "
        "of its {images:,} images, and on {rest:.0%} of the others; add images of {weak}.",
    )


def weak_label(run: Results, where: str, expected: str, sentence: str) -> Limit | None:
    """Return the limit for the label that is missed, or named wrongly, most often.

    `where` and `expected` are columns of `split_labels`: where one has the label, the other should.
    """
    every = run.held_out
    rows = split_labels(every)
    is_label = rows["label"].isin(SEVERAL_LABELS.names_in(rows["label"]))
    rows = rows[(rows[where] == rows["label"]) & is_label]
    rows = rows.assign(actual=rows["label"], wrong=rows[expected] != rows["label"])
    limit = _weakest(rows, sentence, len(every))
    if limit and where == "predicted":
        limit = limit._replace(shows=(ERRORS, f"{NOT}{limit.shows[1]}"))
    return limit


def _weakest(every: pd.DataFrame, sentence: str, photos: int | None = None) -> Limit | None:
    """Return the limit for the class with the clearest excess of errors, by `largest_excess`.

    At least two classes are required. If the rows are labels of a number of `photos`, errors are
    counted per 100 of these.
    """
    classes = every["actual"].nunique()
    if classes < 2:
        return None
    columns = (every[name].to_numpy() for name in ("wrong", "actual", "group"))
    weak, p_value = largest_excess(*columns)
    images = (every["actual"] == weak).sum()
    size = _excess(every, every["actual"] == weak, classes - 1)
    if photos:
        size = Size(*(end * classes * images / photos for end in size))
    size = Size(size.errors, *extend_to_zero(size[1:], p_value < 1 - CONFIDENCE))
    rights = 1 - every.groupby("actual")["wrong"].mean()
    own, rest = rights[weak], rights.drop(weak).mean()
    text = sentence.format(weak=weak, size=size, own=own, rest=rest, images=images)
    return Limit(text, size, (ERRORS, weak))


def _excess(every: pd.DataFrame, times: pd.Series, others: int) -> Size:
    """Return by how much the errors on some images exceed the mean error on other images.

    Classes are weighted equally. `every` is a table like `Results.held_out`. `times`, `(images,)`,
    is the weight of an error, or 0 for `others`.
    """
    ends = -1 / others, float(times.max())
    values = np.where(every["wrong"], np.where(times > 0, times, ends[0]), 0)
    strata = every["actual"].to_numpy()
    groups = every["group"].to_numpy()
    low, high = linear_interval(values, strata, groups, ends=ends)
    errors = pd.Series(values).groupby(strata).mean().mean()
    return Size(100 * errors, 100 * low, 100 * high)


def labels_to_review(run: Results) -> Limit | None:
    """Return the limit for labels that look wrong."""
    if run.to_review.empty:
        return None
    return Limit(
        f"{counted(len(run.to_review), 'label')} may be wrong: look at the photos in "
        "plots/labels_to_review.csv, and correct labels.csv.",
        shows=(REVIEW,),
    )


def weak_slice(run: Results) -> Limit | None:
    """Return the limit for the site, camera and so on that costs most, if one is shown to."""
    shown = [each for each in run.slices if each.p_value < SIGNIFICANT]
    if not shown:
        return None
    worst = max(shown, key=lambda each: each.share * each.lost[0])
    size = Size(*(100 * worst.share * end for end in worst.lost))
    photos = f"photos with {printable(worst.column)} = {printable(worst.value)}"
    return Limit(f"Being as good on {photos} as elsewhere {size}: {describe_slice(worst)}", size)


def new_sites(run: Results) -> Limit | None:
    """Return the limit for photos of sites that the model has not seen."""
    return Limit(describe_sites(run.choices)) if "new_site" in run.choices else None


def divided_series(run: Results) -> Limit | None:
    """Return the limit for photo series that are divided between several splits."""
    if "series" not in run.choices:
        return None
    learned = run.images[run.images["split"] == TRAIN]
    is_right = ~run.predictions[TRAIN]["wrong"]
    return Limit(describe_series(learned, is_right.mean(), run.choices))


MAX_IMAGES = 1000  # maximum number of training images to examine
MIN_OF_CLASS = 12  # minimum number of groups examined, of a class and of the other classes
# The fraction of a class within a range of one property, minus the same fraction of other images.
# Artificial borders and sizes reach 0.82 to 1. Brightness, which is legitimate content in satellite
# images, reaches 0.55 to 0.69. By chance, one of 2 to 80 classes of 12 groups each reaches 0.75 in
# at most 2% of draws.
MIN_KNOWN = 0.75
OF_SIZE = ("width", "height", "aspect ratio")  # a crop has the size of its box
GREY = 5  # maximum colour of a grey image, such as one by infrared light; JPEG adds about 1


def shortcut(run: Results) -> Limit | None:
    """Return the limit for the class that a range of one file property tells best from the others.

    The model may recognise such a class from the way its photos were made. Each group counts once.
    Cells of labels are not classes.
    """
    if not run.exclusive:
        return None
    table = training_images(run.images, MAX_IMAGES).drop_duplicates("group")
    label = table["label"].to_numpy()
    most = MIN_KNOWN
    found = None
    for seen, values in _properties(table).items():
        if run.metadata["crop_rule"] and seen in OF_SIZE:
            continue
        value = np.unique(values, return_inverse=True)[1]
        for name in np.unique(label):
            parts = (label == name, label != name)
            if min(part.sum() for part in parts) < MIN_OF_CLASS:
                continue
            # The fraction of the class, and of the others, up to each value.
            counts = [np.bincount(value[part], minlength=value.max() + 1) for part in parts]
            own, others = (np.append(0, count.cumsum() / count.sum()) for count in counts)
            excess = own - others
            end = (excess - np.minimum.accumulate(excess)).argmax()
            start = excess[: end + 1].argmin()
            if excess[end] - excess[start] > most:
                most = excess[end] - excess[start]
                known = own[end] - own[start]
                found = Limit(
                    f"{known:.0%} of the training images of {name} can be told from "
                    f"{1 - known + most:.0%} of the others by {seen} alone, so the model may learn "
                    "how photos were taken: take the photos of all classes in the same way."
                )
    return found


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


MISSED = (
    "Finding {weak} as often as other labels {size}: the model finds it in {own:.0%} of its "
    "{images:,} images, and the other labels in {rest:.0%} of theirs; add images of {weak}."
)
SURPLUS = (
    "Naming {weak} as correctly as other labels {size}: {own:.0%} of the {images:,} images for "
    "which the model names it show it, and {rest:.0%} for the other labels; add images that "
    "resemble {weak} and do not show it."
)
missed_label = partial(weak_label, where="actual", expected="predicted", sentence=MISSED)
surplus_label = partial(weak_label, where="predicted", expected="actual", sentence=SURPLUS)
Finders = tuple[Callable[[Results], Limit | None], ...]
SIZED: dict[bool, Finders] = {  # keyed by `exclusive`
    True: (confused_classes, weak_class, weak_slice, more_images),
    False: (missed_label, surplus_label, weak_slice, more_images),
}
OTHERS: Finders = (
    labels_to_review,
    shortcut,
    divided_series,
    new_sites,
)
