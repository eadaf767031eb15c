"""Test the pages written by the `plot` stage for a made-up run with grey pictures and a model."""

import contextlib
import html
import itertools
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import PROJECT, replace, write_files
from made_up_run import write_label_run, write_photos, write_run

from pawprint.artifacts import Run
from pawprint.base import paths
from pawprint.base.columns import (
    HISTORY,
    IMAGES,
    LABELS_TO_REVIEW,
    NEAR_DUPLICATES,
    REJECTED,
    SCORES,
    SPLIT,
    SPLITS,
)
from pawprint.base.files import write_json
from pawprint.base.label_cells import cell_of, labels_in
from pawprint.base.tables import read_table, write_table
from pawprint.commands.export_page import facts_of
from pawprint.commands.params_file import overlay
from pawprint.model.metadata import read_metadata
from pawprint.report.pages import describe_score
from pawprint.scores.metrics import score_of
from pawprint.scores.prediction_table import IMAGE_DIGITS, read_probabilities
from stages import plot

LABELS = {"a|b": 30, "bee": 12, "<cow>": 5}
FILES = [("<script>alert(1)</script>.jpg", "cat", "not_an_image", "a & b")]
FILES += [("a.jpg", "cat", "truncated", "x")] * 60
SECRET = "correct-horse"
URL = f"https://user:{SECRET}@host/file?token={SECRET}"
SECRETS = f"{{fetch: {{source: '{URL}'}}, weights: {{source: '{URL}'}}}}"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    workspace = tmp_path_factory.mktemp("report")
    shutil.copy(PROJECT / paths.LABELS_CSV, workspace)
    write_files(workspace / paths.SERVED_MODEL, {"model.bin": "bin", "model.xml": "xml"})
    write_run(workspace, LABELS, pd.DataFrame(FILES, columns=list(REJECTED)), ("train", "test"))
    return workspace


def reports(workspace: Path, changes: str = "{}") -> tuple[str, str]:
    """Return the card, with single spaces for all white space, and the page."""
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    (workspace / "params.yaml").write_text(overlay(params, changes), encoding="utf-8")
    with contextlib.chdir(workspace):
        plot.main()
    card, page = (
        (workspace / path).read_text(encoding="utf-8") for path in (paths.MODEL_CARD, paths.REPORT)
    )
    return " ".join(card.split()), page


@pytest.fixture(scope="module")
def both(workspace) -> tuple[str, str]:
    return reports(workspace, SECRETS)


@pytest.fixture
def other(workspace, tmp_path) -> Path:
    """Return a workspace for another run."""
    return shutil.copytree(workspace, tmp_path / "workspace")


def test_figures_of_a_model_that_was_trained_in_epochs_name_the_model_that_they_are_of(other):
    """The history has epochs. Folds, and so the curve and series, are of a regression."""
    write_json(other / paths.CROSS_VALIDATION_JSON, {"C": 3000, "views": 1, "blocks": 0})
    _, page = reports(other)
    limits = (other / paths.LIMITS).read_text(encoding="utf-8")
    assert "measured by a logistic regression on frozen features" in limits
    assert "The logistic regression uses C" not in page
    assert "This model was trained in epochs." in page
    history = read_table(other / paths.EXTRACT_HISTORY_CSV, HISTORY)[:1].assign(epoch=0)
    write_table(other / paths.EXTRACT_HISTORY_CSV, history, HISTORY)
    none = read_table(other / paths.FINETUNE_HISTORY_CSV, HISTORY)[:0]
    write_table(other / paths.FINETUNE_HISTORY_CSV, none, HISTORY)
    assert "The logistic regression uses C" in reports(other)[1]
    assert "regression" not in (other / paths.LIMITS).read_text(encoding="utf-8")


def test_bytes_do_not_depend_on_the_name_of_the_folder(both, workspace, other):
    assert workspace.name != other.name and both == reports(other, SECRETS)


