"""Test that a wrong value of any param is reported in one line before any work begins."""

import copy
import math

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="install the `dev` extra")

import yaml
from conftest import PROJECT, overlay, refused
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pawprint.base.errors import InputError
from pawprint.commands.params_file import set_values
from pawprint.pipeline.params.data import Flip
from pawprint.pipeline.params.model import TrainExtract, load_params
from pawprint.pipeline.params.section import describe_param_changes

# Every nullable param has a value, so that its inner keys are tested as well.
NULLABLE_SECTIONS = """
augment: {RandomShear: {x_factor: 0.1}, RandomZoom: {height_factor: 0.1}}
head: {dense: {units: 8, l2: 0.01}}
train_extract: {epochs: {early_stopping: {patience: 3}, reduce_lr_on_plateau: {factor: 0.2}}}
"""
PARAMS = PROJECT / "params.yaml"
FULL = yaml.safe_load(overlay(PARAMS.read_text(encoding="utf-8"), NULLABLE_SECTIONS))
MISSING = object()
ON_A_BUSY_COMPUTER = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
EPOCHS, TUNING = "train_extract.epochs", "train_finetune.epochs"
NUMBERS = ["augment.views", "split.seed", "augment.RandomZoom.height_factor"]
NUMBERS += ["train_finetune.epochs.learning_rate", "head.dense.l2", "model.image_size"]
CHOICES = ["model.resize", "augment.RandomFlip.mode", "hardware.precision"]
CHOICES += ["train_extract.class_weight", "split.use_archive_split"]
SECTIONS = ["fetch", "model", "augment.RandomFlip", "head.dense", f"{EPOCHS}.early_stopping"]
FILE = {"weights.source": "file.h5"}
ONNX_FILE = {"weights.source": "file.onnx", "model.backbone": "onnx", "model.alpha": None}
ONNX_FILE |= {"model.fine_tune_at": None}
SEVERAL = {"clean.several_labels": True, "train_extract.epochs": None, "head.dense": None}
SEVERAL |= {"model.fine_tune_at": None}
ONNX_FILE |= {"model.onnx": {"output": "a", "mean": [0, 0, 0], "std": [1, 1, 1]}}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """Return the lines that reject some changed params, by key, or none if they are accepted."""
    path = tmp_path_factory.mktemp("params") / "params.yaml"

    def load(changes: dict[str, object]) -> list[str]:
        params = copy.deepcopy(FULL)
        for key, value in changes.items():
            *above, last = key.split(".")
            section = params
            for name in above:
                section = section[name]
            section[last] = value
            if value is MISSING:
                del section[last]
        path.write_text(yaml.safe_dump(params), encoding="utf-8")
        try:
            load_params(path)
        except InputError as error:
            lines = str(error).splitlines()
            assert all(line.startswith(f"{path}: ") and len(line) < 1000 for line in lines)
            return [line.removeprefix(f"{path}: ") for line in lines]
        return []

    assert load({}) == []
    return load


def test_labels_that_were_not_asked_are_of_a_project_of_several_labels(refusals):
    assert is_named(refusals({"clean.not_asked": ["new"]}), "clean.not_asked")
    assert is_named(refusals(SEVERAL | {"clean.not_asked": ["new?"]}), "clean.not_asked")
    assert refusals(SEVERAL | {"clean.not_asked": ["new"]}) == []


def is_named(lines: list[str], key: str) -> bool:
    """Return whether there is exactly one line, and it names the key."""
    return len(lines) == 1 and lines[0].startswith(f"{key}: ")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.text(), parts, max_size=2),
    max_leaves=4,
)


@settings(max_examples=40, **ON_A_BUSY_COMPUTER)
@given(key=st.sampled_from(NUMBERS + CHOICES), value=ANYTHING)
def test_value_of_another_kind_is_refused(refusals, key, value):
    assume(key in CHOICES or isinstance(value, bool) or not isinstance(value, (int, float)))
    assume(key in NUMBERS or not isinstance(value, (bool, type(None))))
    assert is_named(refusals({key: value}), key)


@pytest.mark.parametrize(
    ("key", "value"),
    [*((key, value) for key in NUMBERS for value in (-1, math.nan, math.inf)), ("split.seed", 0.5)],
)
def test_number_outside_its_range_is_refused(refusals, key, value):
    assert is_named(refusals({key: value}), key)


