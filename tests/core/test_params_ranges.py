"""Both sides of both ends of every range in the schema of params.yaml."""

import inspect
import math
import sys
from collections.abc import Iterator
from typing import get_args

import pytest
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo

from pawprint.core.labels import NEITHER, UNKNOWN
from pawprint.core.params.head import Dense
from pawprint.core.params.model import WIDTHS, Backbone
from pawprint.core.params.train import Optimizer
from pawprint.core.params.whole import Params
from pawprint.network.backend import keras

SMALLEST, LARGEST = math.nextafter(0, 1), sys.float_info.max
BEFORE_1, AFTER_1 = math.nextafter(1, 0), math.nextafter(1, 2)
# Lowest accepted, just below, highest accepted, just above.
COUNT = (1, 0, 2**31 - 1, 2**31)
WHOLE_NUMBER = (0, -1, 2**31 - 1, 2**31)
SEED = (0, -1, 2**32 - 1, 2**32)
FRACTION = (SMALLEST, 0.0, BEFORE_1, 1.0)
BELOW_ONE = (0.0, -SMALLEST, BEFORE_1, 1.0)
UP_TO_ONE = (0.0, -SMALLEST, 1.0, AFTER_1)
NOT_NEGATIVE = (0.0, -SMALLEST, LARGEST, math.inf)
POSITIVE = (SMALLEST, 0.0, LARGEST, math.inf)
TRAIN = {
    "epochs": WHOLE_NUMBER,
    "learning_rate": POSITIVE,
    "batch_size": COUNT,
    "early_stopping.min_delta": NOT_NEGATIVE,
    "early_stopping.patience": WHOLE_NUMBER,
    "early_stopping.baseline": (-LARGEST, -math.inf, LARGEST, math.inf),
    "early_stopping.start_from_epoch": WHOLE_NUMBER,
    "reduce_lr_on_plateau.factor": FRACTION,
    "reduce_lr_on_plateau.patience": WHOLE_NUMBER,
    "reduce_lr_on_plateau.min_delta": NOT_NEGATIVE,
    "reduce_lr_on_plateau.cooldown": WHOLE_NUMBER,
    "reduce_lr_on_plateau.min_lr": NOT_NEGATIVE,
    "seed": SEED,
}
RANGES = {
    "split.seed": SEED,
    "split.validation_fraction": FRACTION,
    "split.test_fraction": FRACTION,
    "split.near_duplicate_distance": (0, -1, 64, 65),
    "model.image_size": (32, 31, 1024, 1025),
    "model.fine_tune_at": WHOLE_NUMBER,
    "model.fine_tune_last": WHOLE_NUMBER,
    "augment.views": COUNT,
    "augment.RandomRotation.factor": UP_TO_ONE,
    "augment.RandomTranslation.height_factor": UP_TO_ONE,
    "augment.RandomTranslation.width_factor": UP_TO_ONE,
    "augment.RandomShear.x_factor": UP_TO_ONE,
    "augment.RandomShear.y_factor": UP_TO_ONE,
    "augment.RandomZoom.height_factor": BELOW_ONE,
    "augment.RandomZoom.width_factor": BELOW_ONE,
    "augment.seed": SEED,
    "preview.samples": COUNT,
    "preview.near_duplicates": COUNT,
    "head.dense.units": COUNT,
    "head.dense.l2": NOT_NEGATIVE,
    "head.dropout": BELOW_ONE,
    **{f"train_extract.{key}": ends for key, ends in TRAIN.items()},
    **{f"train_finetune.{key}": ends for key, ends in TRAIN.items()},
    "calibrate.threshold": FRACTION,
    "calibrate.recall": (SMALLEST, 0.0, 1.0, AFTER_1),
    "calibrate.unknown_quantile": FRACTION,
    "evaluate.confidence": FRACTION,
    "plot.predictions": COUNT,
    "plot.errors": COUNT,
    "plot.likely_wrong_labels": COUNT,
}
# Accepted, and refused.
SHA256 = ("0123456789abcdef" * 4, ["0" * 63, "0" * 65, "A" * 64, "g" * 64, ""])
TEXTS = {
    "fetch.source": ("x", ["", ["x"]]),
    "weights.source": ("x", [""]),
    "weights.sha256": SHA256,
    "model.fine_tune_at": ("block_11_expand", [""]),
    "clean.labels": (
        {"cat": ["x"], "dog": ["y"]},
        [
            {"cat": ["x"], "dog": []},
            {"cat": ["x"]},
            {"cat": ["x"], "dog": ["X"]},
            {"cat": ["x"], "Cat": ["y"]},
            "none",
        ],
    ),
}


