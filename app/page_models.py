"""Models: the results of every commit, tag and experiment, and a comparison of two of them."""

from datetime import datetime
from html import escape

import pandas as pd
import streamlit as st

from app import charts, photos
from app.accuracy import accuracy, confidence, interval_name
from app.history import (
    MAX_REVISIONS,
    Result,
    Revision,
    differing,
    flat,
    results,
    table_of,
)
from app.messages import explained, literal
from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.tables import HISTORY, PREDICTIONS
from pawprint.evaluation.intervals import mcnemar

TITLE, ICON = "Models", ":material/insights:"
IN_CHART = 15  # revisions, the newest; with more the chart is too tall
NOT_COMPARED = ("correct", "total", "_low", "_high")  # counts, and ends of intervals
# Early revisions recorded no learning rate.
CURVES = {name: kind for name, kind in HISTORY.items() if name != "learning_rate"}


def show() -> None:
    heading, toggle = st.columns([4, 1], vertical_alignment="center")
    heading.markdown(
        "The results that DVC recorded in every tag, every experiment, and every commit that "
        "changed a result. Where intervals overlap widely, the images do not show which model is "
        "better."
    )
    every = toggle.toggle(
        "Every commit",
        help="Also the commits that changed no metrics and no params. The list ends after the "
        f"newest {MAX_REVISIONS}.",
    )
    with st.spinner("Reading the history …"):
        found = results(every)
    if not found:
        st.info(
            "No revision holds metrics yet. Run `dvc repro` to make `metrics/evaluate.json`, and "
            "`git commit` to record it.",
            icon=":material/history:",
        )
        return
    show_all(found)
    compare(found)


def show_all(found: dict[Revision, Result]) -> None:
    """The accuracies as a chart, and all revisions as a table."""
    level = confidence()
    tests = {}
    for revision, result in found.items():
        test = result.metrics["test"]
        tests[revision] = accuracy(test["correct"], test["total"], level)
    charts.intervals({revision.name: tests[revision] for revision in list(found)[:IN_CHART]}, level)
    recorded = list(found.values())
    table = pd.DataFrame(
        {
            "revision": [revision.name for revision in found],
            "subject": [revision.subject for revision in found],
            "date": [date(revision) for revision in found],
            "test accuracy": [measured.value for measured in tests.values()],
            interval_name(level): [measured.interval for measured in tests.values()],
            "validation accuracy": [
                result.metrics.get("validation", {}).get("accuracy") for result in recorded
            ],
            "test loss": [result.metrics["test"].get("loss") for result in recorded],
        }
        | {
            key: sortable([result.params.get(key) for result in recorded])
            for key in differing(recorded)
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "subject": st.column_config.TextColumn(width="medium"),
            "date": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "test accuracy": st.column_config.NumberColumn(format="percent"),
            "validation accuracy": st.column_config.NumberColumn(format="percent"),
            "test loss": st.column_config.NumberColumn(format="%.4f"),
        },
        alt="Revisions with their accuracy and the params that differ",
    )


def compare(found: dict[Revision, Result]) -> None:
    st.header("Compare two", anchor=False)
    if len(found) < 2:
        st.info("Only one revision holds metrics. A comparison needs two.")
        return
    all_of_them = list(found)
    left, right = st.columns(2)
    first = left.selectbox("Revision", all_of_them, format_func=titled)
    others = [revision for revision in all_of_them if revision != first]
    second = right.selectbox("Compared with", others, format_func=titled)
    with explained():
        compare_metrics(found, first, second)
    with explained():
        compare_curves(first, second)
    with explained():
        compare_images(first, second)


