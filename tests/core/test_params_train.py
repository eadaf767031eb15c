"""The params of the two ways to train a head."""

import pytest
from conftest import PROJECT

from pawprint.core.errors import InputError
from pawprint.core.params.train import OPTIONAL, REQUIRED
from pawprint.core.params.whole import load_params
from recipes.overlay import overlay

PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")
ADAM = {
    "optimizer": "adam",
    "epochs": 3,
    "learning_rate": 0.001,
    "batch_size": 32,
    "views_per_epoch": "one",
    "keep_best": "true",
    "seed": 1,
}
SET = ADAM | {
    "learning_rate_decay": "cosine",
    "early_stopping": "{patience: 1}",
    "reduce_lr_on_plateau": "{patience: 1}",
}


def problem(tmp_path, head: str = "null", **changes) -> str:
    """What is wrong with the params after these changes of train_extract."""
    values = ", ".join(f"{key}: {value}" for key, value in changes.items())
    text = overlay(PARAMS, f"train_extract: {{{values}}}\nhead: {{dense: {head}}}")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    try:
        load_params(tmp_path / "params.yaml")
    except InputError as error:
        return str(error).removeprefix(f"{tmp_path / 'params.yaml'}: ")
    return ""


@pytest.mark.parametrize("key", [*REQUIRED, *OPTIONAL])
def test_param_of_epochs_is_null_for_lbfgs(tmp_path, key):
    line = problem(tmp_path, **{key: SET[key]})
    assert line.startswith(f"train_extract.{key}: expected null, because ")
    assert "\n" not in line


@pytest.mark.parametrize("key", REQUIRED)
def test_param_of_epochs_has_a_value_for_another_optimizer(tmp_path, key):
    assert problem(tmp_path, **ADAM) == ""
    line = problem(tmp_path, **ADAM | {key: "null"})
    assert line.startswith(f"train_extract.{key}: expected a value, because ")
    assert "\n" not in line


def test_classes_are_weighted_by_both(tmp_path):
    assert problem(tmp_path, class_weight="balanced") == ""
    assert problem(tmp_path, **ADAM, class_weight="balanced") == ""


def test_dense_layer_needs_another_optimizer(tmp_path):
    assert problem(tmp_path, "{units: 8}").startswith("head.dense: expected null, because ")
    assert problem(tmp_path, "{units: 8}", **ADAM) == ""


def test_fine_tuning_is_not_solved(tmp_path):
    text = overlay(PARAMS, "train_finetune: {optimizer: lbfgs}")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"train_finetune\.optimizer: expected 'adadelta', "):
        load_params(tmp_path / "params.yaml")
