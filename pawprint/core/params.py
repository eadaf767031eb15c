"""The schema of `params.yaml`: one frozen section per stage, and a range for every number.

Each stage checks the whole file, not only the sections that it uses: a misspelt key in the section
of the last stage is reported before the first stage starts.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pawprint.core.errors import InputError, printable
from pawprint.core.validation import REPR, explain
from pawprint.core.yaml import read_yaml

# Counts fit in 32 bits: a larger one is a mistake, and would overflow later.
Count = Annotated[int, Field(ge=1, lt=2**31)]
WholeNumber = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
UpToOne = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
# Not allowed as labels of classes.
NEITHER = "none"  # in labels.csv, an image of no class
UNKNOWN = "unknown"  # what is predicted for an image unlike those of training
Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]
# Keras' identifiers: https://keras.io/api/optimizers/
Optimizer = Literal[
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "lion", "nadam",
    "rmsprop", "sgd",
]  # fmt: skip


class Section(BaseModel):
    """Strict: unknown keys, conversions from strings and changes are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _one_or_more(value: object, validate: Callable) -> list:
    """A list; of a single value a list of one, but its error names no position in a list."""
    if isinstance(value, list):
        return validate(value)
    try:
        return validate([value])
    except ValidationError as error:
        problem = error.errors()[0]
        raise PydanticCustomError(problem["type"], problem["msg"]) from None


def _one_if_equal(values: list) -> object:
    return values[0] if len(set(values)) == 1 else values


ONE_OR_MORE = (Field(min_length=1), WrapValidator(_one_or_more), PlainSerializer(_one_if_equal))


class Fetch(Section):
    source: Annotated[list[Text], *ONE_OR_MORE]
    watch: Text
    sha256: Annotated[list[Sha256 | None], *ONE_OR_MORE]

    @field_validator("sha256")
    @classmethod
    def _one_for_each_source(
        cls, hashes: list[str | None], info: ValidationInfo
    ) -> list[str | None]:
        sources = info.data.get("source", hashes)  # missing if it is wrong itself
        if hashes == [None]:
            return hashes * len(sources)
        if len(hashes) != len(sources):
            raise ValueError(
                f"expected null, or as many hashes as sources: {len(sources)}. "
                f"Received: {len(hashes)}"
            )
        return hashes


class Weights(Section):
    source: Text
    sha256: Sha256 | None


def problem_of_labels(labels: Iterable[str]) -> str | None:
    """What is wrong with the names of classes, as "expected ... Received: ...", or None."""
    labels = sorted(labels)
    if len(labels) < 2:
        given = ", ".join(map(printable, labels)) or "none"
        return f"expected two or more classes. Received: {len(labels)}: {given}"
    for label in labels:
        is_plain = label and label.isprintable() and label == label.strip()
        if not is_plain or label in (NEITHER, UNKNOWN):
            return (
                "expected labels of printable characters, without spaces at the ends, other than "
                f"{NEITHER} and {UNKNOWN}. Received: {label!r}"
            )
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(label.lower(), label)
        if other != label:
            return (
                "expected labels that differ in more than upper and lower case. Received: "
                f"{other} and {label}"
            )
    return None


def _auto_or_mapping(labels: object, validate: Callable) -> object:
    if labels == "auto":
        return labels
    if not isinstance(labels, dict):  # one line, where pydantic has one for each of the types
        raise ValueError(
            "expected auto, or a mapping of each class to the list of its folders. "
            f"Received: {REPR.repr(labels)}"
        )
    return validate(labels)


class Clean(Section):
    rule: Literal["decodes", "jfif"]
    # Or "auto", which the validator passes.
    labels: Annotated[
        dict[str, Annotated[list[str], Field(min_length=1)]],
        WrapValidator(_auto_or_mapping),
        PlainSerializer(lambda labels: labels),
    ]

    @field_validator("labels")
    @classmethod
    def _distinct_classes(cls, labels: dict[str, list[str]] | str) -> dict[str, list[str]] | str:
        if labels == "auto":
            return labels
        folders = [folder.lower() for names in labels.values() for folder in names]
        for folder, times in Counter(folders).items():
            if times > 1:
                raise ValueError(
                    f"expected each folder once, in any case. Received: {folder!r} twice"
                )
        if problem := problem_of_labels(labels):
            raise ValueError(problem)
        return labels


def _one_capturing_group(pattern: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"expected a regular expression. Received: {pattern}: {error}") from None
    if groups != 1:
        raise ValueError(
            "expected a regular expression with one group in parentheses, as in '/site([0-9]+)/'. "
            f"Received: {groups} in {pattern}"
        )
    return pattern


class Split(Section):
    seed: Seed
    validation_fraction: Fraction
    test_fraction: Fraction
    group: Annotated[str, AfterValidator(_one_capturing_group)] | None
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]
    use_archive_split: bool
    move_near_duplicates: bool


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):  # True equals 1.0, which Literal would accept
        raise ValueError(f"expected a number. Received: {value}")
    return value


Resize = Literal["crop", "pad", "stretch"]
Views = Literal["one", "flip", "crops"]


