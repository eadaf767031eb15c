"""Params that have Keras' names have its defaults and choices."""

import inspect
import re

import pytest

from pawprint.network.hardware import keras
from pawprint.params.augment import RandomShear, RandomZoom
from pawprint.params.model import WIDTHS
from pawprint.params.training import EarlyStopping, ReduceLROnPlateau

KERAS = {
    EarlyStopping: keras.callbacks.EarlyStopping,
    ReduceLROnPlateau: keras.callbacks.ReduceLROnPlateau,
    RandomShear: keras.layers.RandomShear,
    RandomZoom: keras.layers.RandomZoom,
}


@pytest.mark.parametrize("section", KERAS)
def test_defaults_are_those_of_keras(section):
    parameters = inspect.signature(KERAS[section]).parameters
    for name, field in section.model_fields.items():
        if not field.is_required():
            assert field.default == parameters[name].default, name


@pytest.mark.parametrize("name", WIDTHS)
def test_widths_are_those_for_which_keras_publishes_weights(name):
    with pytest.raises(ValueError, match="alpha") as raised:
        getattr(keras.applications, name)(alpha=0.1, include_top=False)
    published = {float(width) for width in re.findall(r"`(\d\.\d+)`", str(raised.value))}
    assert published == set(WIDTHS[name])
