"""Writing labels.csv, which `clean` reads: labels that people have put right."""

from pawprint.core import paths
from pawprint.core.files import write_csv
from pawprint.dataset.corrections import COLUMNS, read_lines


def corrections() -> dict[str, str]:
    """The label of each path that has been corrected, or NEITHER. Raises InputError."""
    if not paths.LABELS.exists():
        return {}
    return {path: label for _, (path, label) in read_lines(paths.LABELS)}


def correct(path: str, label: str | None) -> None:
    """Write down the label of a path, in place of an earlier one; None withdraws it."""
    kept = {name: each for name, each in corrections().items() if name != path}
    if label is not None:
        kept[path] = label
    write_csv(paths.LABELS, COLUMNS, [dict(zip(COLUMNS, row)) for row in kept.items()])
