"""Define what labels may be called, and how classes, which exclude each other, differ from others.

`Clean.kind` decides once which kind of labels a project has, and an array of labels has a kind.
"""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np

from pawprint.base.errors import is_printable, printable

if TYPE_CHECKING:
    import pandas as pd

# Names that classes cannot have, except for NEITHER in lower case.
NEITHER = "none"  # in labels.csv, marks an image to reject, unless the source has this class
UNKNOWN = "unknown"  # predicted for images unlike the training images, and the name of their folder
UNLABELLED = "unlabelled"  # marks an image that may still get a label
UNSURE = "unsure"  # predicted for an image that a person should check
RESERVED = (UNKNOWN, UNSURE, UNLABELLED)  # compared without regard to case
SEPARATOR = "|"
NOT_KNOWN = "?"  # ends a label in a cell if nobody has said whether the image shows it
NOT = "not "  # begins a label in a cell that the image does not show
# The share of training images without a label up to which at least one is predicted for each image.
# Predicting one changes the fraction of images with all labels right by +.5, +.2, -.2 and -1.0
# (± .1) points if 0, .3, 1 and 2% show none.
MAX_NONE = 0.005


def cell_of(labels: Iterable[str]) -> str:
    """Return the cell for any number of labels, whatever their order."""
    return SEPARATOR.join(sorted(set(labels) or {NEITHER}))


def is_reserved(label: str) -> bool:
    """Return whether a name is reserved and cannot be a class.

    NEITHER can be in lower case, because cameras such as Frigate's have a class of that name.
    """
    return label != NEITHER and label.lower() in (NEITHER, *RESERVED)


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


