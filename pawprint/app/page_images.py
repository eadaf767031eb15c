"""This run: accuracy, the prediction of every image, and the effect of another threshold."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from pawprint import project
from pawprint.app import photos
from pawprint.app.messages import explain_errors, plain
from pawprint.model.metadata import read_metadata
from pawprint.params.model import Evaluate
from pawprint.project import PREDICTIONS_CSV, PROBABILITY
from pawprint.scores.intervals import fraction_interval
from pawprint.scores.predictions import confusion, most_confused, rank_predictions
from pawprint.tables import predicted_labels, read_predictions

TITLE, ICON = "This run", ":material/grid_view:"
ANY = "any label"
IN_MATRIX = 10  # classes at most


def show() -> None:
    split = st.segmented_control("Split", list(PREDICTIONS_CSV), default="test", required=True)
    path = PREDICTIONS_CSV[split]
    images = read(path)
    labels = predicted_labels(images)
    if len(labels) == 2:
        thresholds = read_metadata(project.SERVED_MODEL).thresholds
        at_threshold(images, labels, *next(iter(thresholds.items()), (labels[1], 0.5)))
    show_scores(images, labels)
    with explain_errors():
        show_photos(rank_predictions(images), labels, split)


@st.cache_data(max_entries=2, show_spinner="Reading the predictions …", hash_funcs=photos.HASHED)
def read(path: Path) -> pd.DataFrame:
    """The table PREDICTIONS. Of a thousand classes it takes seconds."""
    return read_predictions(path)


def at_threshold(images: pd.DataFrame, labels: list[str], label: str, own: float) -> None:
    """A control for the threshold of one of two classes, which changes the predictions."""
    threshold = st.select_slider(
        f"Threshold: the probability of {plain(label)} from which it is predicted",
        sorted({own, *(step / 100 for step in range(101))}),
        value=own,
        format_func=lambda value: f"{value:.4g}" + (" (the model's)" if value == own else ""),
    )
    # At the model's threshold the recorded label counts: the file rounds probabilities.
    if threshold != own:
        (other,) = set(labels) - {label}
        is_above = images[PROBABILITY + label] >= threshold
        images["predicted"] = np.where(is_above, label, other)


def show_scores(images: pd.DataFrame, labels: list[str]) -> None:
    """Accuracy with its interval, and the confusion matrix or, of many classes, its largest errors.

    The matrix has recall by row and precision by column.
    """
    counts = confusion(images, labels)
    correct = pd.Series(np.diag(counts), labels)
    level = Evaluate.load().confidence
    low, high = fraction_interval(int(correct.sum()), len(images), level)
    st.metric("Accuracy", f"{correct.sum() / len(images):.2%}")
    st.caption(
        f"{correct.sum()} of {len(images)} correct; {100 * level:g}% interval (Wilson) "
        f"{low:.1%} to {high:.1%}"
    )
    if len(labels) > IN_MATRIX:
        st.caption(f"The most confused of {len(labels)} classes")
        table = most_confused(images, IN_MATRIX)
        st.dataframe(table, hide_index=True, alt="Most confused classes")
        return
    table = counts.astype(str)
    table["recall"] = (correct / counts.sum(axis=1)).map(percent)
    table.loc["precision"] = (correct / counts.sum(axis=0)).map(percent)
    table = table.fillna("").rename_axis(index="true \\ predicted", columns=None)
    st.dataframe(
        table,
        key="matrix",
        on_select=lambda: choose(table),
        selection_mode="single-cell",
        alt="Confusion matrix",
    )
    st.caption("A click on a cell shows its photos.")


def choose(table: pd.DataFrame) -> None:
    """Set the filters of the photos to the cell of the confusion matrix that was clicked."""
    for row, column in st.session_state["matrix"]["selection"]["cells"]:
        actual = table.index[row]
        st.session_state["actual"] = ANY if actual == "precision" else actual
        st.session_state["predicted"] = ANY if column == "recall" else column


def show_photos(images: pd.DataFrame, labels: list[str], split: str) -> None:
    st.header("Photos", anchor=False)
    with st.container(horizontal=True, gap="medium"):
        actual = st.selectbox("True label", [ANY, *labels], key="actual", width=260)
        guess = st.selectbox("Predicted label", [ANY, *labels], key="predicted", width=260)
        low, high = st.slider("Confidence (%)", 0, 100, (0, 100), width=260)
    rows = images[(100 * images["confidence"]).between(low, high)]
    for column, label in (("actual", actual), ("predicted", guess)):
        if label != ANY:
            rows = rows[rows[column] == label]
    st.caption(
        f"{len(rows)} images, {rows['wrong'].sum()} of them wrong. The most confident errors "
        "come first, then the least confident correct predictions. Confidence is the probability "
        "of the predicted label."
    )
    row = photos.grid(rows, f"{split}-{actual}-{guess}-{low}-{high}", verdict)
    if row:
        photos.open_large(
            row.path, f"Predicted **{verdict(row)}** · true label **{plain(row.actual)}**"
        )


def verdict(row) -> str:
    label = f"{plain(row.predicted)} {row.confidence:.1%}"
    return f":red[✗ {label}]" if row.wrong else label


def percent(fraction: float) -> str:
    return "–" if pd.isna(fraction) else f"{fraction:.1%}"
