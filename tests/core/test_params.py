import pytest
from conftest import ADAM, PROJECT

from pawprint.core.errors import InputError
from pawprint.core.params.whole import load_params
from pawprint.core.yaml import parse_yaml
from recipes.overlay import overlay

TEXT = overlay((PROJECT / "params.yaml").read_text(encoding="utf-8"), ADAM)


def write(tmp_path, old: str, new: str):
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "optimizer: adam",
            "optimiser: adam",
            "train_extract.optimiser: unknown key. Did you mean optimizer?",
        ),
        (
            "learning_rate: 0.001",
            "learning_rate: fast",
            "train_extract.learning_rate: expected a valid number. Received: 'fast'",
        ),
        (
            "learning_rate: 0.001",
            "learning_rate: 0",
            "train_extract.learning_rate: expected > 0. Received: 0",
        ),
        (
            "learning_rate: 0.001",
            "learning_rate: .nan",
            "train_extract.learning_rate: expected a finite number. Received: nan",
        ),
        ("  seed: 1", "", "split.seed: expected this key. Received: none"),
        (
            "alpha: 0.35",
            "alpha: 0.4",
            "model.alpha: expected 0.35, 0.5, 0.75, 1.0, 1.3 or 1.4, a width of MobileNetV2. "
            "Received: 0.4",
        ),
        (
            "alpha: 0.35",
            "alpha: null",
            "model.alpha: expected 0.35, 0.5, 0.75, 1.0, 1.3 or 1.4, a width of MobileNetV2. "
            "Received: null",
        ),
        (
            "backbone: MobileNetV2",
            "backbone: ResNet50",
            "model.alpha: expected null, because ResNet50 has one width. Received: 0.35",
        ),
        (
            "backbone: MobileNetV2",
            "backbone: ResNet",
            "model.backbone: expected 'ConvNeXtBase', 'ConvNeXtLarge', ",
        ),
        (
            "fine_tune_at: 100",
            "fine_tune_at: -1",
            "model.fine_tune_at: expected the index of a layer, from 0, or the name of one, or "
            "null. Received: -1",
        ),
        ("epochs: 10", "epochs: 10.5", "train_extract.epochs: expected a valid integer"),
        ("epochs: 10", 'epochs: "10"', "train_extract.epochs: expected a valid integer"),
        ("fetch:", "fetsh:", "fetsh: unknown key. Did you mean fetch?"),
        (
            "mode: horizontal",
            "mode: sideways",
            "augment.RandomFlip.mode: expected 'horizontal', 'vertical' or",
        ),
        (
            "RandomZoom: null",
            "RandomBrightness: {factor: 0.1}",
            "augment.RandomBrightness: unknown key. Known here: views, keep_original, RandomFlip, "
            "RandomRotation, RandomTranslation, RandomShear, RandomZoom, seed",
        ),
        (
            "RandomZoom: null",
            "RandomZoom: {hight_factor: 0.1}",
            "augment.RandomZoom.hight_factor: unknown key. Did you mean height_factor?",
        ),
        (
            "RandomZoom: null",
            "RandomZoom: 0.1",
            "augment.RandomZoom: expected a mapping with height_factor, width_factor. "
            "Received: 0.1",
        ),
        (
            "early_stopping: null",
            "early_stopping: {monitor: validation_loss}",
            "train_extract.early_stopping.monitor: expected 'val_loss', 'val_accuracy', 'loss' or",
        ),
        ("optimizer: adam", "optimizer: adm", "train_extract.optimizer: expected 'adadelta', "),
        ("rule: decodes", "rule: jpeg", "clean.rule: expected 'decodes' or 'jfif'. Received: "),
        (
            "fine_tune_last: null",
            "fine_tune_last: 54",
            "model: expected one of fine_tune_at and fine_tune_last, and null for the other. "
            "Received: 100 and 54",
        ),
        (
            "fine_tune_at: 100",
            "fine_tune_at: null",
            "model: expected one of fine_tune_at and fine_tune_last, and null for the other. "
            "Received: None and None",
        ),
        (
            "learning_rate_decay: null",
            "learning_rate_decay: linear",
            "train_extract.learning_rate_decay: expected 'cosine'. Received: 'linear'",
        ),
        ("  dense: null", "  dense: 512", "head.dense: expected a mapping with units, l2, "),
        ("dog: [dog, dogs]", "dog: []", "clean.labels.dog: "),
        (", dog: [dog, dogs]}", "}", "clean.labels: "),
    ],
)
def test_wrong_line_is_named_with_what_was_expected(tmp_path, old, new, message):
    with pytest.raises(InputError) as error:
        load_params(write(tmp_path, old, new))
    assert f"params.yaml: {message}" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"threshold": 0.3, "recall": 0.9},
            "calibrate: expected threshold, or recall to choose",
        ),
        (
            {"learning_rate_decay": "cosine", "reduce_lr_on_plateau": "{}"},
            "train_extract: expected learning_rate_decay or reduce_lr_on_plateau, and null",
        ),
    ],
)
def test_keys_that_exclude_each_other_are_named(tmp_path, changes, message):
    text = TEXT
    for key, value in changes.items():
        text = text.replace(f"  {key}: null", f"  {key}: {value}", 1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_params(tmp_path / "params.yaml")
    assert f"params.yaml: {message}" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("threshold: null", "threshold: 0.3"),
        ("recall: null", "recall: 0.9"),
        ("learning_rate_decay: null", "learning_rate_decay: cosine"),
        ("reduce_lr_on_plateau: null", "reduce_lr_on_plateau: {}"),
    ],
)
def test_one_of_two_keys_that_exclude_each_other_is_accepted(tmp_path, old, new):
    load_params(write(tmp_path, old, new))


