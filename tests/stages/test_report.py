"""Test the pages written by the `plot` stage for a made-up run with grey pictures and a model."""

import base64
import contextlib
import html
import io
import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, encode, overlay, replace, succeed, write_files
from made_up_run import write_label_run, write_photos, write_run
from PIL import Image

from pawprint.artifacts import Run
from pawprint.base import paths
from pawprint.base.columns import (
    HISTORY,
    IMAGES,
    LABELS_TO_REVIEW,
    METADATA,
    NEAR_DUPLICATES,
    REJECTED,
    SCORES,
    SPLIT,
    SPLITS,
)
from pawprint.base.files import pack, write_json
from pawprint.base.labels import SEVERAL_LABELS
from pawprint.base.tables import read_table, write_table
from pawprint.commands.export_page import facts_of
from pawprint.given.archive import members, open_archive
from pawprint.given.reading import open_image
from pawprint.model.metadata import read_metadata
from pawprint.network.augmentation import draw_view
from pawprint.network.views import apply, resize
from pawprint.pipeline.params.data import Augment
from pawprint.report.pages import describe_score
from pawprint.report.photos import MOST
from pawprint.scores.metrics import score_of
from pawprint.scores.prediction_table import read_probabilities
from stages import code, plot

LABELS = {"a|b": 30, "bee": 12, "<cow>": 5}
FILES = [("<script>alert(1)</script>.jpg", "cat", "not_an_image", "a & b")]
FILES += [("a.jpg", "cat", "truncated", "x")] * 60
SECRET = "correct-horse"
URL = f"https://user:{SECRET}@host/file?token={SECRET}"
COMMIT = ("commit", "-q", "--allow-empty", "-m", "a run")
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
        write_json(paths.SHOWN_PARAMS, code.shown_params())
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


FOLDS_SAID = "Training photos are predicted in cross-validation."


def test_figures_of_a_model_that_was_trained_in_epochs_name_the_model_that_they_are_of(other):
    """The history has epochs. Folds, and so the curve and series, are of a regression."""
    write_json(other / paths.CROSS_VALIDATION_JSON, {"C": 3000, "views": 1, "blocks": 0})
    _, page = reports(other)
    limits = (other / paths.LIMITS).read_text(encoding="utf-8")
    assert "measured by a logistic regression on frozen features" in limits
    assert "The logistic regression uses C" not in page
    assert "This model was trained in epochs." in page
    assert FOLDS_SAID not in page  # training photos have no predictions of this model
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


def shown_in(page: str) -> dict[str, set[str]]:
    """Return the filters of each photo in the page, keyed by path."""
    figures = re.findall(r'<figure class="([^"]*)"><img .*?title="([^"]*)"', page, re.DOTALL)
    assert len(figures) == len({path for _, path in figures})  # each photo once
    return {html.unescape(path): {*classes.split()} for classes, path in figures}


def test_cell_of_the_confusion_matrix_and_class_open_the_photos_of_their_errors(both, workspace):
    _, page = both
    of_test = read_probabilities(workspace / paths.PROBABILITIES_CSV["test"])
    labels = list(LABELS)
    targets = set(re.findall(r'<a href="#(errors[0-9-]*)">', page))
    photos = shown_in(page)
    wrong = of_test[of_test["actual"] != of_test["predicted"]]
    for row in wrong.itertuples():
        tag = f"errors-{labels.index(row.actual)}"
        tags = {"errors", tag, f"{tag}-{labels.index(row.predicted)}"}
        assert tags <= targets and tags <= photos[row.path]
    for target in targets:  # a CSS rule hides the other photos
        assert f'<span id="{target}"></span>' in page
        assert f"#{target}:target ~ .photos figure:not(.{target})" in page
        assert any(target in tags for tags in photos.values())


