"""The results of several seeds, which `python -m pawprint seeds` writes to metrics/seeds.json.

A record is of the committed model if it is of the same images, code and params. The outputs of the
same seed would differ on another processor.
"""

import hashlib
import json

from pawprint.core.data_paths import SPLIT_IMAGES
from pawprint.core.entry import CODE
from pawprint.core.errors import InputError

STAGES = ("backbone", "features", "train_extract", "train_finetune", "calibrate", "evaluate")
SEED_INPUTS = (SPLIT_IMAGES, *(CODE / f"{stage}.txt" for stage in STAGES))
SECTIONS = (
    *("weights", "model", "augment", "head", "hardware", "train_extract", "train_finetune"),
    "calibrate",
)


def params_hash(params: dict) -> str:
    """The MD5 of the params that decide the results of a seed."""
    text = json.dumps({name: params[name] for name in SECTIONS}, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def describe_seeds(record: dict, inputs: dict[str, str]) -> tuple[list[tuple[str, str, str]], str]:
    """Rows of the table of results, and a text about the seeds of all rows.

    A row is a title, then the texts of validation and test. There are none if the record is not of
    these inputs: the hash of each of SEED_INPUTS by path, and of "params.yaml". Raises InputError
    for another record.
    """
    try:
        if record.get("inputs") != inputs:
            return [], (
                "These are the results of one seed; another one gives other errors. For those of "
                "several, run python -m pawprint seeds, then dvc repro: metrics/seeds.json is of "
                "other images, params or code."
            )
        first, *_ = seeds = record["seeds"]
        return _rows(record), (
            f"The model is that of the seed in params.yaml, {first}. Rows that name {len(seeds)} "
            f"seeds are of the same training with the seeds {', '.join(map(str, seeds))}; all "
            "other results are those of the model."
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "metrics/seeds.json: expected what `python -m pawprint seeds` writes. Received: a "
            f"wrong key or value ({error}). Run the command, or `git checkout` the file."
        ) from None


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
