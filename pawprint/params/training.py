"""The head, the two phases of training, and what they run on."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pawprint.classes import are_imbalanced
from pawprint.params.section import (
    BelowOne,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Section,
    Seed,
    WholeNumber,
    either,
    shown,
)


class Dense(Section):
    units: Count
    l2: NotNegative = 0.0
    batch_normalization: bool = False


class Head(Section):
    dense: Dense | None
    dropout: BelowOne
    output: Literal["probabilities", "logits"]


class Hardware(Section):
    """Precisions are dtype policies of Keras: https://keras.io/api/mixed_precision/policy/"""

    devices: Literal["auto", "cpu"]
    threads: Annotated[
        Count, either("auto", "auto, or a number", lambda threads: type(threads) is int)
    ]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]


Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]
# Keras' identifiers: https://keras.io/api/optimizers/
Optimizer = Literal[
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "lion", "nadam",
    "rmsprop", "sgd",
]  # fmt: skip


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


class Train(Section):
    """A phase that Keras trains in epochs."""

    optimizer: Optimizer
    epochs: WholeNumber
    learning_rate: Positive
    learning_rate_decay: Literal["cosine"] | None
    batch_size: Count
    views_per_epoch: Literal["one", "all"]
    class_weight: Literal["auto", "balanced"] | None
    keep_best: bool
    early_stopping: EarlyStopping | None
    reduce_lr_on_plateau: ReduceLROnPlateau | None
    seed: Seed

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        return self.with_one_of("learning_rate_decay", "reduce_lr_on_plateau")

    def weight_for(self, classes: Iterable) -> Literal["balanced"] | None:
        """`class_weight` for images of these classes; auto is balanced if `are_imbalanced`."""
        if self.class_weight != "auto":
            return self.class_weight
        return "balanced" if are_imbalanced(Counter(classes).values()) else None


LBFGS = "lbfgs"
# For a linear head on more than LBFGS can hold: docs/decisions/25.
IN_BATCHES = Train(
    optimizer="adam",
    epochs=10,
    learning_rate=0.001,
    learning_rate_decay="cosine",
    batch_size=128,
    views_per_epoch="one",
    class_weight="auto",
    keep_best=True,
    early_stopping=None,
    reduce_lr_on_plateau=None,
    seed=1,
)
REQUIRED = ("epochs", "learning_rate", "batch_size", "views_per_epoch", "keep_best", "seed")
OPTIONAL = ("learning_rate_decay", "early_stopping", "reduce_lr_on_plateau")


class TrainHead(Train):
    """The head: solved by LBFGS, where what describes epochs is null, or trained in epochs."""

    optimizer: Literal[Optimizer, LBFGS]
    epochs: WholeNumber | None
    learning_rate: Positive | None
    batch_size: Count | None
    views_per_epoch: Literal["one", "all"] | None
    keep_best: bool | None
    seed: Seed | None

    @field_validator(*(REQUIRED + OPTIONAL))
    @classmethod
    def _belongs_to_the_optimizer(cls, value: object, info: ValidationInfo) -> object:
        optimizer = info.data.get("optimizer")  # missing if it is wrong itself
        if optimizer == LBFGS and value is not None:
            raise ValueError(
                f"expected null, because train_extract.optimizer is {LBFGS}. "
                f"Received: {shown(value)}"
            )
        if optimizer not in (LBFGS, None) and value is None and info.field_name in REQUIRED:
            raise ValueError(
                f"expected a value, because train_extract.optimizer is {optimizer}. Received: null"
            )
        return value


def problem_of_head(optimizer: str, dense: object) -> str | None:
    """What is wrong with a dense layer in the head for this optimizer, or None."""
    if optimizer == LBFGS and dense is not None:
        return (
            f"head.dense: expected null, because train_extract.optimizer is {LBFGS}, which solves "
            "one linear layer. Set another optimizer, such as adam, or remove the dense layer"
        )
    return None
