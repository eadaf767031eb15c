"""The results of several seeds, which `python -m pawprint seeds` writes to metrics/seeds.json.

A record is of the committed model if the outputs of its first seed, by their hashes in dvc.lock,
are those in the workspace. dvc.lock itself is no dependency that a stage could have.
"""

import hashlib
from pathlib import Path

from pawprint.core.errors import InputError


def md5(path: Path) -> str:
    """The hash of a file, as DVC has it in dvc.lock. Raises InputError if it is missing."""
    try:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path}: expected the file that a stage wrote. Received: {error}. Run `dvc repro`."
        ) from None


def is_current(record: dict, *outputs: Path) -> bool:
    """Whether the first seed of the record gave these outputs of the pipeline."""
    recorded = record.get("outputs", {})
    current = {path.as_posix(): md5(path) for path in outputs}
    return current.items() <= recorded.items()


def seed_rows(record: dict) -> list[tuple[str, str, str]]:
    """Rows of the table of results: a title, then the texts of validation and test."""
    number, rows = len(record["seeds"]), []
    for name, form in (("accuracy", ".2%"), ("log loss", ".4f")):
        cells = []
        for split in ("validation", "test"):
            of = record["scores"][f"{split} {name}"]
            cells.append(f"{of['mean']:{form}} ({of['min']:{form}} to {of['max']:{form}})")
        rows.append((f"{name}, mean of {number} seeds (min to max)", *cells))
    differ = (record["disagreements"][split] for split in ("validation", "test"))
    cells = [f"{each['disagree']} of {each['images']}" for each in differ]
    return [*rows, ("images on which the seeds disagree", *cells)]


def describe_seeds(record: dict, is_current: bool) -> str:
    """Which model the results are of, and how they differ between seeds."""
    if not is_current:
        return (
            "These are the results of one seed; another one gives other errors. "
            "metrics/seeds.json is out of date: it is not of this model and these results. "
            "Run python -m pawprint seeds, then dvc repro."
        )
    seeds = record["seeds"]
    return (
        f"The model is that of the seed in params.yaml, {seeds[0]}. Rows that name {len(seeds)} "
        f"seeds are of the same training with the seeds {', '.join(map(str, seeds))}; all other "
        "results are those of the model."
    )