# Keras' names: https://keras.io/api/applications/
Backbone = Literal[
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201", "EfficientNetB0", "EfficientNetB1",
    "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5", "EfficientNetB6",
    "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
    "EfficientNetV2B3", "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S",
    "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large",
    "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2",
    "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
]  # fmt: skip
# The widths for which Keras publishes weights; other backbones have one width.
WIDTHS = {
    "MobileNet": (0.25, 0.5, 0.75, 1.0),
    "MobileNetV2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "MobileNetV3Large": (0.75, 1.0),
    "MobileNetV3Small": (0.75, 1.0),
}


class Model(Section):
    backbone: Backbone
    alpha: Annotated[float | None, BeforeValidator(_not_boolean)]
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize: Resize
    pooling: Literal["average", "flatten"]
    fine_tune_at: WholeNumber | Annotated[str, Field(min_length=1)] | None
    fine_tune_last: WholeNumber | None

    @field_validator("alpha")
    @classmethod
    def _is_a_width_of_the_backbone(cls, alpha: float | None, info: ValidationInfo) -> float | None:
        backbone = info.data.get("backbone")  # missing if it is wrong itself
        widths = WIDTHS.get(backbone)
        if backbone and not widths and alpha is not None:
            raise ValueError(f"expected null, because {backbone} has one width. Received: {alpha}")
        if widths and alpha not in widths:
            *others, last = widths
            expected = f"{', '.join(map(str, others))} or {last}"
            received = "null" if alpha is None else alpha
            raise ValueError(f"expected {expected}, a width of {backbone}. Received: {received}")
        return alpha

    @field_validator("fine_tune_at", mode="before")
    @classmethod
    def _is_an_index_or_a_name(cls, layer: object) -> object:
        # One line, where pydantic has one for each of the types.
        is_index = type(layer) is int and 0 <= layer < 2**31
        if layer is not None and not is_index and not (isinstance(layer, str) and layer):
            raise ValueError(
                "expected the index of a layer, from 0, or the name of one, or null. "
                f"Received: {REPR.repr(layer)}"
            )
        return layer

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
    """Keras layers by name, with the arguments, units and defaults that Keras gives them."""

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
    output: Literal["probabilities", "logits"]


class EarlyStopping(Section):
    """The Keras callback: https://keras.io/api/callbacks/early_stopping/"""

    monitor: Monitor = "val_loss"
    min_delta: NotNegative = 0.0
    patience: WholeNumber = 0
    mode: Literal["auto", "min", "max"] = "auto"
    baseline: Annotated[float, Field(allow_inf_nan=False)] | None = None
    restore_best_weights: bool = False
    start_from_epoch: WholeNumber = 0


class ReduceLROnPlateau(Section):
    """The Keras callback: https://keras.io/api/callbacks/reduce_lr_on_plateau/"""

    monitor: Monitor = "val_loss"
    factor: Fraction = 0.1
    patience: WholeNumber = 10
    mode: Literal["auto", "min", "max"] = "auto"
    min_delta: NotNegative = 0.0001
    cooldown: WholeNumber = 0
    min_lr: NotNegative = 0.0


class Hardware(Section):
    """Precisions are dtype policies of Keras: https://keras.io/api/mixed_precision/policy/"""

    devices: Literal["auto", "cpu"]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]


class Train(Section):
    epochs: WholeNumber
    optimizer: Optimizer
    learning_rate: Positive
    learning_rate_decay: Literal["cosine"] | None
    batch_size: Count
    views_per_epoch: Literal["one", "all"]
    class_weight: Literal["balanced"] | None
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
    views: Views
    unknown_quantile: Fraction | None

    @model_validator(mode="after")
    def _recall_chooses_threshold(self) -> Self:
        if self.threshold is not None and self.recall is not None:
            raise ValueError(
                "expected threshold, or recall to choose it by, and null for the other. "
                f"Received: {self.threshold} and {self.recall}"
            )
        return self


def problem_of_threshold(params: Calibrate, classes: int) -> str | None:
    """What is wrong with a threshold, or how to choose it, for so many classes; or None."""
    for key in ("threshold", "recall"):
        value = getattr(params, key)
        if classes > 2 and value is not None:
            return (
                f"calibrate.{key}: expected null, because a threshold exists for two classes only. "
                f"Received: {value} for {classes} classes"
            )
    return None


class Evaluate(Section):
    confidence: Fraction


class Review(Section):
    folds: Annotated[int, Field(ge=2, lt=2**31)]


class Plot(Section):
    predictions: Count
    errors: Count
    likely_wrong_labels: Count


class Params(Section):
    """The whole file; one attribute per section."""

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

    @model_validator(mode="after")
    def _threshold_of_two_classes(self) -> Self:
        named = 0 if self.clean.labels == "auto" else len(self.clean.labels)
        if problem := problem_of_threshold(self.calibrate, named):
            raise ValueError(problem)
        return self


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check the file. Raises InputError with one line for each wrong key."""
    content = read_yaml(path)
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {line}" for line in explain(error, Params))) from None