def test_row_of_a_site_opens_the_photos_of_its_errors(other):
    tables = [read_probabilities(other / path) for path in paths.PROBABILITIES_CSV.values()]
    images = pd.concat(tables)[["path"]]
    sites = images["path"].str.contains("[02468][.]").map({True: "north", False: "south"})
    write_table(other / paths.METADATA_CSV, images.assign(column="site", value=sites), METADATA)
    _, page = reports(other)
    opens = {site: tag for tag, site in re.findall(r'href="#(slice-\d)">(\w+)<', page)}
    site_of = dict(zip(images["path"], sites))
    wrong = {path: tags for path, tags in shown_in(page).items() if "errors" in tags}
    assert wrong and {*opens} == {site_of[path] for path in wrong}
    for path, tags in wrong.items():
        assert {tag for tag in tags if "slice" in tag} == {opens[site_of[path]]}


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
    assert "a|b → &lt;cow&gt;" in page
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
    assert question in page[page.index('<ol class="steps">') : page.index("</li>")]


def test_images_that_show_several_labels_are_counted_and_their_errors_named(other):
    labels = write_label_run(other)
    fitted(other)
    card, page = reports(other)
    scores = read_table(other / paths.SCORES_CSV, SCORES)
    of_test = read_probabilities(other / paths.PROBABILITIES_CSV["test"])
    right = (of_test["actual"] == of_test["predicted"]).mean()
    most = of_test["actual"].value_counts(normalize=True).max()
    assert f"{right * len(of_test):.0f} of {len(of_test)} test photos are right." in page
    assert f'<div class="big">{100 * right:.1f}<' in page
    assert f"always one answer: {most:.0%}" in page
    for score, label in ("exact", ""), ("found", ""), ("named_right", ""), ("roc_auc", "unknown"):
        assert describe_score(score_of(scores, "test", score, label)) in card
    images = read_table(other / paths.SPLIT_CSV, SPLIT)
    shows = images["label"].map(SEVERAL_LABELS.labels_in).map(lambda cell: labels[0] in cell)
    counts = [*pd.crosstab(shows, images["split"]).loc[True, ["train", "validation", "test"]]]
    assert f"| \\<sea\\> | {' | '.join(map(str, [*counts, sum(counts)]))} |" in card
    assert "| all | 40 | 40 | 40 | 120 |" in card
    wrong = of_test[of_test["actual"] != of_test["predicted"]].iloc[0]
    caption = f"{wrong['actual']} → {wrong['predicted']}"
    assert html.escape(caption) in page and "errors" in shown_in(page)[wrong["path"]]
    assert FOLDS_SAID in page
    captions = re.findall('class="says"><span>(.*?)</span>', page)
    assert "&lt;sea&gt;, trees" in captions and not any("|" in each for each in captions)
    for word in ("true class", "max_error</code> sets", "<sea>", "one of the", "Classes"):
        assert word not in page, word


def test_page_of_a_model_without_errors_does_not_explain_errors(both, other):
    scores = read_table(other / paths.SCORES_CSV, SCORES)
    scores.loc[(scores["split"] == "test") & (scores["score"] == "accuracy"), "value"] = 1
    write_table(other / paths.SCORES_CSV, scores, SCORES)
    for page, is_there in (both[1], True), (reports(other)[1], False):
        assert ("An orange number opens" in page) == ("The error rate is" in page) == is_there


def test_card_says_nothing_that_the_params_deny(other):
    """The run has other classes, random weights, a fixed threshold and no labels to review."""
    write_run(other, {"ant": 9, "bee": 9}, pd.DataFrame(columns=list(REJECTED)))
    none = pd.DataFrame(columns=list(LABELS_TO_REVIEW))
    write_table(other / paths.LABELS_TO_REVIEW_CSV, none, LABELS_TO_REVIEW)
    changes = "{fetch: {source: mine}, weights: {source: none}, model: {resize: stretch}, "
    card, page = reports(other, changes + "calibrate: {temperature: false, threshold: {bee: 0.5}}}")
    for word in ("cat ", "dog", "ImageNet", "pre-trained", "fitted on", "divided by", "central"):
        assert word not in card, word
    assert "<textarea" not in page  # it would be empty


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