def test_card_and_exported_page_say_how_photos_become_crops(both, other):
    served = other / paths.SERVED_MODEL
    replace(served / "model.json", '"temperature"', '"crop_rule": "as-is", "temperature"')
    card, _ = reports(other)
    run = Run(other, read_metadata(served), None, pd.DataFrame())
    page = facts_of(run)["Photos"]
    assert "cut by the rule as-is" in card and "cut by the rule as-is" in page
    assert "cut by the rule" not in both[0]


def test_page_needs_nothing_beside_itself(both):
    _, page = both
    assert not re.search(r"<(script|link|iframe)|url\(|@import", page)
    sources = re.findall(r'<img[^>]* src="([^"]*)"', page)
    assert sources and all(source.startswith("data:image/") for source in sources)


def test_cell_of_the_confusion_matrix_and_class_open_the_photos_of_their_errors(both, workspace):
    _, page = both
    of_test = read_probabilities(workspace / paths.PROBABILITIES_CSV["test"])
    labels = list(LABELS)
    targets = set(re.findall(r'<a href="#(errors[0-9-]+)">', page))
    wrong = of_test[of_test["actual"] != of_test["predicted"]]
    for row in wrong.itertuples():
        cell, of_class = (
            f"errors-{labels.index(row.actual)}{other}"
            for other in (f"-{labels.index(row.predicted)}", "")
        )
        assert {cell, of_class} <= targets
        name = re.escape(html.escape(row.path))
        (classes,) = re.findall(rf'<figure class="([^"]*)"><img src="[^"]*" alt="{name}">', page)
        assert {cell, of_class} <= set(classes.split())
        image = row.pixels_sha256[:IMAGE_DIGITS]  # as in plots/predictions.csv
        assert f"{html.escape(row.path)}<br>{image}</figcaption>" in page
    for target in targets:  # a CSS rule hides the other photos
        assert f'<span id="{target}"></span>' in page
        assert f"#{target}:target ~ .photos figure:not(.{target})" in page


def test_numbers_are_those_of_the_tables(both, workspace):
    scores = read_table(workspace / paths.SCORES_CSV, SCORES)
    for text in both:
        test, validation = (
            text.index(describe_score(score_of(scores, split, "accuracy")))
            for split in ("test", "validation")
        )
        assert test < validation
        for label in LABELS:
            assert describe_score(score_of(scores, "test", "recall", label)) in text
    card, page = both
    assert "| all | 47 | 47 | 47 | 141 |" in card
    for title, numbers in (("&lt;cow&gt;", (5, 5, 5, 15)), ("all", (47, 47, 47, 141))):
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        assert f'<th scope="row">{title}</th>{cells}' in page


def test_labels_and_names_of_files_are_text_and_not_markup(both):
    card, page = both
    assert card.count(r"| a\|b |") == card.count(r"| \<cow\> |") == 2
    assert "a|b" not in card and "<cow>" not in card
    assert "<td>not an image</td><td>a &amp; b</td>" in page
    assert "<cow>" not in page and "<script>" not in page


def test_passwords_and_tokens_of_sources_are_left_out(both):
    card, page = both
    assert SECRET not in card + page
    assert card.count("`https://host/file`") == 2


def test_first_advice_asks_whether_two_names_mean_one_class(other):
    write_run(other, {"sheos": 4, "shoes": 30}, pd.DataFrame(columns=list(REJECTED)))
    _, page = reports(other)
    question = "are these one class: sheos and shoes?"
    assert question in (other / paths.LIMITS).read_text(encoding="utf-8").splitlines()[1]
    assert question in page[page.index("<ol>") : page.index("</li>")]


