"""Test the pipeline as its users run it: real `dvc repro`, real stages, real processes.

If a stage reads a file that it does not list, results can become stale. Therefore, each stage runs
under an audit hook that records every file of the project that it opens. It also runs again in a
folder that contains only its dependencies, with different values for all params that it does not
list.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, change, photo, replace, repro, run, succeed
from dependencies import opened, recording, run_stage, surprises, with_dependencies_only
from dvc_yaml import OUTPUTS, STAGES, params_of
from kills import SAMPLE, SMALL, Undisturbed, fingerprint, recover

from examples.demo import ARCHIVE, draw_dataset, prepare, write_archive
from pawprint import paths
from pawprint.classes import UNKNOWN, log_losses
from pawprint.columns import HISTORY, SCORES, SPLIT, UNKNOWN_SCORE
from pawprint.files import pack
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.reading import open_image
from pawprint.model.metadata import read_metadata
from pawprint.model.mirror_image import single
from pawprint.model.outputs import to_probabilities
from pawprint.model.predictor import Predictor, load_predictor, runner
from pawprint.model.served_model import NETWORK_FILE, output_names, read_model
from pawprint.params.file import overlay
from pawprint.scores.prediction_table import probabilities_in, read_probabilities
from pawprint.tables import read_table

PARAMS = (PROJECT / "params.yaml").read_text(encoding="utf-8")
# Another value for each param. Each is valid for a stage that does not read the param.
OTHER_VALUES = {
    "fetch.source": "../others.zip",
    "weights.source": "imagenet",
    "weights.sha256": "f" * 64,
    "clean.rule": "jfif",
    "clean.bits": 12,
    "clean.labels": {"a": ["a"], "b": ["b"]},
    "split.seed": 2,
    "split.validation_fraction": 0.3,
    "split.test_fraction": 0.4,
    "split.group": "([0-9]+)[.]jpg",
    "split.date": "taken",
    "split.near_duplicate_distance": 0,
    "split.use_archive_split": False,
    "model.backbone": "MobileNet",
    "model.alpha": 0.5,
    "model.image_size": 128,
    "model.resize": "stretch",
    "model.pooling": "flatten",
    "model.features": "last",
    "model.fine_tune_at": -24,
    "augment.views": 3,
    "augment.keep_original": False,
    "augment.RandomFlip": {"mode": "vertical"},
    "augment.RandomRotation": {"factor": 0.2},
    "augment.RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "augment.RandomShear": {"x_factor": 0.1, "y_factor": 0.1},
    "augment.RandomZoom": {"height_factor": 0.1},
    "augment.RandomBrightness": {"factor": 0.2},
    "augment.RandomContrast": {"factor": 0.2},
    "augment.RandomSaturation": {"factor": [0.3, 0.7]},
    "augment.RandomHue": {"factor": 0.1},
    "augment.RandomGrayscale": {"factor": 0.5},
    "augment.RandomErasing": {"factor": 0.5},
    "augment.seed": 2,
    "head.dense": {"units": 4},
    "head.dropout": 0.5,
    "head.output": "logits",
    "hardware.devices": "cpu",
    "hardware.threads": 1,
    "hardware.precision": "mixed_bfloat16",
    "train_extract.class_weight": "balanced",
    "train_extract.epochs": {"number": 4},
    "train_finetune.class_weight": "balanced",
    "train_finetune.epochs": {"number": 3, "learning_rate": 0.01, "seed": 2},
    "calibrate.temperature": False,
    "calibrate.threshold": None,
    "calibrate.recall": {"a": 0.1},
    "calibrate.max_error": 0.9,
    "calibrate.unknown_quantile": 0.5,
}


def metrics(workspace: Path, name: str) -> dict:
    return json.loads((workspace / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    """Return a run under an audit hook, which writes its records to its folder."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "records").mkdir()
    undisturbed = Undisturbed(folder, **recording(folder / "records"))
    assert sorted(undisturbed.seconds) == sorted(STAGES)
    return undisturbed


@pytest.fixture(scope="module")
def small(undisturbed) -> Path:
    """Return the workspace of the run."""
    return undisturbed.workspace


