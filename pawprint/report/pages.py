"""Fill in the templates of the model card and the report."""

import base64
import io
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from pawprint.base.columns import SPLITS
from pawprint.base.errors import name_some, printable
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, UNKNOWN
from pawprint.data.splitting import FEW
from pawprint.report import templates
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.limits import Limit, Limits
from pawprint.scores.metrics import (
    CATALOGUE,
    PERCENT,
    headline_of,
    measure_fraction,
    recalls_of,
    score_of,
)

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
    environment.tests["has"] = lambda values, value: value in values
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


def data_uri(image: Image.Image, quality: int = 85) -> str:
    """Return an image as the data URI of a JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return uri_of(data.getvalue(), "jpeg")


def uri_of(content: bytes, kind: str) -> str:
    """Return the content of an image file of this kind, such as png, as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


MAX_STEPS = 4


def next_steps(limits: Limits) -> list[Limit]:
    """Return what to do next, at most MAX_STEPS limits: what is sure comes before what may not be.

    A question comes first, and labels to review before what may be due to chance.
    """
    chance = [limit for limit in limits.sized if limit.size and not limit.size.is_shown]
    sure = [limit for limit in limits.sized if limit not in chance]
    return [*sure, *limits.others, *chance][:MAX_STEPS]


MAX_MATRIX = 12  # with more classes, MAX_PAIRS pairs are listed instead
MAX_PAIRS = 10


def confusions(test: pd.DataFrame, labels: list[str]) -> pd.DataFrame | None:
    """Return the numbers of test photos by true class (rows) and predicted class (columns).

    For many classes, return None.
    """
    if len(labels) > MAX_MATRIX:
        return None
    matrix = pd.crosstab(test["actual"], test["predicted"])
    return matrix.reindex(index=labels, columns=labels, fill_value=0)


def confused_pairs(test: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Return the most confused pairs: the true class, the predicted one, and the photos."""
    wrong = test[test["actual"] != test["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size()
    pairs = pairs.sort_values(ascending=False, kind="stable").head(MAX_PAIRS)
    return [(*pair, int(photos)) for pair, photos in pairs.items()]


class Headline(NamedTuple):
    """The main score on test photos, with its interval, and what always giving one answer gets.

    `right` of the `photos` are right, and `named` is the commonest answer.
    """

    score: str
    value: float
    low: float
    high: float
    right: int
    photos: int
    named: str
    baseline: float


def headline(scores: pd.DataFrame, actual: pd.Series) -> Headline:
    """Return the headline; `scores` is a SCORES table, and `actual` has each test photo's cell."""
    of_all = "exact" if (scores["score"] == "exact").any() else "accuracy"
    name = of_all if of_all == "exact" else headline_of(scores)
    score = score_of(scores, "test", name)
    kind = SEVERAL_LABELS if name == "exact" else ONE_CLASS
    # What is not known is not named, and contradicts nothing.
    shown = actual.map(lambda cell: kind.written(dict.fromkeys(kind.labels_in(cell), 1)))
    named = str(shown.value_counts().idxmax())
    agrees = [not kind.contradict(cell, named) for cell in actual]
    is_mean = name == "mean_recall"
    return Headline(
        name,
        score["value"],
        score["low"],
        score["high"],
        round(score_of(scores, "test", of_all)["value"] * len(actual)),
        len(actual),
        named,
        1 / len(recalls_of(scores)) if is_mean else sum(agrees) / len(agrees),
    )


NEVER = 0.5  # a class is called never recognised if the interval of its recall is below this


def warn(scores: pd.DataFrame, top: Headline) -> list[str]:
    """Return sentences if the model is not shown to be better, and on classes never recognised."""
    sentences = ["The model has not been shown to be better"] if top.low <= top.baseline else []
    recalls = recalls_of(scores)
    if never := [*recalls.index[(recalls["value"] == 0) & (recalls["high"] < NEVER)]]:
        verb = "found" if top.score == "exact" else "recognised"
        sentences.append(f"Never {verb}: {name_some(never)}")
    return sentences


OF_LABELS = ["exact_of_complete", "found", "named_right"]


def describe_run(scores: pd.DataFrame, actual: pd.Series) -> str:
    """Describe how many test photos are right, compared with always giving the commonest answer.

    If the classes are imbalanced, the balanced accuracy is described as well; with several labels,
    how many are found. The text mentions if the model has not been shown to be better, and lists
    what is never recognised. The arguments are as in `headline`.
    """
    top = headline(scores, actual)
    whole = score_of(scores, "test", "exact" if top.score == "exact" else "accuracy")
    right = f"{whole['value']:.1%}"
    interval = f"({100 * CONFIDENCE:g}% interval {whole['low']:.1%} to {whole['high']:.1%})"
    if top.score == "exact":
        text = f"{right} of {top.photos:,} test photos with every label right {interval}; always "
        sentences = [f"{text}naming {printable(top.named)}: {top.baseline:.1%}"]
        if open_ := sum(-1 in SEVERAL_LABELS.states_in(cell).values() for cell in actual):
            sentences.append(
                f"Only labels that are known count: {open_:,} of these photos lack some, and have "
                "fewer chances to be wrong"
            )
    else:
        counts = actual.value_counts()
        is_one = (counts == counts.max()).sum() == 1
        named = f"{printable(top.named)}, the largest class," if is_one else "one class"
        text = f"Correct on {top.right:,} of {top.photos:,} test photos: {right} {interval}"
        of_one = f"Always predicting {named} gets {counts.max() / top.photos:.1%}"
        if top.score == "mean_recall":
            text += f"; {top.value:.1%} on average over the classes"
            of_one += f", and {top.baseline:.1%} on average"
        sentences = [text, of_one]
    for _, row in scores.query("split == 'test' and score in @OF_LABELS").iterrows():
        sentences.append(f"{CATALOGUE[row['score']].title.capitalize()}: {fraction(row)}")
    return f"{'. '.join([*sentences, *warn(scores, top)])}."


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
