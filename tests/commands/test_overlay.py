import pytest
from conftest import PROJECT, refused

from pawprint.params.file import overlay, set_values, without_param


def test_null_and_comment_stay_in_their_places():
    params = "a:\n  b: null  # why\n  c: {d: 1}  # what\n"
    changed = overlay(params, "a: {b: {e: 1}, c: null}")
    assert changed == "a:\n  b: {e: 1}  # why\n  c: null  # what\n"
    assert overlay(changed, "a: {b: null, c: {d: 1}}") == params


def test_key_that_params_lacks_is_named():
    for recipe, key in (("splitt: {seed: 2}", "splitt.seed"), ("split: {seeds: 2}", "split.seeds")):
        with refused(f"{key}: params.yaml has no such key"):
            overlay("split:\n  seed: 1  # why\n", recipe)


MINE = """\
# ours
a: {b: 1, c: [2, 3], d: 4}  # what

e:
  f: >
    long
    text

  # own
  g: {h: 1,
    i: 2}  # why
j: {k: 1}
l: {m.n: 1}
"""


@pytest.mark.parametrize(
    ("name", "before", "gone", "comment"),
    [
        ("a.b", "a: {b: 1, c", "a: {c", "# a.b: 1\na: {c"),
        ("a.c", "a: {b: 1, c: [2, 3], d", "a: {b: 1, d", "# a.c: [2, 3]\na: {b: 1, d"),
        (
            "a.d",
            "a: {b: 1, c: [2, 3], d: 4}",
            "a: {b: 1, c: [2, 3]}",
            "# a.d: 4\na: {b: 1, c: [2, 3]}",
        ),
        ("e.f", "  f: >\n    long\n    text\n", "", "  # e.f: >\n  #   long\n  #   text\n"),
        ("e.g", "  g: {h: 1,\n    i: 2}  # why\n", "", "  # e.g: {h: 1,\n  #   i: 2}  # why\n"),
        ("j.k", "j: {k: 1}\n", "", "# j.k: 1\n"),
        ("l.m.n", "l: {m.n: 1}\n", "", "# l.m.n: 1\n"),
    ],
)
def test_param_goes_or_becomes_a_comment_in_any_layout(name, before, gone, comment):
    assert without_param(MINE, name, is_kept=False) == MINE.replace(before, gone)
    assert without_param(MINE, name, is_kept=True) == MINE.replace(before, comment)


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
    text = "train_finetune:\n  epochs: {number: 5, seed: 1}  # why\n"
    changed = set_values(text, {"train_finetune.epochs.number": 7})
    assert changed == text.replace("5", "7")
    with refused("train_finetune.epochs.seed: train_finetune.epochs is not a mapping"):
        set_values("train_finetune:\n  epochs: null\n", {"train_finetune.epochs.seed": 1})