def compare_metrics(found: dict[Revision, Result], *two: Revision) -> None:
    results = [found[revision] for revision in two]
    names = [revision.name for revision in two]
    for column, split in zip(st.columns(2, gap="medium"), ("validation", "test")):
        of_split = [flat(result.metrics.get(split) or {}) for result in results]
        rows = []
        for key in dict.fromkeys(key for each in of_split for key in each):
            if not key.endswith(NOT_COMPARED):
                values = [each.get(key) for each in of_split]
                name = key.replace("_", " ").replace(".", " ")
                rows.append([name, *map(decimal, values), difference(*values)])
        with column:
            st.subheader(f"Metrics on {split} images", anchor=False)
            show_table(["metric", *names, "change"], rows)
    st.subheader("Params that differ", anchor=False)
    keys = differing(results)
    if keys:
        rows = [[key, *(shown(result.params.get(key)) for result in results)] for key in keys]
        show_table(["param", *names], rows)
    else:
        st.markdown("None. Code, images or weights may differ.")


def compare_curves(*two: Revision) -> None:
    st.subheader("Learning curves", anchor=False)
    histories = {
        revision.name: pd.concat(
            table_of(revision.commit, path, CURVES)
            for path in (paths.EXTRACT_HISTORY, paths.FINETUNE_HISTORY)
        )
        for revision in two
    }
    for column, metric in zip(st.columns(2), ("accuracy", "loss")):
        with column:
            charts.curves(histories, metric)


def compare_images(*two: Revision) -> None:
    st.subheader("Test images with different predictions", anchor=False)
    predictions = []
    for revision in two:
        table = table_of(revision.commit, paths.PREDICTIONS, PREDICTIONS)
        if table.empty:
            raise InputError(f"{revision.name}: it does not hold {paths.PREDICTIONS}.")
        predictions.append(table.assign(correct=table["actual"] == table["predicted"]))
    both = (
        predictions[0].merge(predictions[1], on="path", suffixes=("_1", "_2")).sort_values("path")
    )
    differ = both[both["predicted_1"] != both["predicted_2"]]
    names = [literal(revision.name) for revision in two]
    if both.empty:
        st.markdown("The revisions have no test image in common.")
        return
    if differ.empty:
        st.markdown(f"None of the {len(both)} test images of both revisions.")
        return
    correct = [int(differ[column].sum()) for column in ("correct_1", "correct_2")]
    st.markdown(
        f"{len(differ)} of the {len(both)} test images of both revisions: **{names[0]}** is "
        f"correct on {correct[0]} of them, **{names[1]}** on {correct[1]}. A difference at least "
        f"as large occurs by chance with p = {mcnemar(*correct):.2f} (McNemar's exact test)."
    )

    def correct_one(row) -> tuple[str, None]:
        return f"{literal(row.actual_1)}: {names[0 if row.correct_1 else 1]} is correct", None

    row = photos.grid(differ, "differ", correct_one)
    if row:
        photos.open_large(
            row.path,
            f"True label **{literal(row.actual_1)}** · "
            f"**{names[0]}**: {answer(row.predicted_1, row.probability_1)} · "
            f"**{names[1]}**: {answer(row.predicted_2, row.probability_2)}",
        )


def answer(predicted: str, probability: float) -> str:
    """The predicted label, and the probability of the second class as it was recorded."""
    return f"{literal(predicted)} ({probability:.1%})"


def titled(revision: Revision) -> str:
    return f"{revision.name} · {revision.subject}"


def date(revision: Revision) -> datetime | None:
    return datetime.fromtimestamp(revision.seconds) if revision.commit else None


def shown(value: object) -> str:
    return "–" if value is None else str(value)


def sortable(values: list) -> list:
    """The values if all are numbers or None, or else as text: a column has one type."""
    of_numbers = all(value is None or type(value) in (int, float) for value in values)
    return values if of_numbers else [shown(value) for value in values]


def decimal(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "–"


def difference(before: object, after: object) -> str:
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return ""
    return f"{after - before:+.4f}" if after != before else "="


def show_table(header: list[str], rows: list[list[str]]) -> None:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    st.html(
        f'<div class="scrolling"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
