"""Models: the results of every commit, tag and experiment, and a comparison of two of them."""

import altair as alt
import pandas as pd
import streamlit as st

from app import photos
from app.history import Revision, revisions, table_of
from app.messages import explained, literal
from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.params import load_params
from pawprint.core.sources import without_secrets
from pawprint.core.tables import HISTORY, PREDICTIONS
from pawprint.evaluation.intervals import mcnemar, wilson

TITLE, ICON = "Models", ":material/insights:"
SHOWN = ["test.accuracy", "validation.accuracy", "test.loss"]
NOT_COMPARED = ("correct", "total", "_low", "_high")  # counts, and ends of intervals
# Early revisions recorded no learning rate.
CURVES = {name: kind for name, kind in HISTORY.items() if name != "learning_rate"}
FOUR_DIGITS = st.column_config.NumberColumn(format="%.4f")


def show() -> None:
    st.markdown(
        "The results that DVC recorded in every tag, every experiment, and every commit that "
        "changed a result. Where intervals overlap widely, the images do not show which model is "
        "better."
    )
    found = revisions()
    if not found:
        st.info(
            "No revision holds metrics yet. Run `dvc repro` to make `metrics/evaluate.json`, and "
            "`git commit` to record it."
        )
        return
    show_all(list(found.values()))
    st.header("Compare two", anchor=False)
    if len(found) < 2:
        st.info("Only one revision holds metrics. A comparison needs two.")
        return

    def titled(name: str) -> str:
        return f"{name} · {found[name].subject}"

    left, right = st.columns(2)
    first = left.selectbox("Revision", list(found), format_func=titled)
    others = [name for name in found if name != first]
    second = right.selectbox("Compared with", others, format_func=titled)
    for part in (compare_metrics, compare_curves, compare_images):
        with explained():
            part(found[first], found[second])


def show_all(found: list[Revision]) -> None:
    level = load_params().evaluate.confidence
    table = pd.DataFrame(found, columns=Revision._fields)[["name", "subject", "date"]]
    table = table.join(pd.json_normalize([each.metrics for each in found]).reindex(columns=SHOWN))
    correct = (round(each.metrics["test"]["accuracy"] * each.images) for each in found)
    intervals = (wilson(right, each.images, level) for right, each in zip(correct, found))
    words = [f"{low:.1%} to {high:.1%}" for low, high in intervals]
    table.insert(table.columns.get_loc("test.accuracy") + 1, f"{100 * level:g}% interval", words)
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        table.join(differing(found)),
        hide_index=True,
        column_config={
            "subject": st.column_config.TextColumn(width="medium"),
            "date": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "test.accuracy": percent,
            "validation.accuracy": percent,
            "test.loss": FOUR_DIGITS,
        },
        alt="Revisions with their accuracy and the params that differ",
    )


def differing(found: list[Revision]) -> pd.DataFrame:
    """The params whose values differ: a row per revision, a column per dotted key."""
    table = pd.json_normalize([each.params for each in found])
    table = table.map(lambda value: without_secrets(value) if isinstance(value, str) else value)
    table = table.convert_dtypes()
    return table.loc[:, [table[key].astype(str).nunique(dropna=False) > 1 for key in table]]


def compare_metrics(*two: Revision) -> None:
    names = [each.name for each in two]
    metrics = pd.json_normalize([each.metrics for each in two]).select_dtypes("number")
    table = metrics.T[~metrics.columns.str.endswith(NOT_COMPARED)].set_axis(names, axis=1)
    table["change"] = table[names[1]] - table[names[0]]
    st.subheader("Metrics", anchor=False)
    formats = dict.fromkeys(names, FOUR_DIGITS)
    formats["change"] = st.column_config.NumberColumn(format="%+.4f")
    st.dataframe(table, height="content", column_config=formats, alt="Metrics of both revisions")
    st.subheader("Params that differ", anchor=False)
    params = differing(list(two)).T.set_axis(names, axis=1)
    if params.empty:
        st.markdown("None. Code, images or weights may differ.")
    else:
        st.dataframe(params.astype(str), height="content", alt="Params of both revisions")


def compare_curves(*two: Revision) -> None:
    st.subheader("Learning curves", anchor=False)
    history = pd.concat(
        table_of(each.commit, path, CURVES).assign(revision=each.name)
        for each in two
        for path in (paths.EXTRACT_HISTORY, paths.FINETUNE_HISTORY)
    )
    for column, metric in zip(st.columns(2), ("accuracy", "loss")):
        curves = history.melt(["revision", "epoch"], [metric, f"validation_{metric}"], "curve")
        chart = (
            alt.Chart(curves)
            .mark_line()
            .encode(
                alt.X("epoch").axis(format="d", tickMinStep=1),
                alt.Y("value").scale(zero=False).title(metric),
                alt.Color("revision").legend(orient="top", title=None),
                alt.StrokeDash("curve").legend(orient="top", title=None),
            )
        )
        names = " and ".join(each.name for each in two)
        column.altair_chart(chart, alt=f"{metric} over the epochs of {names}")


def compare_images(*two: Revision) -> None:
    st.subheader("Test images with different predictions", anchor=False)
    predictions = []
    for each in two:
        table = table_of(each.commit, paths.PREDICTIONS, PREDICTIONS)
        if table.empty:
            raise InputError(f"{each.name}: it does not hold {paths.PREDICTIONS}.")
        predictions.append(table.assign(correct=table["actual"] == table["predicted"]))
    both = predictions[0].merge(predictions[1], on=["path", "actual"], suffixes=("_1", "_2"))
    differ = both[both["predicted_1"] != both["predicted_2"]].sort_values("path")
    if differ.empty:
        st.markdown(
            f"None of the {len(both)} test images that both revisions have with the same label."
        )
        return
    names = [literal(each.name) for each in two]
    correct = [int(differ[column].sum()) for column in ("correct_1", "correct_2")]
    st.markdown(
        f"{len(differ)} of the {len(both)} test images of both revisions: **{names[0]}** is "
        f"correct on {correct[0]} of them, **{names[1]}** on {correct[1]}. A difference at least "
        f"as large occurs by chance with p = {mcnemar(*correct):.2f} (McNemar's exact test)."
    )

    def correct_one(row) -> str:
        return f"{literal(row.actual)}: {names[0 if row.correct_1 else 1]} is correct"

    row = photos.grid(differ, "differ", correct_one)
    if row:
        photos.open_large(
            row.path,
            f"True label **{literal(row.actual)}** · "
            f"**{names[0]}**: {literal(row.predicted_1)} · "
            f"**{names[1]}**: {literal(row.predicted_2)}",
        )