@settings(max_examples=30, **ON_A_BUSY_COMPUTER)
@given(key=st.sampled_from(SECTIONS), name=st.text(min_size=1), value=ANYTHING)
def test_section_is_a_mapping_without_unknown_keys(refusals, key, name, value):
    assume(not isinstance(value, dict) and (value is not None or key in FULL))
    assert is_named(refusals({key: value}), key)
    if name.isidentifier() and name not in str(FULL):
        assert is_named(refusals({f"{key}.{name}": 1}), f"{key}.{name}")


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"model.alpha": 0.4}, "model"),
        ({"model.backbone": "ResNet50"}, "model"),
        ({"model.backbone": "ResNet50", "model.alpha": None}, None),
        ({"model.fine_tune_at": None}, None),
        ({"model.fine_tune_at": "Auto"}, "model.fine_tune_at"),
        (ONNX_FILE | {"model.fine_tune_at": 0}, "model"),
        ({"model.backbone": "Xception", "model.alpha": None, "model.image_size": 70}, "model"),
        ({"model.backbone": "EfficientNetB0", "model.alpha": None, **FILE}, "weights.source"),
        (ONNX_FILE | {"weights.source": "imagenet"}, "weights.source"),
        (ONNX_FILE, None),
        (ONNX_FILE | {"model.onnx": None}, "model"),
        (ONNX_FILE | {"model.onnx": {"output": "a", "mean": [0, 0, 0]}}, "model.onnx.std"),
        (ONNX_FILE | {"model.features": "blocks"}, None),
        ({"split.validation_fraction": 0.9, "split.test_fraction": 0.1}, "split"),
        ({"split.validation_fraction": 0.9, "split.test_fraction": 0.05}, None),
        ({"split.group": "(a)(b)"}, "split.group"),
        ({f"{EPOCHS}.learning_rate_decay": "cosine"}, EPOCHS),
        ({EPOCHS: {"learning_rate": 0.01}}, None),
        ({EPOCHS: None}, "head.dense"),  # is trained in epochs
        ({EPOCHS: None, "head.dense": None}, None),
        ({"calibrate.threshold": {"dog": 0.3}, "calibrate.recall": {"dog": 0.9}}, "calibrate"),
        ({"calibrate.threshold": {"dog": 0.3}}, None),
        ({"calibrate.recall": {"dgo": 0.9}}, "calibrate.recall"),
        ({"calibrate.recall": 0.9}, "calibrate.recall"),
        ({"calibrate.recall": {"dog": 1.0}}, "calibrate.recall.dog"),
        ({"calibrate.recall": {"dog": 0.9, "cat": 0.9}}, "calibrate.recall"),
        ({"clean.labels": "auto"}, None),
        (SEVERAL, None),
        (SEVERAL | {EPOCHS: {"number": 1}}, EPOCHS),
        (SEVERAL | {"model.fine_tune_at": "auto"}, "model.fine_tune_at"),
        (SEVERAL | {"head.dense": {"units": 8}}, "head.dense"),
        (SEVERAL | {"train_extract.class_weight": "balanced"}, "train_extract.class_weight"),
        (SEVERAL | {"calibrate.max_error": 0.1}, "calibrate.max_error"),
        (SEVERAL | {"calibrate.recall": {"dog": 0.9, "cat": 0.9}}, None),
        ({"clean.labels": {"cat": ["cats"]}}, "clean.labels"),
        ({"clean.labels": {"cat": ["pets"], "dog": ["Pets"]}}, "clean.labels"),
        ({"clean.labels": {"cat": ["a"], "None": ["b"]}}, "clean.labels"),
        ({"clean.labels": {"NA": ["a"], "null": ["b"]}}, None),
        ({f"{TUNING}.reduce_lr_on_plateau": {"factor": 0.2}}, TUNING),
        ({TUNING: None}, TUNING),
        ({"split.seed": MISSING}, "split.seed"),
        ({"head.dense.l2": MISSING}, None),
    ],
)
def test_keys_that_depend_on_each_other(refusals, changes, key):
    lines = refusals(changes)
    assert is_named(lines, key) if key else lines == []


@pytest.mark.parametrize(
    ("changes", "key", "quoted"),
    [
        ({"clean.labels": {"Rosa": ["a"], "Malva": [1355920]}}, "clean.labels.Malva.0", "1355920"),
        ({"clean.labels": {"Rosa": ["a"], 2019: ["b"]}}, "clean.labels.2019", "2019"),
        ({"split.group": 1.5}, "split.group", "1.5"),
    ],
)
def test_name_that_yaml_reads_as_a_number_is_to_be_written_in_quotes(
    refusals, changes, key, quoted
):
    (line,) = refusals(changes)
    assert is_named([line], key) and f"write '{quoted}' in quotes" in line