def fields(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field below the model by its key, sections left out."""
    for name, field in model.model_fields.items():
        key = f"{above}{name}"
        section = next(iter(get_args(field.annotation)), field.annotation)
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from fields(section, f"{key}.")
        else:
            yield key, field


def is_constrained(part: object) -> bool:
    """Whether an annotation, or any part of one, has a range, a length or a pattern."""
    if isinstance(part, FieldInfo):
        limits = [each for each in part.metadata if not isinstance(each, BeforeValidator)]
        return bool(limits) or is_constrained(part.annotation)
    return any(map(is_constrained, get_args(part)))


FIELDS = dict(fields(Params))


def accepts(key: str, value: object) -> bool:
    """Whether no error names the key; the rest of the file is missing and has its own errors."""
    names = key.split(".")
    content = value
    for name in reversed(names):
        content = {name: content}
    with pytest.raises(ValidationError) as error:
        Params.model_validate(content)
    return not any(problem["loc"][: len(names)] == (*names,) for problem in error.value.errors())


def test_every_field_with_a_range_a_length_or_a_pattern_is_listed():
    constrained = {key for key, field in FIELDS.items() if is_constrained(field)}
    assert constrained == RANGES.keys() | TEXTS.keys()


@pytest.mark.parametrize("key", RANGES)
def test_range_ends_where_it_should(key):
    lowest, below, highest, above = RANGES[key]
    assert [accepts(key, value) for value in (lowest, highest)] == [True, True]
    assert [accepts(key, value) for value in (below, above)] == [False, False]
    assert not accepts(key, math.nan)


@pytest.mark.parametrize("key", TEXTS)
def test_text_is_accepted_or_refused(key):
    accepted, refused = TEXTS[key]
    assert accepts(key, accepted)
    assert [value for value in refused if accepts(key, value)] == []


@pytest.mark.parametrize(
    ("section", "layer"),
    [
        ("train_extract.early_stopping", keras.callbacks.EarlyStopping),
        ("train_extract.reduce_lr_on_plateau", keras.callbacks.ReduceLROnPlateau),
        ("augment.RandomShear", keras.layers.RandomShear),
        ("augment.RandomZoom", keras.layers.RandomZoom),
    ],
)
def test_defaults_are_those_of_keras(section, layer):
    arguments = inspect.signature(layer).parameters
    compared = 0
    for key, field in FIELDS.items():
        name = key.rpartition(".")[2]
        if key.startswith(f"{section}.") and not field.is_required() and name in arguments:
            assert field.default == arguments[name].default, key
            compared += 1
    assert compared


def test_layer_of_the_head_is_plain_by_default():
    assert Dense(units=8) == Dense(units=8, l2=0.0, batch_normalization=False)


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_optimizer_is_one_of_keras(name):
    assert type(keras.optimizers.get(name)).__name__.lower() == name


def test_backbones_are_the_applications_of_keras():
    applications = vars(keras.applications).items()
    assert set(get_args(Backbone)) == {
        name for name, each in applications if inspect.isfunction(each)
    }


@pytest.mark.parametrize("name", get_args(Backbone))
def test_width_is_one_with_published_weights_or_null_for_a_backbone_without(name):
    arguments = inspect.signature(getattr(keras.applications, name)).parameters
    assert (name in WIDTHS) == ("alpha" in arguments)
    alphas = [None, True, *(number / 100 for number in range(201))]
    accepted = []
    for alpha in alphas:
        with pytest.raises(ValidationError) as error:
            Params.model_validate({"model": {"backbone": name, "alpha": alpha}})
        if not any(each["loc"] == ("model", "alpha") for each in error.value.errors()):
            accepted.append(alpha)
    assert accepted == list(WIDTHS.get(name, [None]))


@pytest.mark.parametrize("label", [NEITHER, UNKNOWN, "", " cat", "a\nb"])
def test_label_cannot_be(label):
    assert not accepts("clean.labels", {label: ["x"], "other": ["y"]})


CHOICES = {
    "clean.rule": ["decodes", "jfif"],
    "model.resize": ["crop", "pad", "stretch"],
    "model.pooling": ["average", "flatten"],
    "augment.RandomFlip.mode": ["horizontal", "vertical", "horizontal_and_vertical"],
    "head.output": ["probabilities", "logits"],
    "hardware.devices": ["auto", "cpu"],
    "hardware.precision": ["auto", "float32", "mixed_float16", "mixed_bfloat16"],
    "train_extract.learning_rate_decay": ["cosine", None],
    "train_extract.views_per_epoch": ["one", "all"],
    "calibrate.views": ["one", "flip", "crops"],
    "train_extract.class_weight": ["balanced", None],
    "train_extract.early_stopping.monitor": ["val_loss", "val_accuracy", "loss", "accuracy"],
    "train_extract.early_stopping.mode": ["auto", "min", "max"],
    "train_extract.reduce_lr_on_plateau.monitor": ["val_loss", "val_accuracy", "loss", "accuracy"],
    "train_extract.reduce_lr_on_plateau.mode": ["auto", "min", "max"],
}


@pytest.mark.parametrize("key", CHOICES)
def test_choices_are_the_documented_ones(key):
    assert [value for value in CHOICES[key] if not accepts(key, value)] == []
    assert not accepts(key, "other")
