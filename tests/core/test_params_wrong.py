"""Every key of params.yaml with every kind of wrong value: one line names it, before any work."""

import ast
import copy
import datetime
import math
from collections.abc import Iterator

import pytest
import yaml
from conftest import PROJECT
from hypothesis import given, settings
from hypothesis import strategies as st

from pawprint.core.errors import InputError
from pawprint.core.params.whole import load_params
from pawprint.core.yaml import parse_yaml, read_yaml
from recipes.overlay import apply, overlay

# Every key that may be null is given here, so that the keys in it can be wrong too.
FULL = """
augment:
  RandomTranslation: {height_factor: 0.1, width_factor: 0.1}
  RandomShear: {x_factor: 0.1, y_factor: 0.1}
  RandomZoom: {height_factor: 0.1, width_factor: 0.1}
head:
  dense: {units: 8, l2: 0.01, batch_normalization: true}
train_extract:
  optimizer: adam
  epochs: 10
  learning_rate: 0.001
  batch_size: 32
  views_per_epoch: one
  keep_best: false
  seed: 1
  early_stopping: {patience: 3, restore_best_weights: true}
  reduce_lr_on_plateau: {factor: 0.2, patience: 2}
"""
TEXT = overlay(apply((PROJECT / "params.yaml").read_text(encoding="utf-8"), "default"), FULL)
PARAMS = parse_yaml(TEXT, "params.yaml")
VALUES = [
    None, True, False, 0, 1, -1, 0.5, 1.5, -0.5, 2**31, -(2**63), 10**400,
    math.nan, math.inf, -math.inf, 1e308, 5e-324, "", "text", "0.5", "\n", "\x1b", "ж",
    "x" * 10_000, [], ["text"], [[]], {}, {"a": 1}, {1: 2}, datetime.date(2001, 1, 1), b"bytes",
]  # fmt: skip


def keys_of(mapping: dict, above: tuple = ()) -> Iterator[tuple]:
    """The path of every key, sections before what is in them."""
    for name, value in mapping.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from keys_of(value, (*above, name))


KEYS = list(keys_of(PARAMS))
STAGES = read_yaml(PROJECT / "dvc.yaml")["stages"]
LEAVES = [key for key in KEYS if not any(other[:-1] == key for other in KEYS)]


def changed(key: tuple, change) -> dict:
    """The params with `change(mapping, name)` done to one key."""
    params = copy.deepcopy(PARAMS)
    mapping = params
    for name in key[:-1]:
        mapping = mapping[name]
    change(mapping, key[-1])
    return params


def lines(tmp_path, params: dict) -> list[str]:
    """The lines that refuse the params, without the file's name; none if they are accepted."""
    path = tmp_path / "params.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.safe_dump(params, file)
    try:
        load_params(path)
    except InputError as error:
        found = str(error).split("\n")
        assert all(line.startswith(f"{path}: ") and len(line) < 1000 for line in found)
        return [line.removeprefix(f"{path}: ") for line in found]
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("params")


def test_all_keys_as_they_are_are_accepted(folder):
    assert lines(folder, PARAMS) == []
    assert len(LEAVES) > 50


@settings(max_examples=300, deadline=None, derandomize=True)
@given(key=st.sampled_from(KEYS), value=st.sampled_from(VALUES))
def test_value_of_the_wrong_type_or_out_of_range_is_one_line_that_names_its_key(folder, key, value):
    given = changed(key, lambda mapping, name: mapping.update({name: value}))
    found = lines(folder, given)
    before = PARAMS
    for name in key:
        before = before[name]
    if not found:  # then it is a value that this key may have
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        kinds = (type(value), type(before))
        others = [(int, float), (datetime.date, str)]  # a date is text in YAML 1.2
        is_layer = key == ("model", "fine_tune_at") and isinstance(value, (str, datetime.date))
        is_other = kinds in others or is_layer
        assert None in (value, before) or kinds[0] is kinds[1] or is_other
        assert not is_number or math.isfinite(value)
    elif isinstance(before, dict) and isinstance(value, dict):
        assert all(line.startswith(".".join(key)) for line in found)
    else:
        (line,) = found
        assert line.startswith((".".join(key), f"{key[0]}: expected"))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(wrong=st.sets(st.sampled_from(LEAVES), min_size=1))
