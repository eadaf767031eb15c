"""The two phases of training: the sections train_extract and train_finetune."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pawprint.core.params.section import Section
from pawprint.core.params.types import Count, Fraction, NotNegative, Positive, Seed, WholeNumber

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