class LabelKind:
    """Classes: labels of which each image has exactly one. See ONE_CLASS and SEVERAL_LABELS.

    In tables, an image has a cell: here, its class. In arrays, the labels of images are what
    `encode` returns: here, class indices, int64 `(…)`. Probabilities are float `(…, labels)`.

    A cell says of some labels whether the image shows them: the state 1 if it does, 0 if it does
    not, and -1 if that is not known. A class that it does not name has the state 0.
    """

    exclusive = True
    noun = "class"
    least = 2  # number of labels in a project
    needed = "two or more classes"
    empty: frozenset[str] = frozenset()  # cells that say that an image has no label

    def parts_of(self, cell: str) -> list[str]:
        """Return what a cell consists of: one for each label that it names, or NEITHER."""
        return [cell]

    def name_in(self, part: str) -> str:
        """Return the label in one of `parts_of` a cell."""
        return part

    def states_in(self, cell: str) -> dict[str, int]:
        """Return the state of each label that a cell names."""
        return {cell: 1}

    def labels_in(self, cell: str) -> list[str]:
        """Return the labels that a cell shows."""
        return [label for label, state in self.states_in(cell).items() if state == 1]

    def count(self, cells: Iterable[str]) -> Counter[str]:
        """Return how many cells show each label, or say that there is none, as NEITHER."""
        return Counter(
            label for cell in cells for label in self.labels_in(cell) or self.empty & {cell}
        )

    def names_in(self, cells: Iterable[str]) -> set[str]:
        """Return the labels that cells show."""
        return {*self.count(cells)} - self.empty

    def names_said(self, cells: Iterable[str]) -> set[str]:
        """Return the labels that cells name, whatever they say of them."""
        return {label for cell in cells for label in self.states_in(cell)}

    def complete(self, cell: str, not_asked: Collection[str], source: str = "") -> str:
        """Return a cell in which a label that it does not name is not shown.

        Those in `not_asked` that it does not name are as in the cell `source`, or not known. ""
        and UNKNOWN remain.
        """
        return cell

    def written(self, states: Mapping[str, int], not_asked: Collection[str] = ()) -> str:
        """Return the cell to write into a table so that `complete` has these states.

        It names a label with the state 0 only if `not_asked` has it.
        """
        return cell_of(label for label, state in states.items() if state == 1)

    def contradict(self, cell: str, other: str) -> bool:
        """Return whether cells differ in a label that both know."""
        return cell != other

    def problem_of_names(self, labels: Iterable[str]) -> str | None:
        """Return the problem with the names of any number of labels, or None."""
        return problem_of_names(labels)

    def problem_of_cell(self, cell: str) -> str | None:
        """Return the problem with what a cell says, as "expected ...", or None."""
        return None

    def problem_of_labels(self, labels: Iterable[str]) -> str | None:
        """Return what is wrong with all labels of a project, as "expected ...", or None."""
        labels = sorted(labels)
        if len(labels) < self.least:
            names = ", ".join(map(printable, labels)) or "none"
            return f"expected {self.needed}. Received: {len(labels)}: {names}"
        return self.problem_of_names(labels)

    def problem_of_values(self, values: Mapping[str, float], labels: Sequence[str]) -> str | None:
        """Explain what is wrong with numbers by label, such as thresholds, or return None.

        All labels may have a number, except one of several classes.
        """
        classes = ", ".join(map(printable, labels))
        if unknown := [name for name in values if name not in labels]:
            near = difflib.get_close_matches(unknown[0], labels, n=1)
            hint = f"Did you mean {printable(near[0])}?" if near else f"Classes: {classes}"
            return f"expected classes. Received: {printable(unknown[0])}. {hint}"
        if self.exclusive and len(values) >= len(labels):
            return f"expected at least one class without a value. Received: {classes}"
        return None

    def one_per_label(self, images: "pd.DataFrame") -> "pd.DataFrame":
        """Return a row for each of `parts_of` each image's cell, from a table with `label`."""
        return images.assign(label=images["label"].map(self.parts_of)).explode("label")

    def strata(self, cells: "pd.Series") -> "pd.Series":
        """Return what sorts each image: its rarest label (in a tie, the first by name), or NEITHER.

        Labels are counted in these cells.
        """
        images = self.count(cells)
        labels = cells.map(lambda cell: self.labels_in(cell) or [NEITHER])
        return labels.map(lambda each: min(each, key=lambda label: (images[label], label)))

    def encode(self, cells: Iterable[str], labels: list[str]) -> np.ndarray:
        """Return the labels of images as an array. Another name than these has the index -1."""
        index = {label: number for number, label in enumerate(labels)}
        return np.array([index.get(name, -1) for name in cells], np.int64)

    def decode(self, encoded: np.ndarray, labels: list[str]) -> np.ndarray:
        """Return the cell of each image, str `(…)`."""
        return np.array(labels)[encoded]

    def indicators(self, encoded: np.ndarray, labels: int) -> np.ndarray:
        """Return whether each image has each of so many labels, bool `(…, labels)`."""
        return np.asfortranarray(encoded[..., None] == np.arange(labels))  # read one by one

    def known(self, encoded: np.ndarray, labels: int) -> np.ndarray:
        """Return whether it is known of each image if it has each label, bool `(…, labels)`."""
        return np.ones((*encoded.shape, labels), bool)

    def activation(self, units: int) -> str:
        """Return the name of the function that converts this many logits to probabilities."""
        return "sigmoid" if units == 1 else "softmax"

    def of_units(self, output: np.ndarray) -> np.ndarray:
        """Return probabilities `(…, labels)`, which sum to 1, from a model's output `(…, units)`.

        A single unit stands for the second of two classes. With more classes, the output is divided
        by its sum, which is close to 1 in float32.
        """
        if output.shape[-1] == 1:
            return np.concatenate([1 - output, output], axis=-1)
        return output / output.sum(axis=-1, keepdims=True)

    def to_probabilities(self, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """Convert logits `(images, units)` to probabilities `(images, labels)`."""
        if self.activation(logits.shape[-1]) == "sigmoid":
            return self.of_units(sigmoid(logits, temperature))
        scaled = logits / temperature
        exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    def predict(
        self, probabilities: np.ndarray, thresholds: Mapping = {}, *, at_least_one: bool = False
    ) -> np.ndarray:
        """Return the predicted labels of images, encoded.

        `thresholds` are keyed by the index of a label. The prediction is the first of these whose
        probability reaches its threshold. If there is none, it is the most probable of the others.
        """
        others = probabilities.copy()
        others[..., list(thresholds)] = -1
        predicted = others.argmax(axis=-1)
        for index, threshold in reversed(list(thresholds.items())):
            predicted = np.where(probabilities[..., index] >= threshold, index, predicted)
        return predicted

    def predict_without_rules(self, probabilities: np.ndarray, training: np.ndarray) -> np.ndarray:
        """Return the predicted labels of images by a model without thresholds, encoded.

        `training` are the labels of the images that the model has learned from.
        """
        return self.predict(probabilities)

    def are_right(
        self, actual: np.ndarray, probabilities: np.ndarray, training: np.ndarray
    ) -> np.ndarray:
        """Return whether what `predict_without_rules` returns is right, bool `(images,)`."""
        return self.predict(probabilities) == actual

    def losses(self, actual: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the log loss of each image, 0 or more, `(images,)`.

        Probabilities below 2.2e-16 count as 2.2e-16.
        """
        return _log_losses(probabilities[np.arange(len(actual)), actual])


class _SeveralLabels(LabelKind):
    """Labels of which an image may have any number, in a cell such as "sea|sunset?".

    A label with NOT_KNOWN is not known, and the image does not show one with NOT. A cell of NEITHER
    means that there are none. In arrays, labels are bool `(…, labels)`, or int8 if -1 is among
    them. `shown == 1`, `shown == 0` and `shown >= 0` are right for both.
    """

    exclusive = False
    noun = "label"
    least = 1
    needed = "a label"
    empty = frozenset({NEITHER})

    def parts_of(self, cell: str) -> list[str]:
        """Return what a cell says of each label, with NOT_KNOWN or NOT, or NEITHER."""
        return [part.strip() for part in cell.split(SEPARATOR)]

    def name_in(self, part: str) -> str:
        """Return a label without NOT_KNOWN and NOT."""
        return part.removeprefix(NOT).removesuffix(NOT_KNOWN)

    def states_in(self, cell: str) -> dict[str, int]:
        """Return the state of each label that a cell names."""
        parts = self.parts_of(cell) if cell != NEITHER else []
        return {
            self.name_in(part): -1 if part.endswith(NOT_KNOWN) else int(not part.startswith(NOT))
            for part in parts
        }

    def complete(self, cell: str, not_asked: Collection[str], source: str = "") -> str:
        """Return a cell in which a label that it does not name is not shown."""
        if cell in ("", UNKNOWN):
            return cell
        before = self.states_in(source)
        new = {label: before.get(label, -1) for label in not_asked}
        return self.written(new | self.states_in(cell))

    def written(self, states: Mapping[str, int], not_asked: Collection[str] = ()) -> str:
        """Return the cell to write into a table so that `complete` has these states."""
        new = dict.fromkeys(not_asked, 0)
        forms = {1: "{}", -1: f"{{}}{NOT_KNOWN}", 0: f"{NOT}{{}}"}
        every = (new | dict(states)).items()
        return cell_of(forms[s].format(name) for name, s in every if s or name in new)

    def contradict(self, cell: str, other: str) -> bool:
        """Return whether cells differ in a label that both know."""
        pair = [self.states_in(each) for each in (cell, other)]
        states = ({each.get(label, 0) for each in pair} for label in {*pair[0], *pair[1]})
        return {0, 1} in states

    def problem_of_names(self, labels: Iterable[str]) -> str | None:
        """Return the problem with the names of any number of labels, or None."""
        labels = [*labels]
        marked = (label for label in labels if label and self.name_in(label) != label)
        return problem_of_names(labels) or next(
            (
                f"expected labels that neither end in {NOT_KNOWN} nor begin with {NOT.strip()}. "
                f"Received: {label!r}"
                for label in marked
            ),
            None,
        )

    def problem_of_cell(self, cell: str) -> str | None:
        """Return the problem with a cell that says two things of a label, or None."""
        names = Counter(self.name_in(part) for part in {*self.parts_of(cell)})
        name, times = names.most_common(1)[0]
        return f"expected {name} once in a cell. Received: {cell!r}" if times > 1 else None

    def encode(self, cells: Iterable[str], labels: list[str]) -> np.ndarray:
        """Return the state of each label."""
        found = [self.states_in(cell) for cell in cells]
        states = [[each.get(label, 0) for label in labels] for each in found]
        encoded = np.array(states, np.int8).reshape(len(found), len(labels))
        return encoded if (encoded < 0).any() else encoded == 1

    def decode(self, encoded: np.ndarray, labels: list[str]) -> np.ndarray:
        """Return the cell of each image, str `(…)`."""
        rows = encoded.reshape(-1, len(labels)).astype(int)
        cells = [self.written(dict(zip(labels, row))) for row in rows.tolist()]
        return np.array(cells, str).reshape(encoded.shape[:-1])

    def indicators(self, encoded: np.ndarray, labels: int) -> np.ndarray:
        """Return whether each image has each of so many labels."""
        return encoded == 1

    def known(self, encoded: np.ndarray, labels: int) -> np.ndarray:
        """Return whether it is known of each image if it has each label."""
        return encoded >= 0

    def activation(self, units: int) -> str:
        """Return the name of the function that converts logits to probabilities."""
        return "sigmoid"

    def of_units(self, output: np.ndarray) -> np.ndarray:
        """Return the probability of each label, which has a unit of its own."""
        return output

    def predict(
        self, probabilities: np.ndarray, thresholds: Mapping = {}, *, at_least_one: bool = False
    ) -> np.ndarray:
        """Return whether each label is predicted.

        A label is predicted from its threshold on, by default 0.5. With `at_least_one`, the most
        probable label is predicted, too, if no label reaches 0.5 or its higher threshold; but none
        is predicted below its own threshold.
        """
        limits = np.full(probabilities.shape[-1], 0.5)
        limits[list(thresholds)] = list(thresholds.values())
        is_named = probabilities >= limits
        if at_least_one:
            has_any = (probabilities >= np.maximum(limits, 0.5)).any(axis=-1, keepdims=True)
            limits[[n for n in range(len(limits)) if n not in thresholds]] = 0
            most = probabilities == probabilities.max(axis=-1, keepdims=True)
            is_named |= ~has_any & most & (probabilities >= limits)
        return is_named

    def predict_without_rules(self, probabilities: np.ndarray, training: np.ndarray) -> np.ndarray:
        """Return whether each label is predicted; `training` decides whether at least one is."""
        return self.predict(probabilities, at_least_one=names_one(training))

    def are_right(
        self, actual: np.ndarray, probabilities: np.ndarray, training: np.ndarray
    ) -> np.ndarray:
        """Return whether all labels that are known of each image are right."""
        predicted = self.predict_without_rules(probabilities, training)
        return ((predicted == (actual == 1)) | (actual < 0)).all(axis=1)

    def losses(self, actual: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return the sum of the log losses of the labels that are known of each image."""
        of_truth = np.where(actual == 1, probabilities, 1 - probabilities.astype(np.float64))
        return (_log_losses(of_truth) * (actual >= 0)).sum(axis=1)


ONE_CLASS = LabelKind()
SEVERAL_LABELS = _SeveralLabels()


def kind_of(encoded: np.ndarray) -> LabelKind:
    """Return the kind of encoded labels."""
    return SEVERAL_LABELS if encoded.dtype.itemsize == 1 else ONE_CLASS


def names_one(shown: np.ndarray) -> bool:
    """Return whether at least one of several labels is predicted for each image.

    It is if at most MAX_NONE of the training images, whose encoded labels are `(images, labels)`,
    are known to show none.
    """
    return bool((shown == 0).all(axis=1).sum() <= MAX_NONE * len(shown))


def _log_losses(of_truth: np.ndarray) -> np.ndarray:
    # Logarithms of float32 differ between processors.
    return -np.log(np.maximum(of_truth.astype(np.float64), np.finfo(float).eps))


def sigmoid(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return the probabilities of labels that do not exclude each other, in the same shape."""
    return np.exp(-np.logaddexp(0, -logits / temperature))
