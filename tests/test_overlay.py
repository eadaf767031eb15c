import pytest
from conftest import PROJECT

from recipes.overlay import overlay
from stages.shared.errors import InputError
from stages.shared.params import load_params

PARAMS = """# head
split:
  seed: 1  # why
clean:
  labels:  # classes
    cat: [cat, cats]
    dog: [dog]
"""


def test_values_change_and_comments_and_order_stay():
    changed = overlay(PARAMS, "split: {seed: 2}")
    assert changed == PARAMS.replace("seed: 1", "seed: 2")


def test_mapping_is_replaced_as_a_whole():
    changed = overlay(PARAMS, "clean:\n  labels:\n    hotdog: [hotdog]\n    other: [other]\n")
    assert "cat" not in changed
    assert "hotdog: [hotdog]" in changed


@pytest.mark.parametrize("recipe", ["splitt: {seed: 2}", "split: {seeds: 2}"])
def test_key_that_params_lacks_is_named(recipe):
    with pytest.raises(InputError, match=r"splitt?\.seeds?: the recipe names a key not in params"):
        overlay(PARAMS, recipe)


def test_every_recipe_gives_params_that_are_valid(tmp_path):
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    recipes = sorted((PROJECT / "recipes").glob("*.yaml"))
    assert recipes
    for recipe in recipes:
        text = overlay(params, recipe.read_text(encoding="utf-8"))
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        assert load_params(tmp_path / "params.yaml") != load_params(PROJECT / "params.yaml")