@pytest.fixture
def copied(small, tmp_path) -> Path:
    """Return a copy of the workspace that may be changed."""
    shutil.copy(small.parent / "images.zip", tmp_path)
    return shutil.copytree(small, tmp_path / "workspace", symlinks=True)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_opens_only_what_it_lists(undisturbed, small, stage):
    record = undisturbed.folder / "records" / f"{stage}.txt"
    assert f"stages/{stage}.py" in opened(record)[0]
    assert surprises(small, stage, record) == set()
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert stage == "code" or f"data/code/{stage}.txt" in STAGES[stage]["deps"]


@pytest.mark.extended
@pytest.mark.parametrize("stage", STAGES)
def test_stage_needs_nothing_but_what_it_lists(small, tmp_path, stage):
    """This covers readers in C and C++, which the hook does not see."""
    alone = with_dependencies_only(small, stage, tmp_path / "workspace")
    shutil.copy(small.parent / "images.zip", tmp_path)
    params, changes = params_of(STAGES[stage]), {}
    for param, value in OTHER_VALUES.items():
        if param not in params:
            section, _, key = param.partition(".")
            changes.setdefault(section, {})[key] = value
    change(alone, json.dumps(changes))  # JSON is valid YAML
    result = run_stage(alone, stage)
    assert result.returncode == 0, result.stderr
    assert fingerprint(alone, OUTPUTS[stage]) == fingerprint(small, OUTPUTS[stage])


@pytest.mark.extended
@pytest.mark.skipif(os.name != "posix", reason="groups of processes as in POSIX")
def test_run_that_was_killed_again_and_again_ends_with_the_same_bytes(undisturbed):
    assert recover(undisturbed, kills=3, seed=1) == 3


@pytest.fixture
def params_restored(small):
    yield
    (small / "params.yaml").write_text(SMALL, encoding="utf-8")


def test_second_run_and_a_comment_in_params_run_nothing(small, params_restored):
    assert repro(small) == []
    replace(small / "params.yaml", "\nsplit:", "\n# a comment\nsplit:")
    assert repro(small) == []


def test_changed_param_reruns_only_what_follows_it_and_the_old_value_only_what_git_keeps(
    small, params_restored
):
    replace(small / "params.yaml", "\n  temperature: true", "\n  temperature: false")
    assert repro(small) == ["evaluate", "plot"]
    (small / "params.yaml").write_text(SMALL, encoding="utf-8")
    # DVC has seen these inputs before, but the model card is only in Git, not in its cache.
    assert repro(small) == ["plot"]


def test_images_of_no_class_are_evaluated_and_train_nothing(copied):
    before = read_table(copied / paths.SCORES_CSV, SCORES)
    drawn = draw_dataset(train=10, validation=6)
    others = [(f"drawn/unknown/{name}.jpg", photo(name)) for name in range(4)]
    pack(copied.parent / "images.zip", [*drawn, *others])
    assert "train_extract" not in repro(copied, "evaluate")
    scores = read_table(copied / paths.SCORES_CSV, SCORES)
    of_no_class = scores[scores["label"] == UNKNOWN]
    assert of_no_class["score"].tolist() == ["refused", "roc_auc"]
    assert of_no_class["images"].tolist() == [4, 4]
    assert scores[scores["label"] != UNKNOWN].equals(before)


def test_served_model_gives_what_was_evaluated_for_photos_decoded_anew(small):
    predictor = load_predictor(small / paths.SERVED_MODEL)
    table = read_probabilities(small / paths.TEST_PROBABILITIES_CSV)
    with open_archive(small / paths.RAW_ARCHIVES) as archive:
        predicted = [predictor.predict(open_image(archive, path)) for path in table["path"]]
    probabilities = np.array([prediction.probabilities for prediction in predicted])
    assert probabilities == pytest.approx(probabilities_in(table), abs=2e-6)
    scores = [prediction.unknown_score for prediction in predicted]
    assert scores == pytest.approx(table[UNKNOWN_SCORE], abs=2e-6)


def test_removed_test_image_is_evaluated_without_fitting_anything_again(copied):
    split = read_table(copied / paths.SPLIT_CSV, SPLIT)
    split[["pixels_sha256", "split"]].to_csv(copied / paths.SPLITS_CSV, index=False)
    removed = split["path"][split["split"] == "test"].iloc[0]
    with open_archive(copied / paths.RAW_ARCHIVES) as archive:
        kept = [(name, read_member(archive, name)) for name in members(archive) if name != removed]
    pack(copied.parent / "images.zip", kept)
    ran = repro(copied)
    assert {"predict", "evaluate"} <= set(ran)
    assert {"train_extract", "train_finetune"}.isdisjoint(ran)


