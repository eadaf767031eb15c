"""What a model's number means: in the metadata of a `.keras` file, beside an exported model."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pawprint.core.errors import InputError, printable
from pawprint.core.files import write_json
from pawprint.core.params import Resize

LABELS_FILE = "labels.json"


def _shown(label: str) -> str:
    if not label or not label.isprintable():
        raise ValueError("expected a name that can be printed")
    return label


class Meaning(BaseModel):
    """A model gives the probability of `labels[1]`, which is predicted from `threshold` on.

    `resize` is how images were made square.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    labels: Annotated[
        list[Annotated[str, AfterValidator(_shown)]], Field(min_length=2, max_length=2)
    ]
    resize: Resize
    threshold: Annotated[float, Field(gt=0, lt=1)]


def what_is_wrong(error: ValidationError) -> str:
    """The first problem, in a line."""
    problem = error.errors()[0]
    return " ".join([*map(str, problem["loc"]), f"({problem['msg']})"])


def write_labels(folder: Path, meaning: Meaning) -> None:
    write_json(folder / LABELS_FILE, meaning.model_dump())


def read_labels(path: Path) -> Meaning:
    """Raises InputError if the file is missing, or is not what write_labels writes."""
    try:
        return Meaning.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. It names the classes: keep it beside the exported model, or "
            "run `python export.py` to make both."
        ) from None
    except ValidationError as error:
        reason = what_is_wrong(error)
    except OSError as error:
        reason = str(error)
    raise InputError(
        f'{path}: expected {{"labels": [two names], "resize": "crop" or "stretch", "threshold": '
        f"number between 0 and 1}}. Received: {printable(reason)}"
    )