def test_nothing_of_a_wrong_value_harms_a_terminal_or_shows_a_password(refusals):
    (line,) = refusals({"fetch": "https://user:word@host/x.zip?token=word\x1b"})
    assert line.isprintable() and "word" not in line


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("horizontal", True), ("horizontal_and_vertical", True), ("vertical", False), (None, False)],
)
def test_images_are_mirrored_only_where_training_mirrors_them_left_to_right(mode, expected):
    augment = load_params(PROJECT / "params.yaml").augment
    flip = mode and Flip(mode=mode)
    assert augment.model_copy(update={"RandomFlip": flip}).mirrors(4) == expected
    for keep_original in (True, False):  # the only view is the image itself, or may be mirrored
        one = {"RandomFlip": flip, "keep_original": keep_original}
        mirrors = expected and not keep_original
        assert augment.model_copy(update=one).mirrors(1) == mirrors


@pytest.mark.parametrize(
    ("images", "expected"),
    [([50, 10, 10], "balanced"), ([40, 10, 10], None), ([90, 10], None), ([7, 7, 7], None)],
)
def test_class_weight_auto_is_balanced_for_imbalanced_classes(images, expected):
    params = TrainExtract.load(path=PROJECT / "params.yaml")
    classes = np.repeat(np.arange(len(images), dtype=np.float32), images)
    assert params.class_weight == "auto"
    assert params.weight_for(classes) == expected
    for fixed in ("balanced", None):
        assert params.model_copy(update={"class_weight": fixed}).weight_for(classes) == fixed


def test_changed_params_are_told_with_both_values_even_if_python_calls_them_equal():
    before = {"a.is_on": False, "a.gone": 1, "a.same": 1, "a.inner": {"x": 1, "y": 2}}
    after = {"a.is_on": 0, "a.new": None, "a.same": 1, "a.inner": {"x": 1, "y": "z"}}
    lines = ["a.is_on: false → 0", "a.inner.y: 2 → z", "a.gone: 1 → not set"]
    assert describe_param_changes(before, after) == lines


def test_null_and_comment_stay_in_their_places():
    params = "a:\n  b: null  # why\n  c: {d: 1}  # what\n"
    changed = overlay(params, "a: {b: {e: 1}, c: null}")
    assert changed == "a:\n  b: {e: 1}  # why\n  c: null  # what\n"
    assert overlay(changed, "a: {b: null, c: {d: 1}}") == params


def test_comments_after_a_mapping_in_several_lines_stay():
    for factor in ("1", "1  # why", "\n    - 0.1\n    - 0.2"):
        layer = f"  RandomShear:\n    factor: {factor}\n"
        params = f"augment:\n{layer}\n  # mine\n  seed: 1\n"
        changed = set_values(params, {"augment.RandomShear": {"factor": 2}})
        comment = factor.removeprefix("1") if "#" in factor else ""
        assert changed == params.replace(layer, f"  RandomShear: {{factor: 2}}{comment}\n")


ZOOM = "augment.RandomZoom"
VIEWS = "augment:\n views: 1  # a"


@pytest.mark.parametrize(
    ("params", "name", "value", "expected"),
    [
        ("split: {seed: 1, group}", "split.group", "a,b", "split: {seed: 1, group: 'a,b'}"),
        ("split:\n  group:  # why", "split.group", "a", "split:\n  group: a  # why"),
        ("split:\n  'seed' : 1", "split.seed", 2, "split:\n  'seed': 2"),
        ("split:\n  group: |\n    a\n\n# b", "split.group", "c", "split:\n  group: c\n\n# b"),
        ("\ufeffsplit:\n  seed: 1", "split.seed", 2, "split:\n  seed: 2"),  # of Notepad
        ("augment: {views: 1}", ZOOM, 2, "augment: {views: 1, RandomZoom: 2}"),
        ("augment: {RandomZoom: 2}", ZOOM, None, "augment: {RandomZoom: null}"),
        (f"{VIEWS}\n RandomZoom: 2  # b\n# c", ZOOM, None, f"{VIEWS}\n# c"),
        (f"{VIEWS}\n # b\n seed: 1", ZOOM, 2, f"{VIEWS}\n RandomZoom: 2\n # b\n seed: 1"),
    ],
)
def test_value_is_set_whatever_yaml_a_person_wrote(params, name, value, expected):
    assert set_values(params, {name: value}) == f"{expected}\n"


@pytest.mark.parametrize("yaml", ["{seed:  # a\n 1}", "\n ? seed\n : 1", "{seed: &a 1, b: *a}"])
def test_value_that_cannot_be_set_is_named(yaml):
    with refused("params.yaml: cannot set split.seed. Write one param per line"):
        set_values(f"split: {yaml}\n", {"split.seed": 2})


def test_key_that_params_lacks_is_named():
    for recipe, key in (("splitt: {seed: 2}", "splitt.seed"), ("split: {seeds: 2}", "split.seeds")):
        with refused(f"{key}: params.yaml has no such key"):
            overlay("split:\n  seed: 1  # why\n", recipe)
