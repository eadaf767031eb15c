from conftest import refused

from pawprint.recipes.overlay import overlay


def test_null_and_comment_stay_in_their_places():
    params = "a:\n  b: null  # why\n  c: {d: 1}  # what\n"
    changed = overlay(params, "a: {b: {e: 1}, c: null}")
    assert changed == "a:\n  b: {e: 1}  # why\n  c: null  # what\n"
    assert overlay(changed, "a: {b: null, c: {d: 1}}") == params


def test_key_that_params_lacks_is_named():
    for recipe, key in (("splitt: {seed: 2}", "splitt.seed"), ("split: {seeds: 2}", "split.seeds")):
        with refused(f"{key}: the recipe names a key not in params"):
            overlay("split:\n  seed: 1  # why\n", recipe)