FITTED = """
import sys
from stages import plot

plot.main()
assert not {"matplotlib", "cv2"} & {*sys.modules}
"""


def fitted(workspace: Path) -> None:
    """Make the run that of a fitted head."""
    history = pd.DataFrame({name: [0.9] for name in HISTORY})
    history = history.assign(epoch=0, learning_rate=None, kept=True)
    write_table(workspace / paths.EXTRACT_HISTORY_CSV, history, HISTORY)
    none = pd.DataFrame(columns=list(HISTORY))
    write_table(workspace / paths.FINETUNE_HISTORY_CSV, none, HISTORY)


def test_fitted_head_on_one_view_is_drawn_without_matplotlib_and_opencv(both, other):
    fitted(other)
    params = overlay((other / "params.yaml").read_text("utf-8"), "augment: {views: 1}")
    (other / "params.yaml").write_text(params, encoding="utf-8")
    with contextlib.chdir(other):
        write_json(paths.SHOWN_PARAMS, code.shown_params())
    succeed("python", "-c", FITTED, cwd=other, PYTHONPATH=str(PROJECT))
    page = (other / paths.REPORT).read_text("utf-8")
    names = ["learning_curve.svg", "probabilities.svg"]
    assert sorted(path.name for path in (other / paths.FIGURES).iterdir()) == names
    assert "by epoch" not in page and 'alt="View 0"' not in page and "by epoch" in both[1]


def test_settings_of_the_user_do_not_change_the_figure_of_a_training(both, workspace, other):
    settings = "lines.linewidth: 9\nfont.size: 30\nsavefig.dpi: 30\nlines.marker: o\n"
    (other / "own").write_text(settings, encoding="utf-8")
    command = "from stages import plot; plot.main()"
    environment = {"PYTHONPATH": str(PROJECT), "MATPLOTLIBRC": str(other / "own")}
    succeed("python", "-c", command, cwd=other, **environment)
    before, after = ((each / paths.FIGURES / "training.png") for each in (workspace, other))
    assert before.read_bytes() == after.read_bytes()


def test_views_are_those_that_training_uses(both, workspace):
    uris = re.findall(r'<img src="([^"]*)" alt="View \d"', both[1])
    assert len(uris) == 4  # augment.views in params.yaml
    archive = workspace / paths.RAW_ARCHIVES
    augment = Augment.load(path=workspace / "params.yaml")
    first = read_table(workspace / paths.SPLIT_CSV, SPLIT).iloc[0]
    with open_archive(archive) as photos:
        pixels = resize(open_image(photos, first["path"]), 96, "crop")
    for number, uri in enumerate(uris):
        view = apply(pixels, draw_view(augment, first["pixels_sha256"], number, 96))
        shown = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert np.abs(np.asarray(shown).astype(int) - view).mean() < 4  # a JPEG


def test_page_of_many_classes_and_noisy_photos_is_short(other):
    """Noise has the longest JPEGs."""
    labels = [f"{number} {'long ' * 10}name" for number in range(60)]
    write_run(other, dict.fromkeys(labels, 12), pd.DataFrame(FILES, columns=list(REJECTED)))
    rng = np.random.default_rng(0)
    noise = encode(Image.fromarray(rng.integers(0, 256, (200, 200, 3), np.uint8)), quality=95)
    with open_archive(other / paths.RAW_ARCHIVES) as photos:
        names = [*members(photos)]
    pack(other / paths.RAW_IMAGES, [(name, noise) for name in names])
    _, page = reports(other)
    assert len(page.encode()) < 900_000
    assert 60 < len(shown_in(page)) <= sum(MOST.values())


def test_page_is_the_same_whatever_the_last_commit_is(both, other):
    """Decision 19: the report is an output, and DVC does not know HEAD."""
    succeed("git", "init", "-q", cwd=other)
    succeed("git", "-c", "user.name=a", "-c", "user.email=a@b", *COMMIT, cwd=other)
    assert reports(other, SECRETS) == both
