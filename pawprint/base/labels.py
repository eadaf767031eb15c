"""Define what labels may be called, and how a cell holds several of them."""

from collections.abc import Iterable
from unicodedata import normalize

from pawprint.base.errors import is_printable

# Names that classes cannot have, except for NEITHER in lower case.
NEITHER = "none"  # in labels.csv, marks an image to reject, unless the source has this class
UNKNOWN = "unknown"  # predicted for images unlike the training images, and the name of their folder
UNLABELLED = "unlabelled"  # marks an image that may still get a label
UNSURE = "unsure"  # predicted for an image that a person should check
RESERVED = (UNKNOWN, UNSURE, UNLABELLED)  # compared without regard to case
SEPARATOR = "|"


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
