"""`params.yaml`, read and checked as a whole: one frozen section per stage.

A misspelt key in the last stage's section is found before the first stage does any work, which is
why each stage checks the whole file and not just the sections it uses.
"""

import difflib
import reprlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML

from pawprint.core.errors import InputError, printable

# Counts end where 32 bits do: more is a slip, and would end in an overflow somewhere later.
Count = Annotated[int, Field(ge=1, lt=2**31)]
WholeNumber = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
UpToOne = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# What stands beside the labels in metrics, and what labels.csv calls neither of them.
METRICS = (
    "total", "correct", "accuracy", "accuracy_low", "accuracy_high", "at_half", "loss", "roc_auc",
    "roc_auc_low", "roc_auc_high", "brier_score", "expected_calibration_error", "uncalibrated",
    "none",
)  # fmt: skip
Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]
# Keras' identifiers: https://keras.io/api/optimizers/
Optimizer = Literal[
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "lion", "nadam",
    "rmsprop", "sgd",
]  # fmt: skip


# What came is shown in one line, not the whole of a file.
REPR = reprlib.Repr()
REPR.maxstring = REPR.maxother = 80


class Section(BaseModel):
    """Strict: no unknown keys, no conversion from strings, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fetch(Section):
    source: Annotated[str, Field(min_length=1)]
    sha256: Sha256 | None


class Weights(Section):
    source: Annotated[str, Field(min_length=1)]
    sha256: Sha256 | None


class Clean(Section):
    rule: Literal["decodes", "jfif"]
    labels: dict[str, Annotated[list[str], Field(min_length=1)]]

    @field_validator("labels")
    @classmethod
    def _tell_two_classes_apart(cls, labels: dict[str, list[str]]) -> dict[str, list[str]]:
        if len(labels) != 2:
            given = ", ".join(labels) or "none"
            raise ValueError(f"expected two classes. Received: {len(labels)}: {given}")
        folders = [folder.lower() for names in labels.values() for folder in names]
        for folder, times in Counter(folders).items():
            if times > 1:
                raise ValueError(
                    f"expected each folder once, in any case. Received: {folder!r} twice"
                )
        for label in labels:
            if label in METRICS or not label.isprintable() or not label:
                raise ValueError(
                    f"expected labels that are words, other than {', '.join(METRICS)}, which "
                    f"stand beside them in metrics. Received: {label!r}"
                )
        return labels


class Split(Section):
    seed: Seed
    validation_fraction: Fraction
    test_fraction: Fraction
    near_duplicate_distance: Annotated[int, Field(ge=0, le=64)]


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):  # which is equal to 0 or 1
        raise ValueError(f"expected a number. Received: {value}")
    return value


Resize = Literal["crop", "stretch"]


class Model(Section):
    alpha: Annotated[Literal[0.35, 0.5, 0.75, 1.0, 1.3, 1.4], BeforeValidator(_not_boolean)]
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize: Resize
    pooling: Literal["average", "flatten"]
    fine_tune_at: WholeNumber | None
    fine_tune_last: WholeNumber | None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.fine_tune_at is None) == (self.fine_tune_last is None):
            raise ValueError(
                "expected one of fine_tune_at and fine_tune_last, and null for the other. "
                f"Received: {self.fine_tune_at} and {self.fine_tune_last}"
            )
        return self


class RandomFlip(Section):
    mode: Literal["horizontal", "vertical", "horizontal_and_vertical"]


class RandomRotation(Section):
    factor: UpToOne


class RandomTranslation(Section):
    height_factor: UpToOne
    width_factor: UpToOne


class RandomShear(Section):
    x_factor: UpToOne = 0.0
    y_factor: UpToOne = 0.0


class RandomZoom(Section):
    height_factor: BelowOne
    width_factor: BelowOne | None = None


class Augment(Section):
    """Layers by the names that Keras gives them; their arguments, units and defaults are Keras'."""

    views: Count
    keep_original: bool
    RandomFlip: RandomFlip | None
    RandomRotation: RandomRotation | None
    RandomTranslation: RandomTranslation | None
    RandomShear: RandomShear | None
    RandomZoom: RandomZoom | None
    seed: Seed


class Preview(Section):
    samples: Count
    near_duplicates: Count


class Dense(Section):
    units: Count
    l2: NotNegative = 0.0
    batch_normalization: bool = False


class Head(Section):
    dense: Dense | None
    dropout: BelowOne
    output: Literal["sigmoid", "logits"]