def test_images_that_show_several_labels_are_counted_and_their_errors_named(other):
    labels = write_label_run(other)
    card, page = reports(other)
    scores = read_table(other / paths.SCORES_CSV, SCORES)
    of_test = read_probabilities(other / paths.PROBABILITIES_CSV["test"])
    right = (of_test["actual"] == of_test["predicted"]).mean()
    (commonest, *_), (most, *_) = zip(*of_test["actual"].value_counts(normalize=True).items())
    start = f"<p>{right:.1%} of {len(of_test)} test photos with every label right ("
    assert start in page and f"; always naming {html.escape(commonest)}: {most:.1%}." in page
    for score, label in ("exact", ""), ("found", ""), ("named_right", ""), ("roc_auc", "unknown"):
        assert describe_score(score_of(scores, "test", score, label)) in card
    images = read_table(other / paths.SPLIT_CSV, SPLIT)
    shows = images["label"].map(labels_in).map(lambda cell: labels[0] in cell)
    counts = [*pd.crosstab(shows, images["split"]).loc[True, ["train", "validation", "test"]]]
    assert f"| \\<sea\\> | {' | '.join(map(str, [*counts, sum(counts)]))} |" in card
    assert "| all | 40 | 40 | 40 | 120 |" in card
    wrong = of_test[of_test["actual"] != of_test["predicted"]].iloc[0]
    missed, named = ({*labels_in(wrong[name])} for name in ("actual", "predicted"))
    texts = {"missed": cell_of(missed - named), "named": cell_of(named - missed)}
    mistake = ", ".join(f"{verb} {cell}" for verb, cell in texts.items() if cell != "none")
    assert f"<b>{html.escape(mistake)}</b>" in page
    errors = re.findall(r'<figure class="errors-[^"]*"><img src="[^"]*" alt="([^"]*)">', page)
    assert 1 < len(errors) == len({*errors})
    for word in ("Confusion", "rare</a>", "max_error sets", "<sea>", "one of the", "Classes"):
        assert word not in page.split("This run")[-2], word


def test_card_says_nothing_that_the_params_deny(other):
    """The run has other classes, random weights, a fixed threshold and no labels to review."""
    write_run(other, {"ant": 9, "bee": 9}, pd.DataFrame(columns=list(REJECTED)))
    none = pd.DataFrame(columns=list(LABELS_TO_REVIEW))
    write_table(other / paths.LABELS_TO_REVIEW_CSV, none, LABELS_TO_REVIEW)
    changes = "{fetch: {source: mine}, weights: {source: none}, model: {resize: stretch}, "
    card, page = reports(other, changes + "calibrate: {temperature: false, threshold: {bee: 0.5}}}")
    for word in ("cat ", "dog", "ImageNet", "pre-trained", "fitted on", "divided by", "central"):
        assert word not in card, word
    assert "Images whose labels contradict" not in page  # it would be an empty picture


def test_photos_of_a_series_that_the_run_has_named_count_as_one_in_the_limits(other):
    """The table of limits has the series; the photos are those of the predictions."""
    for path, names in (paths.SPLIT_CSV, SPLIT), (paths.IMAGES_CSV, IMAGES):
        table = read_table(other / path, names)
        place = table["path"].str.replace(r"(.*)/([a-z]+)([0-9]+)", r"\2/\1/\3", regex=True)
        table = table.assign(path=place, series=table["label"])
        write_table(other / path, table, names)
    every = itertools.product(SPLITS, LABELS, range(max(LABELS.values())))
    copies = read_table(other / paths.NEAR_DUPLICATES_CSV, NEAR_DUPLICATES)["path"]
    write_photos(
        other, [*(f"{split}/{label}/{number}.jpg" for split, label, number in every), *copies]
    )
    highs = []
    named = {
        "series": "series",
        "series_from": "^([a-z]+)/",
        "accuracy_by_series": 0.5,
        "group_from": "",
    }
    for choices in {}, named:
        write_json(other / paths.CROSS_VALIDATION_JSON, choices)
        reports(other)
        limits = (other / paths.LIMITS).read_text(encoding="utf-8")
        highs.append(float(re.findall("Distinguishing .* to ([0-9.]+)[)]", limits)[0]))
    assert highs[1] > 2 * highs[0]