def test_dvc_shows_metrics_and_plots(small):
    shown = json.loads(succeed("dvc", "metrics", "show", "--json", cwd=small))
    for stage in ("evaluate", "train_extract"):
        assert shown[""]["data"][f"metrics/{stage}.json"]["data"] == metrics(small, stage)
    succeed("dvc", "plots", "show", cwd=small)
    html = (small / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Accuracy", "Loss", "ROC", "Confusion matrix", "Recall"):
        assert title in html
    assert '"title": "step"' not in html  # how DVC labels the x axis of an unknown table


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  dropout:", "  droput:", "params.yaml: head.droput: unknown key. Did you mean dropout?"),
        ("[dog, dogs]", "[wolf]", "images.zip: expected a folder or label named wolf"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_half_written(
    small, params_restored, old, new, message
):
    replace(small / "params.yaml", old, new)
    result = run("dvc", "repro", cwd=small)
    assert result.returncode != 0
    output = result.stdout + result.stderr
    assert message in output
    assert "Traceback" not in output
    assert not list(small.rglob(".*.part*"))


@pytest.fixture
def sample(tmp_path) -> Path:
    """Return a workspace in which the sample recipe has run, offline."""
    prepare(tmp_path, SAMPLE)
    write_archive(tmp_path / ARCHIVE)
    repro(tmp_path, "evaluate")
    return tmp_path


@pytest.mark.slow
def test_sample_learns_and_its_saved_model_gives_what_training_measured(sample):
    """Evaluation decodes images and runs the whole model, but training used stored features."""
    evaluated = metrics(sample, "evaluate")
    head = read_table(sample / paths.EXTRACT_HISTORY_CSV, HISTORY)
    of_head = head.loc[head["kept"], "validation_accuracy"].iloc[0]
    assert 0.7 < of_head < evaluated["validation"]["accuracy"]
    assert evaluated["test"]["accuracy"] >= 0.9
    history = read_table(sample / paths.FINETUNE_HISTORY_CSV, HISTORY)
    trained = history[history["kept"]].iloc[-1]
    rows = read_table(sample / paths.SPLIT_CSV, SPLIT).query("split == 'validation'")
    served = sample / paths.SERVED_MODEL
    described = read_metadata(served)
    names = output_names(described)
    network = single(read_model(served / NETWORK_FILE, described), names)
    model = Predictor(served, described, runner(network, names))
    with open_archive(sample / paths.RAW_ARCHIVES) as archive:
        predicted = [model.predict(open_image(archive, path)) for path in rows["path"]]
    calibrated = np.array([each.probabilities for each in predicted])
    logits = model.metadata.temperature * np.log(calibrated[:, 1:] / calibrated[:, :1])
    probabilities = to_probabilities(logits)
    actual = (rows["label"] == "dog").to_numpy().astype(int)
    wrong = abs((probabilities.argmax(axis=1) == actual).mean() - trained["validation_accuracy"])
    assert wrong * len(rows) < 1.01
    loss = log_losses(actual, probabilities).mean()
    assert loss == pytest.approx(trained["validation_loss"], abs=2e-3)


@pytest.mark.slow
def test_fifth_of_the_real_photos_is_enough_for_nearly_the_published_accuracy(mirror, tmp_path):
    prepare(tmp_path, overlay(PARAMS, "fetch: {source: photos.zip}\naugment: {views: 2}"))
    with open_archive(mirror / "cats_and_dogs_filtered.zip") as archive:
        names = members(archive)[::5]
        pack(tmp_path / "photos.zip", ((name, read_member(archive, name)) for name in names))
    real = {"PAWPRINT_MIRROR": str(mirror), "KERAS_HOME": str(mirror / "keras")}
    repro(tmp_path, "evaluate", **real)
    evaluated = metrics(tmp_path, "evaluate")
    assert evaluated["validation"]["accuracy"] >= 0.94
    assert evaluated["test"]["accuracy"] >= 0.92