class EarlyStopping(Section):
    """Keras' callback: https://keras.io/api/callbacks/early_stopping/"""

    monitor: Monitor = "val_loss"
    min_delta: NotNegative = 0.0
    patience: WholeNumber = 0
    mode: Literal["auto", "min", "max"] = "auto"
    baseline: Annotated[float, Field(allow_inf_nan=False)] | None = None
    restore_best_weights: bool = False
    start_from_epoch: WholeNumber = 0


class ReduceLROnPlateau(Section):
    """Keras' callback: https://keras.io/api/callbacks/reduce_lr_on_plateau/"""

    monitor: Monitor = "val_loss"
    factor: Fraction = 0.1
    patience: WholeNumber = 10
    mode: Literal["auto", "min", "max"] = "auto"
    min_delta: NotNegative = 0.0001
    cooldown: WholeNumber = 0
    min_lr: NotNegative = 0.0


class Hardware(Section):
    """Precisions are Keras' dtype policies: https://keras.io/api/mixed_precision/policy/"""

    devices: Literal["auto", "cpu"]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]


class Train(Section):
    epochs: WholeNumber
    optimizer: Optimizer
    learning_rate: Positive
    learning_rate_decay: Literal["cosine"] | None
    batch_size: Count
    views_per_epoch: Literal["one", "all"]
    early_stopping: EarlyStopping | None
    reduce_lr_on_plateau: ReduceLROnPlateau | None
    seed: Seed

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.learning_rate_decay and self.reduce_lr_on_plateau:
            raise ValueError(
                "expected learning_rate_decay or reduce_lr_on_plateau, and null for the other. "
                "Received: both"
            )
        return self


class Calibrate(Section):
    temperature: bool
    threshold: Fraction | None
    recall: Annotated[float, Field(gt=0, le=1)] | None

    @model_validator(mode="after")
    def _recall_chooses_threshold(self) -> Self:
        if self.threshold is not None and self.recall is not None:
            raise ValueError(
                "expected threshold or recall, by which it is chosen, and null for the other. "
                f"Received: {self.threshold} and {self.recall}"
            )
        return self


class Evaluate(Section):
    confidence: Fraction


class Review(Section):
    folds: Annotated[int, Field(ge=2, lt=2**31)]


class Plot(Section):
    predictions: Count
    errors: Count
    likely_wrong_labels: Count


class Params(Section):
    """The whole file. Attributes bear the names of the sections."""

    fetch: Fetch
    weights: Weights
    clean: Clean
    split: Split
    model: Model
    augment: Augment
    preview: Preview
    head: Head
    hardware: Hardware
    train_extract: Train
    train_finetune: Train
    calibrate: Calibrate
    evaluate: Evaluate
    review: Review
    plot: Plot


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the file. Anything wrong raises InputError, a line for each wrong key.

    YAML 1.2 is read, so that `1e-6`, as `dvc exp run -S` writes it, is a number.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = YAML(typ="safe", pure=True).load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable text file. Received: {error}") from None
    except Exception as error:  # what is no YAML ends ruamel.yaml in more ways than YAMLError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: expected YAML. Received: {printable(reason)}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        lines = [f"{path}: {printable(_explain(problem))}" for problem in error.errors()]
        raise InputError("\n".join(lines)) from None


def _explain(problem: dict) -> str:
    """One pydantic problem as `section.key: expected …. Received: …`."""
    names = [str(name) for name in problem["loc"]]
    key, received = ".".join(names), problem["input"]
    if problem["type"] == "missing":
        return f"{key}: expected this key. Received: none"
    if problem["type"] == "extra_forbidden":
        known = _keys_of(names[:-1])
        near = difflib.get_close_matches(names[-1], known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}"
        return f"{key}: unknown key. {hint}"
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    if problem["type"] == "model_type":
        expected = f"a mapping with {', '.join(_keys_of(names))}"
    else:
        expected = problem["msg"].replace("Input should be ", "").replace("greater than", ">")
        expected = expected.replace("> or equal to", ">=").replace("less than or equal to", "<=")
        expected = expected.replace("less than", "<")
    return f"{key or 'whole file'}: expected {expected}. Received: {REPR.repr(received)}"


def _keys_of(section: list[str]) -> list[str]:
    model = Params
    for name in section:
        annotation = model.model_fields[name].annotation
        model = next(iter(get_args(annotation)), annotation)  # `Section | None` to Section
    return list(model.model_fields)
