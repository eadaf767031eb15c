"""Models: what every commit, tag and experiment measured, and two of them side by side."""

from datetime import datetime
from html import escape

import streamlit as st

from app import charts, photos
from app.history import SHOWN, Result, Revision, differing, flat, results, rows_of
from app.large import open_large
from app.messages import explained, literal
from app.scores import accuracy
from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.evaluation.intervals import mcnemar

TITLE, ICON = "Models", ":material/insights:"
IN_CHART = 15  # the newest: more cannot be told apart
NOT_COMPARED = ("correct", "total", "_low", "_high")  # what only says how sure others are


def show() -> None:
    heading, toggle = st.columns([4, 1], vertical_alignment="center")
    heading.markdown(
        "What DVC recorded in every commit that changed a result, every tag and every experiment. "
        "Where intervals overlap widely, the images cannot tell which model is better."
    )
    every = toggle.toggle(
        "Every commit",
        help=f"Also those that changed no metric and no param; of all, the newest {SHOWN}.",
    )
    with st.spinner("Reading the history …"):
        found = results(every)
    if not found:
        st.info(
            "No revision holds metrics yet: `dvc repro` makes `metrics/evaluate.json`, and "
            "`git commit` keeps it.",
            icon=":material/history:",
        )
        return
    tests = {revision: accuracy(result.metrics["test"]) for revision, result in found.items()}
    charts.intervals({revision.name: tests[revision] for revision in list(found)[:IN_CHART]})
    recorded = list(found.values())
    params = {
        key: sortable([result.params.get(key) for result in recorded])
        for key in differing(recorded)
    }
    st.dataframe(
        [
            {
                "revision": revision.name,
                "what": revision.subject,
                "when": when(revision),
                "test accuracy": tests[revision].share,
                "95 % interval": str(tests[revision]),
                "validation accuracy": result.metrics.get("validation", {}).get("accuracy"),
                "test loss": result.metrics["test"].get("loss"),
                **{key: column[row] for key, column in params.items()},
            }
            for row, (revision, result) in enumerate(found.items())
        ],
        hide_index=True,
        column_config={
            "what": st.column_config.TextColumn(width="medium"),
            "when": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "test accuracy": st.column_config.NumberColumn(format="percent"),
            "validation accuracy": st.column_config.NumberColumn(format="percent"),
            "test loss": st.column_config.NumberColumn(format="%.4f"),
        },
        alt="Revisions with their accuracy and the params that differ",
    )
    compare(found)


def compare(found: dict[Revision, Result]) -> None:
    st.header("Compare two", anchor=False)
    if len(found) < 2:
        st.info("There is one revision with metrics; two can be compared.")
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
                words = key.replace("_", " ").replace(".", " ")
                rows.append([words, *map(decimal, values), difference(*values)])
        with column:
            st.subheader(f"Metrics on {split} images", anchor=False)
            show_table(["metric", *names, "change"], rows)
    st.subheader("Params that differ", anchor=False)
    keys = differing(results)
    if keys:
        rows = [[key, *(shown(result.params.get(key)) for result in results)] for key in keys]
        show_table(["param", *names], rows)
    else:
        st.markdown("None: code, images or weights differ, or nothing does.")


def compare_curves(*two: Revision) -> None:
    st.subheader("Learning curves", anchor=False)
    histories = {
        revision.name: [
            *rows_of(revision.commit, paths.EXTRACT_HISTORY),
            *rows_of(revision.commit, paths.FINETUNE_HISTORY),
        ]
        for revision in two
    }
    for column, measured in zip(st.columns(2), ("accuracy", "loss")):
        with column:
            charts.curves(histories, measured)


def compare_images(first: Revision, second: Revision) -> None:
    st.subheader("Test images on which they disagree", anchor=False)
    predictions = [
        {row["path"]: row for row in rows_of(revision.commit, paths.PREDICTIONS)}
        for revision in (first, second)
    ]
    for revision, rows in zip((first, second), predictions):
        if not rows:
            raise InputError(f"{revision.name}: {paths.PREDICTIONS} is not in it.")
    shared = sorted(predictions[0].keys() & predictions[1].keys())
    rows = [
        {"path": path, "first": predictions[0][path], "second": predictions[1][path]}
        for path in shared
        if predictions[0][path]["predicted"] != predictions[1][path]["predicted"]
    ]
    only_first = sum(is_right(row["first"]) for row in rows)
    only_second = sum(is_right(row["second"]) for row in rows)
    names = literal(first.name), literal(second.name)
    if not rows:
        st.markdown(f"None: they agree on all {len(shared)} images that both were tested with.")
        return
    st.markdown(
        f"{len(rows)} of the {len(shared)} images that both were tested with: **{names[0]}** is "
        f"right on {only_first} of them, **{names[1]}** on {only_second}. Two models of equal "
        f"worth differ at least so unevenly with probability "
        f"{mcnemar(only_first, only_second):.2f} (McNemar's exact test)."
    )

    def says(row: dict) -> tuple[str, None]:
        name = names[0] if is_right(row["first"]) else names[1]
        return f"{literal(row['first']['actual'])}, as {name} says", None

    row = photos.grid(rows, "disagree", says)
    if row:
        answers = [f"**{name}**: {answer(row[of])}" for name, of in zip(names, ("first", "second"))]
        actual = literal(row["first"]["actual"])
        open_large(row["path"], f"True label: **{actual}** · {' · '.join(answers)}")


def answer(prediction: dict[str, str]) -> str:
    """The predicted label and the probability of the second class, as they were recorded."""
    return f"{literal(prediction['predicted'])} ({float(prediction['probability']):.1%})"


def is_right(prediction: dict[str, str]) -> bool:
    return prediction["actual"] == prediction["predicted"]


def titled(revision: Revision) -> str:
    return f"{revision.name} · {revision.subject}"


def when(revision: Revision) -> datetime | None:
    return datetime.fromtimestamp(revision.seconds) if revision.commit else None


def shown(value: object) -> str:
    return "–" if value is None else str(value)


def sortable(values: list) -> list:
    """Numbers as they are if there is nothing else among them, or all as words."""
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
