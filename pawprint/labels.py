"""Labels of classes: which names they may have, and the two that mean no class."""

from collections.abc import Collection, Iterable
from unicodedata import normalize

from pawprint.errors import is_printable, printable

# Not allowed as labels of classes.
NEITHER = "none"  # in labels.csv, an image of no class
UNKNOWN = "unknown"  # predicted for an image unlike those of training; the folder of such images


MAX_LARGEST = 2  # times its even portion, above which the classes are imbalanced


def are_imbalanced(images: Collection[int]) -> bool:
    """Whether one of three or more classes has more than MAX_LARGEST times its even portion.

    `images` are the numbers of images of the classes that have some.
    """
    return max(images) > MAX_LARGEST * sum(images) / len(images)


def problem_of_labels(labels: Iterable[str]) -> str | None:
    """What is wrong with the names of classes, as "expected ... Received: ...", or None."""
    labels = sorted(labels)
    if len(labels) < 2:
        given = ", ".join(map(printable, labels)) or "none"
        return f"expected two or more classes. Received: {len(labels)}: {given}"
    for label in labels:
        is_plain = label and is_printable(label) and label == label.strip()
        if not is_plain or "<" in label or label in (NEITHER, UNKNOWN):  # DVC's plots are HTML
            return (
                "expected labels of printable characters, without < and spaces at the ends, other "
                f"than {NEITHER} and {UNKNOWN}. Received: {label!r}"
            )
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(normalize("NFC", label).lower(), label)
        if other != label:
            return (
                "expected labels that differ in more than upper and lower case. Received: "
                f"{other} and {label}"
            )
    return None
