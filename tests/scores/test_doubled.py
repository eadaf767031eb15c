"""Test that a second photo of each thing, with the same outcome, makes no number more certain."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT
from made_up_run import write_run
from test_limits import run_of

from pawprint.base import paths
from pawprint.base.columns import (
    DECIDED,
    IMAGES,
    METADATA,
    REJECTED,
    RELIABILITY,
    ROC,
    SCORES,
    UNKNOWN_IMAGES,
)
from pawprint.base.labels import SEVERAL_LABELS, UNKNOWN
from pawprint.base.tables import read_table, write_table
from pawprint.given.user_tables import EMPTY_TABLES
from pawprint.model.metadata import Metadata
from pawprint.model.outputs import Logits
from pawprint.network.cross_validation import Difference
from pawprint.pipeline.params.model import Calibrate
from pawprint.scores.calibration import fit_rules
from pawprint.scores.limits import rank_limits
from pawprint.scores.series import compare_folds, tabulate_curve
from pawprint.scores.verdict import compare, pair_probabilities
from stages import evaluate

LABELS = ["ant", "bee", "cow"]
WISHES = Calibrate(
    temperature=True, threshold=None, recall={"bee": 0.9}, max_error=0.4, unknown_quantile=None
)


def copied(table: pd.DataFrame, copies: int) -> pd.DataFrame:
    """Return a table with this many photos in the place, and in the group, of each photo."""
    table = table.loc[table.index.repeat(copies)].reset_index(drop=True)
    pixels = [f"{number:064x}" for number in range(len(table))]
    return table.assign(group=table["path"], path=table["path"] + pixels, pixels_sha256=pixels)


def outputs_of(name: str, images: int, copies: int) -> tuple[pd.DataFrame, Logits]:
    """Return images, and outputs that are too certain and often wrong."""
    rng = np.random.default_rng(len(name))
    actual = rng.integers(3, size=images)
    logits = 4 * (np.eye(3)[actual] + rng.normal(0, 1, (images, 3)))
    arrays = actual, logits, rng.normal(name == UNKNOWN, 1, images)
    table = pd.DataFrame(0, range(images), [*IMAGES])
    table["path"] = [f"{name}/{image}" for image in range(images)]
    table = table.assign(label=np.array(LABELS)[actual], split=name, archive_split="")
    return copied(table, copies), Logits(*(np.repeat(each, copies, axis=0) for each in arrays))


def evaluated(folder: Path, copies: int) -> tuple[Metadata, list[pd.DataFrame]]:
    """Return the rules, and the intervals and curves that `evaluate` writes."""
    write_run(folder, {"ant": 1, "bee": 1}, pd.DataFrame(columns=list(REJECTED)))
    write_table(folder / paths.METADATA_CSV, pd.DataFrame(columns=list(METADATA)), METADATA)
    (folder / paths.LABELS_CSV).write_text(EMPTY_TABLES[paths.LABELS_CSV], encoding="utf-8")
    shutil.copy(PROJECT / paths.PARAMS, folder)
    numbers = {"train": 9, "validation": 60, "test": 50, UNKNOWN: 30}
    made = {name: outputs_of(name, images, copies) for name, images in numbers.items()}
    outputs = {name: each for name, (_, each) in made.items()}
    images = {name: table for name, (table, _) in made.items()}
    write_table(folder / paths.UNKNOWN_CSV, images.pop(UNKNOWN), UNKNOWN_IMAGES)
    rules = Metadata(labels=LABELS, image_size=96, resize="crop", temperature=1.0)
    groups = images["validation"]["group"].to_numpy()
    rules = fit_rules(WISHES, rules, outputs["validation"], np.array([]), groups)
    rules = rules.model_copy(update={"unknown_threshold": 1.0})
    written = {paths.SCORES_CSV: SCORES, paths.RELIABILITY_CSV: RELIABILITY}
    written |= {paths.ROC_CSV: ROC, paths.DECIDED_CSV: DECIDED}
    with contextlib.chdir(folder):
        evaluate.write_scores(pd.concat(images.values()), outputs, rules)
        tables = [read_table(*each) for each in written.items()]
    return rules, [table.drop(columns="images", errors="ignore") for table in tables]


def test_rules_intervals_and_curves_of_copies_are_those_of_the_photos(tmp_path):
    (one, of_one), (two, of_two) = (evaluated(tmp_path / str(copies), copies) for copies in (1, 2))
    assert one == two and one.temperature != 1 and one.min_confidence and one.thresholds
    for tables in zip(of_one, of_two):
        pd.testing.assert_frame_equal(*tables)


def test_limits_of_copies_are_those_of_the_photos():
    run = run_of()
    images = run.images.loc[run.images.index.repeat(2)]
    copies = (images["path"] + ["", "copy"] * len(run.images)).tolist()
    both = run._replace(
        images=images.assign(path=copies),
        predictions={
            name: pd.concat([table, table.assign(path=table["path"] + "copy")])
            for name, table in run.predictions.items()
        },
    )
    found, of_both = rank_limits(run), rank_limits(both)
    assert len(found) > 1
    assert [limit.size for limit in of_both] == [pytest.approx(limit.size) for limit in found]


def test_tests_and_curve_of_copies_are_those_of_the_photos():
    rng = np.random.default_rng(0)
    images = np.arange(200)
    actual = images % 2
    results = []
    for copies in (1, 2):
        classes, groups = actual.repeat(copies), images.repeat(copies)
        rng = np.random.default_rng(0)
        both = []
        for mean in (0.3, 0.7):
            right = 1 / (1 + np.exp(-rng.normal(mean, 1, 200)))
            probabilities = np.where(np.eye(2)[actual], right[:, None], 1 - right[:, None])
            both.append(probabilities.repeat(copies, axis=0))
        worse, better = both
        (comparison,) = compare([{"": pair_probabilities(classes, (worse, better), groups)}])
        curve = tabulate_curve(classes, groups, {100: worse, 200: better})
        losses = (-np.log(each[np.arange(len(classes)), classes]) for each in both)
        difference = Difference.of(*losses, groups)
        of_folds = compare_folds(better, worse, classes, groups)
        numbers = comparison.test.low, comparison.test.high, comparison.test.p_value
        results.append([*numbers, *curve.iloc[1][["low", "high"]], *difference, *of_folds])
    assert results[0] == pytest.approx(results[1])


def test_labels_of_two_models_are_paired_where_they_are_known():
    actual = SEVERAL_LABELS.encode(["0|1?", "1", "none"], ["0", "1"])
    old = np.array([[0.9, 0.9], [0.1, 0.9], [0.1, 0.1]])
    new = np.array([[0.9, 0.1], [0.1, np.nan], [0.9, 0.1]])
    pairs = pair_probabilities(actual, (old, new), np.arange(3))
    names = ["actual", "predicted_old", "predicted"]
    assert pairs[names].to_numpy().tolist() == [["0|1?"] * 3, ["none", "none", "0"]]
    assert pairs["loss"].to_numpy() == pytest.approx(-np.log([0.9, 0.1 * 0.9]))