def test_every_wrong_key_has_its_line(folder, wrong):
    params = PARAMS
    for key in wrong:
        one = changed(key, lambda mapping, name: mapping.update({name: [[]]}))
        params = merged(params, one)
    named = [line.split(": ")[0] for line in lines(folder, params)]
    assert sorted(name.removesuffix(".0") for name in named) == sorted(map(".".join, wrong))


def merged(params: dict, one: dict) -> dict:
    """The params, with what is `[[]]` in `one` so here too."""
    if not isinstance(one, dict):
        return one if one == [[]] else params
    return {name: merged(value, one[name]) for name, value in params.items()}


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_missing_key_is_named_or_has_a_default(folder, key):
    found = lines(folder, changed(key, lambda mapping, name: mapping.pop(name)))
    assert found in ([], [f"{'.'.join(key)}: expected this key. Received: none"]) or (
        key[:2] == ("clean", "labels") and found[0].startswith("clean.labels: ")
    )
    assert found or len(key) == 3, "only a key of a layer or a callback has a default"


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_unknown_key_is_named(folder, key):
    found = lines(folder, changed(key, lambda mapping, name: mapping.update({"zzz": None})))
    (line,) = found
    unknown = ".".join((*key[:-1], "zzz"))
    assert line.startswith(f"{unknown}: unknown key.") or line.startswith("clean.labels")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"cat": ["pets"], "dog": ["Pets"]}, "each folder once, in any case"),
        (
            {"none": ["cats"], "dog": ["dogs"]},
            "labels of printable characters, without < and spaces at the ends, other than none",
        ),
        ({"cat": ["cats"]}, "two or more classes. Received: 1: cat"),
        ({"cat": ["a"], "Cat": ["b"]}, "labels that differ in more than upper and lower case"),
        ("folders", "auto, or a mapping of each class to the list of its folders"),
        ({"": ["cats"], "dog": ["dogs"]}, "labels of printable characters"),
        ({"\x1b": ["cats"], "dog": ["dogs"]}, "labels of printable characters"),
        ({"\u202egac": ["cats"], "dog": ["dogs"]}, "labels of printable characters"),
        ({"<b>": ["cats"], "dog": ["dogs"]}, "labels of printable characters"),
        ({"caf\u00e9": ["a"], "cafe\u0301": ["b"]}, "labels that differ in more than"),
    ],
)
def test_labels_that_would_be_taken_for_others_are_refused(folder, labels, message):
    (line,) = lines(folder, changed(("clean", "labels"), lambda m, name: m.update(labels=labels)))
    assert line.startswith(f"clean.labels: expected {message}")


@pytest.mark.parametrize("key", ["threshold", "recall"])
def test_threshold_of_more_than_two_classes_is_refused(folder, key):
    params = changed(("calibrate", key), lambda m, name: m.update({name: 0.9}))
    assert lines(folder, params) == []
    params["clean"]["labels"] = {name: [name] for name in ("cat", "dog", "fox")}
    assert lines(folder, params) == [
        f"calibrate.{key}: expected null, because a threshold exists for two classes only. "
        "Received: 0.9 for 3 classes"
    ]


def test_password_in_a_wrong_place_is_not_shown(folder):
    url = "https://user:word@host/x.zip?token=word"
    (line,) = lines(folder, changed(("fetch",), lambda m, name: m.update(fetch=url)))
    assert line.startswith("fetch: expected a mapping with source. Received: ")
    assert line.endswith("'https://host/x.zip'")


@pytest.mark.parametrize(
    "path", [PROJECT / "stages" / f"{name}.py" for name in STAGES], ids=lambda p: p.stem
)
def test_stage_checks_params_before_any_work(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    main = next(node for node in tree.body if getattr(node, "name", "") == "main")
    assert ast.unparse(main.body[0]) == "params = load_params()"
