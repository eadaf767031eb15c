"""The results of several seeds, which `python -m pawprint seeds` writes to metrics/seeds.json.

A record is of the committed model if the outputs of its first seed, by their hashes in dvc.lock,
are those in the workspace. dvc.lock itself is no dependency that a stage could have.
"""

from collections.abc import Sequence
from pathlib import Path

from pawprint.core.errors import InputError
from pawprint.core.files import md5


def describe_seeds(record: dict, outputs: Sequence[Path]) -> tuple[list[tuple[str, str, str]], str]:
    """Rows of the table of results, and a text about the seeds of all rows.

    A row is a title, then the texts of validation and test. There are none if the first seed of the
    record did not give these outputs of the pipeline. Raises InputError if one is missing, and for
    another record.
    """
    current = {path.as_posix(): md5(path) for path in outputs}
    try:
        return _described(record, current)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "metrics/seeds.json: expected what `python -m pawprint seeds` writes. Received: a "
            f"wrong key or value ({error}). Run the command, or `git checkout` the file."
        ) from None


def _described(record: dict, current: dict[str, str]) -> tuple[list[tuple[str, str, str]], str]:
    if not current.items() <= record.get("outputs", {}).items():
        return [], (
            "These are the results of one seed; another one gives other errors. "
            "metrics/seeds.json is out of date: it is not of this model and these results. "
            "Run python -m pawprint seeds, then dvc repro."
        )
    first, *_ = seeds = record["seeds"]
    return _rows(record), (
        f"The model is that of the seed in params.yaml, {first}. Rows that name {len(seeds)} "
        f"seeds are of the same training with the seeds {', '.join(map(str, seeds))}; all other "
        "results are those of the model."
    )


def _rows(record: dict) -> list[tuple[str, str, str]]:
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
