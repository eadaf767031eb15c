"""Test images: how every image was predicted, and what another threshold would change."""

from html import escape

import streamlit as st

from app import charts, files, photos
from app.large import open_large
from app.messages import explained, literal
from app.scores import Matrix, confusion, share_of
from pawprint.core import paths

TITLE, ICON = "Test images", ":material/grid_view:"
PREDICTIONS = {"test": paths.PREDICTIONS, "validation": paths.VALIDATION_PREDICTIONS}
ANY = "any"


def show() -> None:
    split = st.segmented_control("Split", list(PREDICTIONS), default="test", required=True)
    images = files.table(PREDICTIONS[split], path=str, actual=str, predicted=str, probability=float)
    labels = sorted({row[key] for row in images for key in ("actual", "predicted")})
    own = files.record(paths.EVALUATE_METRICS, "threshold")
    threshold = st.select_slider(
        f"Threshold: the probability of {literal(labels[-1])} from which it is predicted",
        sorted({own, *(step / 100 for step in range(101))}),
        value=own,
        format_func=lambda value: f"{value:.4g}" + (" (the model's)" if value == own else ""),
    )
    # What was recorded holds for the model's own: probabilities are rounded in the file.
    rows = [
        judged(
            row, row["predicted"] if threshold == own else label_at(row, threshold, labels), labels
        )
        for row in images
    ]
    matrix, chart = st.columns([5, 6], gap="medium")
    with matrix:
        show_matrix(confusion(rows, labels))
    with chart:
        charts.probabilities(rows, threshold, labels)
    with explained():
        show_photos(rows, labels, split)


def label_at(row: dict, threshold: float, labels: list[str]) -> str:
    return labels[int(row["probability"] >= threshold)]


def judged(row: dict, label: str, labels: list[str]) -> dict:
    """The row with a label as the predicted one, how certain that is, and whether it is wrong."""
    second = row["probability"]
    certainty = second if label == labels[1] else 1 - second
    return row | {"predicted": label, "certainty": certainty, "wrong": label != row["actual"]}


def show_matrix(matrix: Matrix) -> None:
    """The confusion matrix; recall at the end of its rows, precision under its columns."""
    accuracy = share_of(matrix.right, matrix.total)
    st.metric("Accuracy", f"{accuracy.share:.2%}", help="With Wilson's 95 % interval.")
    st.caption(f"{matrix.right} of {matrix.total} right; 95 % interval {accuracy}")

    def cell(actual: str, label: str) -> str:
        kind = "right" if actual == label else "wrong"
        return f'<td class="{kind}">{matrix.counts[actual, label]}</td>'

    head = "".join(f'<th scope="col">taken for {escape(label)}</th>' for label in matrix.labels)
    body = "".join(
        f'<tr><th scope="row">{escape(actual)}</th>'
        + "".join(cell(actual, label) for label in matrix.labels)
        + f"<td>{percent(matrix.recall(actual))}</td></tr>"
        for actual in matrix.labels
    )
    foot = "".join(f"<td>{percent(matrix.precision(label))}</td>" for label in matrix.labels)
    st.html(
        f'<table class="scores" aria-label="Confusion matrix"><thead><tr><td></td>{head}'
        f'<th scope="col">recall</th></tr></thead><tbody>{body}</tbody>'
        f'<tfoot><tr><th scope="row">precision</th>{foot}<td></td></tr></tfoot></table>'
    )


def show_photos(rows: list[dict], labels: list[str], split: str) -> None:
    st.header("Photos", anchor=False)
    with st.container(horizontal=True, gap="medium"):
        actual = st.segmented_control("True label", [ANY, *labels], default=ANY, required=True)
        guess = st.segmented_control("Predicted label", [ANY, *labels], default=ANY, required=True)
        low, high = st.slider("Certainty (%)", 0, 100, (0, 100), width=260)
    chosen = [
        row
        for row in rows
        if actual in (ANY, row["actual"])
        and guess in (ANY, row["predicted"])
        and low <= 100 * row["certainty"] <= high
    ]
    wrong = sum(row["wrong"] for row in chosen)
    st.caption(
        f"{len(chosen)} images, {wrong} of them wrong. Mistakes come first, the most certain ones "
        "before others; then what is right, the least certain first."
    )
    chosen.sort(key=lambda row: -row["certainty"] if row["wrong"] else 1 + row["certainty"])
    row = photos.grid(chosen, f"{split}-{actual}-{guess}-{low}-{high}", says)
    if row:
        verdict = "wrong" if row["wrong"] else "right"
        actual = literal(row["actual"])
        open_large(row["path"], f"**{says(row)[0]}**, which is {verdict}: it is {actual}.")


def says(row: dict) -> tuple[str, str | None]:
    label = f"{literal(row['predicted'])} {row['certainty']:.1%}"
    return (f":red[{label}]", ":material/close:") if row["wrong"] else (label, None)


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
