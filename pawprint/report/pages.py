"""Fill in the templates of the model card and the report."""

import base64
import re
from collections import defaultdict
from functools import partial
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from pawprint.base.columns import SPLITS
from pawprint.base.errors import name_some, printable
from pawprint.base.labels import UNKNOWN
from pawprint.data.splitting import FEW
from pawprint.given.archive import Archive
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.given.reading import open_image
from pawprint.report import templates
from pawprint.report.pictures import encode
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.metrics import (
    CATALOGUE,
    PERCENT,
    headline_of,
    measure_fraction,
    recalls_of,
    score_of,
)
from pawprint.scores.prediction_table import with_image

MODEL_CARD = Path(templates.__file__).with_name("model_card.md")
REPORT = MODEL_CARD.with_name("report.html")


def fill(template: Path, **values: object) -> str:
    """Fill in a template. In templates named .html, values are escaped.

    In other templates, the filters `literal` and `code` turn a value into plain text or a code span
    in Markdown. A missing value raises jinja2.UndefinedError.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=template.suffix == ".html",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"literal": literal, "code": code}
    environment.filters["yaml"] = partial(yaml.safe_dump, sort_keys=False, allow_unicode=True)
    return environment.get_template(template.name).render(values)


def literal(value: object) -> str:
    """Escape a value so that Markdown shows it unchanged, even in a table cell."""
    return re.sub(r"([\\`*_\[\]<>|&~])", r"\\\1", str(value))


def code(value: object) -> str:
    """Return the value as a Markdown code span (https://spec.commonmark.org/0.31.2/#code-spans)."""
    text = printable(str(value))
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def data_uri(picture: Image.Image) -> str:
    """Return an image as a data URI."""
    return uri_of_file(encode(picture, ".jpg"), ".jpg")


def uri_of_file(content: bytes, suffix: str) -> str:
    """Return the content of a .jpg or .png file as a data URI."""
    kind = {".jpg": "jpeg", ".png": "png"}[suffix]
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


THUMBNAIL = 160  # maximum size of a photo, in pixels
PHOTOS_PER_PAIR = 8  # the most confident errors are shown
MAX_PHOTOS = 160  # about 1 MB in total
MAX_MATRIX = 12  # with more classes, MAX_PAIRS pairs are listed instead
MAX_PAIRS = 20


def errors_id(labels: list[str], *classes: str) -> str:
    """Return the HTML id of the photos of a class's errors, or of a class predicted as another."""
    return "-".join(["errors", *(str(labels.index(name)) for name in classes)])


def show_errors(archive: Archive, errors: pd.DataFrame, labels: list[str]) -> dict:
    """Return template values for the photos of `errors`, including the `ids` to choose from.

    PHOTOS_PER_PAIR photos are shown for each pair of classes, starting with the most frequent
    pairs. A photo with several rows is shown once.
    """
    pairs = errors.groupby(["actual", "predicted"])
    size = pairs["path"].transform("size")
    rows = errors[pairs.cumcount() < PHOTOS_PER_PAIR].assign(size=size)
    rows = rows.sort_values(["size", "actual", "predicted"], ascending=[False, True, True])
    rows = with_image(rows)
    ids_of: dict[str, list[str]] = defaultdict(list)
    for path, *pair in rows[["path", "actual", "predicted"]].itertuples(index=False):
        ids_of[path] += [errors_id(labels, *classes) for classes in (pair, pair[:1], pair[1:])]
    photos = []
    for row in rows.drop_duplicates("path").head(MAX_PHOTOS).itertuples():
        image = open_image(archive, row.path, decoded_side(THUMBNAIL))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        photos.append((data_uri(image), ids_of[row.path], row))
    return {
        "photos": photos,
        "ids": sorted({name for _, ids, _ in photos for name in ids}),
        "errors": errors["path"].nunique(),
    }


def link_matrix(test: pd.DataFrame, labels: list[str], ids: list[str]) -> list[list]:
    """Return the confusion matrix's rows for a PROBABILITIES table, or [] for many classes.

    Errors link to their photos, if these are shown.
    """
    if len(labels) > MAX_MATRIX:
        return []
    rows = []
    matrix = pd.crosstab(test["actual"], test["predicted"])
    matrix = matrix.reindex(index=labels, columns=labels, fill_value=0)
    cell = Markup('<div class="share" style="--share: {:.2f}">{}</div>')  # its part of the row
    for actual, counts in matrix.iterrows():
        of = max(counts.sum(), 1)
        links = [_link(number, labels, ids, actual, label) for label, number in counts.items()]
        rows.append(
            [actual, *(cell.format(number / of, link) for number, link in zip(counts, links))]
        )
    return rows


def link_pairs(test: pd.DataFrame, labels: list[str], ids: list[str]) -> list[list]:
    """Return rows for the most confused pairs in a PROBABILITIES table, with links to photos."""
    wrong = test[test["actual"] != test["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size()
    pairs = pairs.sort_values(ascending=False, kind="stable").head(MAX_PAIRS)
    return [[*pair, _link(images, labels, ids, *pair)] for pair, images in pairs.items()]


def link_classes(rows: pd.DataFrame, labels: list[str], ids: list[str]) -> pd.DataFrame:
    """Return the table from `class_rows`, with a link for each class that has photos of errors."""
    kind = rows.columns[0]
    links = [_link(label, labels, ids, label) for label in rows[kind]]
    return rows.assign(**{kind: pd.Series(links, rows.index, object)})


def _link(text: object, labels: list[str], ids: list[str], *classes: str) -> object:
    """Link a class or a number of errors to their photos, unless none is shown."""
    target = errors_id(labels, *classes)
    is_linked = text and target in ids
    return Markup('<a href="#{}">{}</a>').format(target, text) if is_linked else text


MOST = 0.9  # a sentence reports the error for this fraction of images
ROUGH = 100  # with fewer images, percentages have no decimals
OF_PROBABILITIES = ("roc_auc", "expected_calibration_error")  # last: few people act on them


def describe_score(score: pd.Series) -> str:
    """Return text such as "95.50% (191/200), 91.67% to 97.61%", or "" without a value.

    With fewer than ROUGH images, it looks like "86% (18 of 21), 65% to 95%"; with at most FEW, like
    "1 of 1". Without an interval, it looks like "0.9550".
    """
    kind = CATALOGUE[score["score"]]
    if pd.isna(score["value"]):
        return ""
    form = ".0%" if kind.form == PERCENT and score["images"] < ROUGH else kind.form
    is_fraction = kind.measure is measure_fraction
    text = fraction(score) if is_fraction else format(score["value"], form)
    if pd.isna(score["low"]):
        return text
    return f"{text}, {score['low']:{form}} to {score['high']:{form}}"


def fraction(score: pd.Series) -> str:
    """Return "95.50% (191/200)", "86% (18 of 21)" or "1 of 1", from a fraction's row."""
    value = score["value"]
    images = score["images"]
    correct = round(value * images)
    if images <= FEW:
        return f"{correct} of {images}"
    if images < ROUGH:
        return f"{value:.0%} ({correct} of {images})"
    return f"{value:.2%} ({correct}/{images})"


def describe_result(scores: pd.DataFrame) -> str:
    """Describe how many test photos are correct, compared with always predicting one class.

    If the classes are imbalanced, the balanced accuracy is described as well. The text mentions if
    the model has not been shown to be better than always predicting the largest class, and lists
    classes that are never recognised. `scores` is the SCORES table.
    """
    whole = score_of(scores, "test", "accuracy")
    images = whole["images"]
    low = whole["low"]
    recalls = recalls_of(scores)
    counts = recalls["images"]
    largest = counts.index[counts == counts.max()]
    named = f"{printable(largest[0])}, the largest class," if len(largest) == 1 else "one class"
    baseline = counts.max() / images
    text = (
        f"Correct on {round(whole['value'] * images):,} of {images:,} test photos: "
        f"{whole['value']:.1%} ({100 * CONFIDENCE:g}% interval {low:.1%} to {whole['high']:.1%})"
    )
    of_one = f"Always predicting {named} gets {baseline:.1%}"
    if headline_of(scores) != "accuracy":
        mean = score_of(scores, "test", "mean_recall")
        low = mean["low"]
        baseline = 1 / len(recalls)
        text += f"; {mean['value']:.1%} on average over the classes"
        of_one += f", and {baseline:.1%} on average"
    sentences = [text, of_one]
    if low <= baseline:
        sentences.append("The model has not been shown to be better")
    if never := [*recalls.index[recalls["value"] == 0]]:
        sentences.append(f"Never recognised: {name_some(never)}")
    return f"{'. '.join(sentences)}."


def describe_exact(scores: pd.DataFrame, actual: pd.Series) -> str:
    """Describe how many test photos have every label right, and how many labels are found.

    `scores` is the SCORES table, and `actual` contains each test photo's cell of labels, whose
    commonest could be named for every photo.
    """
    whole = score_of(scores, "test", "exact")
    fractions = actual.value_counts(normalize=True)
    named, baseline = fractions.idxmax(), fractions.max()
    text = (
        f"{whole['value']:.1%} of {whole['images']:,} test photos with every label right "
        f"({100 * CONFIDENCE:g}% interval {whole['low']:.1%} to {whole['high']:.1%}); always "
        f"naming {printable(named)}: {baseline:.1%}"
    )
    sentences = [text]
    if whole["low"] <= baseline:
        sentences.append("The model has not been shown to be better")
    for _, row in scores.query("split == 'test' and score in ['found', 'named_right']").iterrows():
        sentences.append(f"{CATALOGUE[row['score']].title.capitalize()}: {fraction(row)}")
    recalls = recalls_of(scores)["value"]
    if never := [*recalls.index[recalls == 0]]:
        sentences.append(f"Never found: {name_some(never)}")
    return f"{'. '.join(sentences)}."


def describe_decided(decided: pd.DataFrame) -> str:
    """Return a sentence about the error on the most confident test images, from a DECIDED table."""
    most = decided[decided["decided"] >= MOST].iloc[0]
    return (
        f"The error rate is {most['error']:.1%} on the most confident {most['decided']:.0%} of the "
        f"test images, and {decided.iloc[-1]['error']:.1%} on all of them."
    )


def result_rows(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Return rows for the results table: a title, then the test and validation scores or ""."""
    selection = scores[scores["score"].isin(CATALOGUE)]
    texts = selection.assign(text=selection.apply(describe_score, axis=1))
    overall = texts[texts["label"] == ""].pivot(index="score", columns="split", values="text")
    names = [name for name in CATALOGUE if name in overall.index]
    names.insert(3, names.pop(1))  # put the log loss after the percentages
    names.sort(key=lambda name: (name != headline_of(scores), name in OF_PROBABILITIES))
    overall = overall.loc[names, ["test", "validation"]].fillna("")
    rows = [(CATALOGUE[name].title, *overall.loc[name]) for name in names]
    if UNKNOWN in set(scores["label"]):
        refused, area = (score_of(texts, "test", name, UNKNOWN) for name in ("refused", "roc_auc"))
        rows += [
            ("unknown images labelled unknown", refused["text"], ""),
            ("area under the ROC curve of unknown and test images", area["text"], ""),
        ]
    return rows


def class_rows(scores: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return a row of text for each class, starting with the lowest recall on the test split.

    A cell without a score contains "none", for example if a class has no images in a split. The
    first column, with the names, is called `kind`.
    """
    named = scores[scores["label"].isin(scores.loc[scores["score"] == "recall", "label"])]
    texts = named.assign(text=named.apply(describe_score, axis=1)).pivot(
        index="label", columns=["score", "split"], values="text"
    )
    recall = recalls_of(scores)["value"]
    texts = texts.reindex(recall.reindex(texts.index).sort_values(kind="stable").index)
    of_test = [name for name in CATALOGUE if name in {*named["score"]}]
    columns = [*((name, "test") for name in of_test), ("recall", "validation")]
    rows = texts.reindex(columns=pd.MultiIndex.from_tuples(columns)).fillna("none")
    rows.columns = [f"{CATALOGUE[name].title}, {split}" for name, split in columns]
    return rows.rename_axis(kind).reset_index()


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Count the images in a SPLIT table: a row per label, a column per split, and `images`."""
    counts = pd.crosstab(images["label"], images["split"]).reindex(columns=SPLITS, fill_value=0)
    return counts.assign(images=counts.sum(axis=1))
