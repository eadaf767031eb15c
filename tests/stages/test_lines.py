"""Test what stages print about images: splits.csv, series, many classes, labels to review."""

import contextlib
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, encode, overlay, refused, write_files
from made_up_run import PER_CLASS, images_of, predictions_of, write_run
from networks import PLAIN, weights_of, write_features
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import (
    JUDGED,
    LEARNING_CURVE,
    METADATA,
    NEAR_DUPLICATES,
    REJECTED,
    SERIES,
    SPLIT,
    SPLITS,
    UNKNOWN_IMAGES,
)
from pawprint.base.errors import InputError
from pawprint.base.files import pack, read_json, write_json, write_text
from pawprint.base.labels import ONE_CLASS, UNKNOWN
from pawprint.base.runtime import read_network
from pawprint.base.tables import read_table, write_table
from pawprint.base.yaml_file import read_mapping
from pawprint.given.user_tables import EMPTY_TABLES
from pawprint.model.metadata import read_metadata
from pawprint.model.outputs import Logits, compile_for_stored, run_on_stored
from pawprint.network.store import stored_examples
from pawprint.scores.metrics import Predictions
from pawprint.scores.prediction_table import read_probabilities, tabulate
from pawprint.scores.series import with_groups
from stages import clean, evaluate, predict, split, train_extract, train_finetune


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with the committed params."""
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    return tmp_path


def test_split_counts_classes_after_corrections_and_rules_of_crops(folder, capsys):
    """Counts by folder made a new user think that a label had not been applied."""
    names = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(4)]
    images = [encode(Image.effect_noise((40, 40), 9 + 9 * number), "PNG") for number in range(8)]
    (folder / paths.RAW_ARCHIVES).mkdir(parents=True)
    write_text(folder / paths.DECODED_ROW_CODE, "code\n")
    rules = [f"{name},{name[:3]},square 0.0" for name in names[:7]] + ["dog/3.png,dog,as-is"]
    table = "\n".join(["file_name,label,crop_rule", *rules]).encode()
    files = [*zip(names, images), ("metadata.csv", table), ("dog/1.txt", b"")]
    pack(folder / paths.RAW_IMAGES, files)
    with contextlib.chdir(folder):
        write_files(folder, {str(path): text for path, text in EMPTY_TABLES.items()})
        rows = "cat/0.png,dog\ndog/1.txt,cat\n"  # the second is no image
        paths.LABELS_CSV.write_text(f"path,label,pixels_sha256\n{rows}", encoding="utf-8")
        clean.main()
        capsys.readouterr()
        with contextlib.suppress(InputError):  # there are too few images
            split.main()
    out = capsys.readouterr().out
    assert "cat (3), dog (5), with 1 label from labels.csv" in out
    assert (
        "not applied to dog/1.txt (hidden, in a system folder, or without an image suffix)" in out
    )
    assert "split: crop_rule: 7 square 0.0, 1 as-is" in out


@pytest.mark.parametrize("others", [0, 1])
def test_training_images_that_are_copies_of_the_test_set_are_said(folder, others):
    images = [encode(Image.effect_noise((40, 40), 9 + 9 * number), "PNG") for number in range(12)]
    pairs = [(f"{'cat' if n % 2 else 'dog'}/{n}.png", image) for n, image in enumerate(images)]
    files = [(f"test/{name}", image) for name, image in pairs[2 * others :]]
    files += [(f"train/{name}", image) for name, image in pairs]
    (folder / paths.RAW_ARCHIVES).mkdir(parents=True)
    write_text(folder / paths.DECODED_ROW_CODE, "code\n")
    pack(folder / paths.RAW_IMAGES, files)
    with contextlib.chdir(folder):
        for path, text in EMPTY_TABLES.items():
            write_text(path, text)
        clean.main()
        said = f"{12 - 2 * others} with the pixels of test images (cat, dog)"
        with refused(said, "split.use_archive_split"):
            split.main()


def trained(folder: Path, table: pd.DataFrame, origins: dict, capsys) -> list[str]:
    """Return what `train_extract` prints for these images of two classes."""
    write_table(folder / paths.TRAIN_VALIDATION_CSV, table, SPLIT)
    write_json(folder / paths.LABELS_JSON, ["cat", "dog"])
    write_json(folder / paths.SERIES_JSON, origins)
    with contextlib.chdir(folder):
        train_extract.main()
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(("tracks", "has_column"), [(40, False), (6, True)])
@pytest.mark.parametrize("column", [*sorted({*SERIES} - {"crossed"}), None])
def test_training_asks_whether_new_photos_are_from_new_series_if_frames_are_alike(
    folder, capsys, tracks, has_column, column
):
    """The frames of a track share features that have nothing to do with their class."""
    frames = 320 // tracks
    labels = np.arange(tracks * frames) // frames % 2
    track = np.repeat(np.arange(tracks), frames)
    rng = np.random.default_rng(0)
    top = rng.normal(size=(len(track), 40)) + 3 * rng.normal(size=(tracks, 40))[track]
    table = write_features(folder / paths.FEATURES, labels, top=top[:, None])
    of_track = np.tile(track.astype(str), 2)  # of training and validation
    table["group"] = table["path"] if column else of_track
    origins = {"series": "^([0-9]+)_", "finer_series": "^([0-9]+)-"}
    origins |= {"metadata_series": "clip", "burst": "EXIF"}
    named = "copy the column burst" if column == "burst" else origins.get(column)
    if column:
        table[column] = of_track
        origins = {name: origins[name] * (name == column) for name in origins}
        if has_column:
            origins["group"] = "metadata.csv"
            named = f"in the column group of metadata.csv, as in the column {column}"
    printed = trained(folder, table, origins if column else {}, capsys)
    lines = [line for line in printed if "come from new" in line]
    choices = read_json(folder / paths.CROSS_VALIDATION_JSON)
    assert choices.get("series") == column and ("accuracy_by_series" in choices) == bool(column)
    assert [named in line for line in lines] == [True] * bool(column)
    groups = with_groups(table, choices)["group"]
    assert (groups == table["group"]).all() == (column is None)
    curve = read_table(folder / paths.LEARNING_CURVE_CSV, LEARNING_CURVE)
    assert (curve["high"] - curve["low"] > 0.1).any()


@pytest.mark.parametrize(("sites", "column"), [(8, "crossed"), (8, "group"), (4, "crossed")])
def test_training_leaves_each_site_out_and_says_what_to_expect_at_a_new_one(
    folder, capsys, sites, column
):
    """At site 0, the feature that tells the classes apart elsewhere means the opposite."""
    photos = 30
    site = np.repeat(np.arange(sites), photos)
    labels = np.arange(len(site)) % 2
    signs = np.where(site == 0, -1, 1) * (2 * labels - 1)
    top = np.random.default_rng(0).normal(size=(len(site), 5))
    top[:, 0] += 5 * signs
    table = write_features(folder / paths.FEATURES, labels, top=top[:, None])
    table["group"] = table["path"]
    table[column] = np.tile(site.astype(str), 2)
    if column == "crossed":
        table.loc[::photos, "group"] = "alike"  # near-duplicates at all sites are no groups
    table.loc[1, column] = table.loc[1, "path"] if column == "group" else ""  # at none
    origins = {"crossed": "site"} if column == "crossed" else {}
    printed = trained(folder, table, origins, capsys)
    choices = read_json(folder / paths.CROSS_VALIDATION_JSON)
    worst, *others = choices["sites"]
    assert (worst["name"], worst["photos"]) == ("0", photos - 1) and worst["right"] < 0.1
    assert len(others) == sites - 1 and all(each["right"] > 0.7 for each in others)
    assert [each["photos"] for each in others] == [photos] * (sites - 1)
    assert choices["sites_from"] == {"crossed": "site", "group": "group"}[column]
    (line,) = [line for line in printed if "come from another" in line]
    assert ("new_site" in choices) == (sites == 8) == ("about one new one in 9" in line)
    if sites == 8:
        low, high = choices["new_site"]
        assert low < 0.2 and high == 1 and f"Expect {low:.0%} to 100%" in line


@pytest.mark.parametrize("is_like_the_image", [True, False])
def test_views_are_recorded_and_mirror_images_predicted_only_if_the_head_learned_from_them(
    folder, capsys, is_like_the_image
):
    """A head of images as they are may misjudge mirror images, such as signs with an arrow."""
    frozen = overlay((folder / paths.PARAMS).read_text("utf-8"), "model: {fine_tune_at: null}")
    (folder / paths.PARAMS).write_text(frozen, encoding="utf-8")
    features = np.random.default_rng(0).normal(size=(90, 3, 40))
    features[:, 1:] /= 4  # less noise, in the drawn views
    features[:, :, 0] += 1 - 2 * (np.arange(90)[:, None] % 2)
    features[:, 1:, 0] *= 1 if is_like_the_image else -1
    table = write_features(folder / paths.FEATURES, np.arange(90) % 2, top=features)
    (line,) = trained(folder, table.assign(group=table["path"]), {}, capsys)
    assert "of 90 cross-validated training images" in line
    metrics = read_json(folder / paths.CROSS_VALIDATION_JSON)
    assert (metrics["views"], metrics["blocks"]) == (3 if is_like_the_image else 1, 0)
    assert (metrics["views_loss_change"] < -metrics["views_loss_error"]) == is_like_the_image
    actual = np.arange(20) % 2
    none = pd.DataFrame(columns=list(UNKNOWN_IMAGES))
    with contextlib.chdir(folder):
        train_finetune.main()
        table = read_table(paths.TRAIN_VALIDATION_CSV, SPLIT)
        held_out = write_features(paths.FEATURES / "of_test", actual, top=features[:20, :2])
        held_out = held_out[held_out["split"] == "validation"].assign(split="test")
        (paths.FEATURES / "of_test/validation").rename(paths.FEATURES / "test")
        table = table[table["split"] == "train"].assign(group=table["path"])
        write_table(paths.SPLIT_CSV, pd.concat([table, held_out]), SPLIT)
        write_table(paths.UNKNOWN_CSV, none, UNKNOWN_IMAGES)
        predict.main()
        outputs = Logits.read(paths.OUTPUTS / "test.npz")
        network = read_network(paths.NETWORK)
        run = partial(run_on_stored, network, compile_for_stored(network), paths.FEATURES / "test")
        logits, _ = run(held_out["pixels_sha256"])
        of_three, _ = run(held_out["pixels_sha256"][:3])
    np.testing.assert_array_equal(of_three, logits[:3])
    assert np.abs(logits[:, 0] - logits[:, 1]).max() > 0.1
    seen = logits.mean(axis=1) if is_like_the_image else logits[:, 0]
    np.testing.assert_allclose(outputs.logits, seen)


def test_network_learned_from_the_views_of_the_head_if_no_epoch_is_kept(tmp_path):
    images = write_features(tmp_path, np.arange(20) % 2, cut=np.zeros((20, 3, 1, 1, 2)))
    store = stored_examples(tmp_path, images, ["cat", "dog"])
    head = weights_of(PLAIN, 2, 2)
    for kept, views in (([], 1), ([False, False], 1), ([False, True], 3)):
        history = pd.DataFrame({"kept": kept})
        assert train_finetune.learned_views(store, head, history) == views


def test_metrics_are_few_even_with_many_classes_and_an_error_limit(folder):
    """The other stages have three scores."""
    labels = [f"class {number:02}" for number in range(24)]
    write_run(folder, dict.fromkeys(labels, PER_CLASS), pd.DataFrame(columns=list(REJECTED)))
    write_table(folder / paths.METADATA_CSV, pd.DataFrame(columns=list(METADATA)), METADATA)
    outputs = {}
    for seed, name in enumerate(SPLITS):
        actual, probabilities = predictions_of(labels, seed)
        outputs[name] = Logits(actual, np.log(probabilities), np.zeros(len(actual)))
    outputs[UNKNOWN] = Logits(*(array[:0] for array in outputs["test"]))
    (folder / paths.LABELS_CSV).write_text(EMPTY_TABLES[paths.LABELS_CSV], encoding="utf-8")
    with contextlib.chdir(folder):
        split_table = read_table(paths.SPLIT_CSV, SPLIT)
        metadata = read_metadata(paths.SERVED_MODEL).model_copy(update={"min_confidence": 0.6})
        evaluate.write_scores(split_table, outputs, metadata)
        metrics = read_json(paths.EVALUATE_METRICS)
        predictions = read_probabilities(paths.PROBABILITIES_CSV["test"])
    assert sum(map(len, metrics.values())) <= 7
    is_right = predictions["predicted"] == predictions["actual"]
    of_test = metrics["test"]
    assert of_test["accuracy"] == pytest.approx(is_right.mean())
    recalls = is_right.groupby(predictions["actual"]).mean()
    assert of_test["mean_recall"] == pytest.approx(recalls.mean())
    assert 0 < of_test["decided"] < 1 and 0 <= of_test["error_of_decided"] < 1 - is_right.mean()


def test_evaluate_counts_labels_to_look_at_and_calls_none_wrong(folder, capsys):
    """A weak model gives correct labels a low probability. A label in labels.csv is not listed.

    As in pratikkayal/PlantDoc-Dataset 4, near-duplicates with different labels are listed first.
    """
    hard = [(f"{name}.jpg", "cat", "dog", 0.01, 0.99, name) for name in ("0", "1")]
    hard = pd.DataFrame(hard, columns=list(JUDGED))
    write_table(folder / paths.CROSS_VALIDATION_CSV, hard, JUDGED)
    (folder / paths.LABELS_CSV).write_text("path,label,pixels_sha256\n1.jpg,cat,1\n")
    images = images_of({"cat": 1})[:1]
    first = np.array([0])
    easy = Predictions(first, np.array([[0.9, 0.1]]), first, ["cat", "dog"], first)
    alike = [("1.jpg", "cat/train0.jpg", "cat", "test", "1.jpg", "1.jpg", 3)]
    alike = pd.DataFrame(alike, columns=list(NEAR_DUPLICATES))
    with contextlib.chdir(folder):
        tables = {"test": tabulate(images, easy)}
        suspects = evaluate.find_suspects(tables, alike, images, ONE_CLASS)
    assert suspects["path"].tolist() == ["cat/train0.jpg", "0.jpg"]
    assert suspects["contradicts"].tolist() == ["1.jpg", ""]


def test_class_weights_do_not_hide_labels_to_review(folder):
    """Where c0 has ten times as many images as c1, odds of 2 to 3 are odds of 1 to 15."""
    params = read_mapping(folder / "params.yaml")
    sections = ("clean", "model", "train_extract", "train_finetune")  # which decide the weights
    write_json(folder / "params.yaml", {name: params[name] for name in sections})
    rows = [("a.jpg", "c1", "c0", 0.4, 0.6, "a"), ("b.jpg", "c0", "c1", 0.05, 0.55, "b")]
    write_table(folder / paths.CROSS_VALIDATION_CSV, pd.DataFrame(rows, columns=[*JUDGED]), JUDGED)
    (folder / paths.LABELS_CSV).write_text("path,label,pixels_sha256\n")
    alike = pd.DataFrame(columns=[*NEAR_DUPLICATES])
    listed = {}
    with contextlib.chdir(folder):
        for largest in (200, 20):
            split = images_of({"c0": largest, "c1": 20, "c2": 20}).assign(split="train")
            listed[largest] = evaluate.find_suspects({}, alike, split, ONE_CLASS)["path"].tolist()
    assert listed == {200: ["a.jpg"], 20: ["b.jpg"]}
