"""Test images: the prediction of every image, and the effect of another threshold."""

from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from app import charts, files, photos
from app.accuracy import accuracy, confidence, interval_name
from app.messages import explained, literal
from pawprint.core import paths
from pawprint.core.tables import PREDICTIONS
from pawprint.reports.ranking import rank

TITLE, ICON = "Test images", ":material/grid_view:"
SPLITS = {"test": paths.PREDICTIONS, "validation": paths.VALIDATION_PREDICTIONS}
ANY = "any"


def show() -> None:
    split = st.segmented_control("Split", list(SPLITS), default="test", required=True)
    images = files.table(SPLITS[split], PREDICTIONS)
    labels = sorted({*images["actual"], *images["predicted"]})
    own = files.record(paths.EVALUATE_METRICS, "threshold")
    threshold = st.select_slider(
        f"Threshold: the probability of {literal(labels[-1])} from which it is predicted",
        sorted({own, *(step / 100 for step in range(101))}),
        value=own,
        format_func=lambda value: f"{value:.4g}" + (" (the model's)" if value == own else ""),
    )
    # At the model's threshold the recorded label counts: the file rounds probabilities.
    if threshold != own:
        is_second = images["probability"] >= threshold
        images["predicted"] = is_second.map({False: labels[0], True: labels[-1]})
    matrix, chart = st.columns([5, 6], gap="medium")
    with matrix:
        show_matrix(images, labels)
    with chart:
        charts.probabilities(images, threshold, labels[-1])
    with explained():
        show_photos(rank(images), labels, split)


def show_matrix(images: pd.DataFrame, labels: list[str]) -> None:
    """The confusion matrix, with recall at the end of its rows and precision below its columns."""
    counts = pd.crosstab(images["actual"], images["predicted"])
    counts = counts.reindex(index=labels, columns=labels, fill_value=0)
    correct = pd.Series(np.diag(counts), labels)
    level = confidence()
    measured = accuracy(int(correct.sum()), len(images), level)
    st.metric("Accuracy", f"{measured.value:.2%}")
    st.caption(
        f"{correct.sum()} of {len(images)} correct; {interval_name(level)} (Wilson) "
        f"{measured.interval}"
    )

    def cells(actual: str) -> str:
        return "".join(
            f'<td class="{"correct" if label == actual else "wrong"}">{count}</td>'
            for label, count in counts.loc[actual].items()
        )

    recall, precision = correct / counts.sum(axis=1), correct / counts.sum(axis=0)
    head = "".join(f'<th scope="col">predicted {escape(label)}</th>' for label in labels)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>{cells(label)}'
        f"<td>{percent(recall[label])}</td></tr>"
        for label in labels
    )
    foot = "".join(f"<td>{percent(precision[label])}</td>" for label in labels)
    st.html(
        f'<table class="scores" aria-label="Confusion matrix"><thead><tr><td></td>{head}'
        f'<th scope="col">recall</th></tr></thead><tbody>{body}</tbody>'
        f'<tfoot><tr><th scope="row">precision</th>{foot}<td></td></tr></tfoot></table>'
    )


def show_photos(images: pd.DataFrame, labels: list[str], split: str) -> None:
    st.header("Photos", anchor=False)
    with st.container(horizontal=True, gap="medium"):
        actual = st.segmented_control("True label", [ANY, *labels], default=ANY, required=True)
        guess = st.segmented_control("Predicted label", [ANY, *labels], default=ANY, required=True)
        low, high = st.slider("Confidence (%)", 0, 100, (0, 100), width=260)
    shown = images[(100 * images["confidence"]).between(low, high)]
    for column, label in (("actual", actual), ("predicted", guess)):
        if label != ANY:
            shown = shown[shown[column] == label]
    st.caption(
        f"{len(shown)} images, {shown['wrong'].sum()} of them wrong. The most confident errors "
        "come first, then the least confident correct predictions. Confidence is the probability "
        "of the predicted label."
    )
    row = photos.grid(shown, f"{split}-{actual}-{guess}-{low}-{high}", verdict)
    if row:
        photos.open_large(
            row.path, f"Predicted **{verdict(row)[0]}** · true label **{literal(row.actual)}**"
        )


def verdict(row) -> tuple[str, str | None]:
    label = f"{literal(row.predicted)} {row.confidence:.1%}"
    return (f":red[{label}]", ":material/close:") if row.wrong else (label, None)


def percent(fraction: float) -> str:
    return "–" if pd.isna(fraction) else f"{fraction:.1%}"
