import pytest
from conftest import PROJECT, refused

from pawprint.params.file import overlay, set_values


def test_null_and_comment_stay_in_their_places():
    params = "a:\n  b: null  # why\n  c: {d: 1}  # what\n"
    changed = overlay(params, "a: {b: {e: 1}, c: null}")
    assert changed == "a:\n  b: {e: 1}  # why\n  c: null  # what\n"
    assert overlay(changed, "a: {b: null, c: {d: 1}}") == params


def test_key_that_params_lacks_is_named():
    for recipe, key in (("splitt: {seed: 2}", "splitt.seed"), ("split: {seeds: 2}", "split.seeds")):
        with refused(f"{key}: params.yaml has no such key"):
            overlay("split:\n  seed: 1  # why\n", recipe)


BLOCK = "augment:\n  views: 1\n  RandomHue:\n    factor: 1\n\n  # own\n  seed: 1\n"
ON_LINES = "augment:\n  views: 1\n  RandomHue: {factor:\n    1}  # why\n\n# own\nhead: {}\n"
IN_FLOW = "augment: {views: 1, RandomHue: {factor: 1}, seed: 1}\n"


@pytest.mark.parametrize(
    ("before", "layer"),
    [
        (BLOCK, "  RandomHue:\n    factor: 1\n"),
        (ON_LINES, "  RandomHue: {factor:\n    1}  # why\n"),
        (IN_FLOW, "RandomHue: {factor: 1}, "),
    ],
)
def test_layer_goes_in_any_layout_and_leaves_the_other_lines(before, layer):
    assert set_values(before, {"augment.RandomHue": None}) == before.replace(layer, "")


def test_layer_that_goes_takes_no_comment_of_others_with_it():
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    mine = params.replace(
        "  RandomZoom: {height_factor: 0.15}\n", "  RandomZoom: {height_factor: 0.15}\n  # ours\n"
    )
    without = overlay(mine, "augment: {RandomZoom: null}")
    assert without == mine.replace("  RandomZoom: {height_factor: 0.15}\n", "")
    assert "RandomZoom: {height_factor: 0.2}" in overlay(
        without, "augment: {RandomZoom: {height_factor: 0.2}}"
    )


def test_key_inside_a_value_is_set_alone():
    text = "train_finetune:\n  epochs: {number: 5, seed: 1}\n"
    changed = set_values(text, {"train_finetune.epochs.number": 7})
    assert changed == text.replace("5", "7")
    with refused("train_finetune.epochs.seed: train_finetune.epochs is not a mapping"):
        set_values("train_finetune:\n  epochs: null\n", {"train_finetune.epochs.seed": 1})
