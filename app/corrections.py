"""labels.csv: labels that people have put right, and images that they have taken out."""

from pathlib import Path

from stages.shared.records import read_csv, write_csv

LABELS = Path("labels.csv")
COLUMNS = ["path", "label"]
NEITHER = "none"  # in place of a class: the image is dropped


def corrections() -> dict[str, str]:
    """The label of each path that has been corrected. Raises InputError."""
    if not LABELS.exists():
        return {}
    return {row["path"]: row["label"] for row in read_csv(LABELS)}


def correct(path: str, label: str | None) -> None:
    """Write down the label of a path, in place of an earlier one; None withdraws it."""
    kept = {name: each for name, each in corrections().items() if name != path}
    if label is not None:
        kept[path] = label
    write_csv(LABELS, COLUMNS, [{"path": name, "label": kept[name]} for name in kept])