def test_params_are_read_from_the_working_directory(monkeypatch):
    monkeypatch.chdir(PROJECT)
    assert load_params() == load_params(PROJECT / "params.yaml")


@pytest.mark.filterwarnings("error")
def test_automatic_labels_are_shown_as_they_are_written(tmp_path):
    path = write(tmp_path, "labels: {cat: [cat, cats], dog: [dog, dogs]}", "labels: auto")
    assert load_params(path).model_dump()["clean"]["labels"] == "auto"


def test_whole_number_stands_for_a_fraction(tmp_path):
    assert load_params(write(tmp_path, "alpha: 0.35", "alpha: 1")).model.alpha == 1.0


@pytest.mark.parametrize("text", ["", "[1, 2]", "fetch: [", "a: b: c", "\x00"])
def test_file_that_is_no_mapping_is_one_clear_line_per_section(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml: .*[Ee]xpected"):
        load_params(path)


def test_key_that_no_terminal_should_see_is_shown_printable(tmp_path):
    with pytest.raises(InputError) as error:
        load_params(write(tmp_path, "rule: decodes", '"ru\\x1b[31m\\nle": decodes'))
    assert r"clean.ru\x1b[31m\nle: unknown key." in str(error.value)


@pytest.mark.parametrize("text", ["a: 2001-99-99", "{[a]: b}", "[" * 5000, "a: !!float x", "? ? a"])
def test_yaml_that_stops_its_own_reader_is_one_line(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"params\.yaml: .*expected") as error:
        load_params(path)
    assert "\n" not in str(error.value) or "expected this key" in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"params\.yaml: expected a readable text file"):
        load_params(tmp_path / "params.yaml")


def test_every_line_of_params_says_its_unit_or_its_why():
    previous = ""
    for line in TEXT.splitlines():
        is_key = line.startswith("  ") and not line.startswith("    ")
        if is_key and not line.lstrip().startswith("#"):
            assert "#" in line or previous.lstrip().startswith("#"), line
        previous = line


def test_params_cannot_be_changed(params):
    with pytest.raises(ValueError, match="frozen"):
        params.split.seed = 2


def test_committed_params_are_the_designed_ones(params):
    assert (params.model.alpha, params.model.image_size) == (0.35, 288)
    assert (params.model.fine_tune_at, params.model.fine_tune_last) == (100, None)
    assert params.fetch.source.endswith("/cats_and_dogs_filtered.yaml")
    assert list(parse_yaml(TEXT, "params.yaml")) == list(type(params).model_fields)
