"""Charts in the colours of the project's figures, each with a text alternative."""

import altair as alt
import pandas as pd
import streamlit as st

from app.accuracy import Accuracy, interval_name

# As in pawprint/reports/figures.py, which imports Matplotlib and would double the start time.
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#57606a"


def draw(chart: alt.TopLevelMixin, words: str) -> None:
    readable = {"labelColor": GREY, "titleColor": GREY}
    st.altair_chart(chart.configure_axis(**readable).configure_legend(**readable), alt=words)


def intervals(measured: dict[str, Accuracy], confidence: float) -> None:
    """The accuracy of each revision as a point, and its interval as a line."""
    rows = pd.DataFrame(
        [(name, *each) for name, each in measured.items()],
        columns=["revision", "accuracy", "low", "high"],
    )
    base = alt.Chart(rows).encode(
        y=alt.Y(
            "revision:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=140, labelFlush=False, ticks=False),
        )
    )
    lines = base.mark_rule(color=BLUE, opacity=0.45, strokeWidth=5, strokeCap="round").encode(
        x=alt.X(
            "low:Q",
            title=f"test accuracy, with its {interval_name(confidence)}",
            scale=alt.Scale(zero=False, nice=True),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        x2="high:Q",
    )
    points = base.mark_circle(color=BLUE, opacity=1, size=90).encode(
        x="accuracy:Q",
        tooltip=[
            alt.Tooltip("revision:N"),
            *(alt.Tooltip(f"{name}:Q", format=".2%") for name in ("accuracy", "low", "high")),
        ],
    )
    words = ", ".join(
        f"{name} {each.value:.1%} ({each.interval})" for name, each in measured.items()
    )
    draw((lines + points).properties(height=60 + 26 * len(rows)), words)


def curves(histories: dict[str, pd.DataFrame], metric: str) -> None:
    """`metric` of training (dashed) and validation over the epochs of each revision.

    Each history has the columns `epoch`, `metric` and `validation_` and `metric`.
    """
    series = {"training": metric, "validation": f"validation_{metric}"}
    rows = pd.concat(
        history[["epoch"]].assign(revision=name, split=split, value=history[column])
        for name, history in histories.items()
        for split, column in series.items()
    )
    chart = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "revision:N",
                scale=alt.Scale(domain=list(histories), range=[BLUE, RED]),
                legend=alt.Legend(title=None, orient="top", labelLimit=120),
            ),
            strokeDash=alt.StrokeDash(
                "split:N",
                scale=alt.Scale(domain=["validation", "training"], range=[[1, 0], [4, 4]]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["revision:N", "split:N", "epoch:Q", alt.Tooltip("value:Q", format=".4f")],
        )
        .properties(height=280)
    )
    draw(chart, f"{metric} over the epochs of {' and '.join(histories)}")


def probabilities(predictions: pd.DataFrame, threshold: float, label: str) -> None:
    """A mark for each image at its probability of `label`, in one row per true label."""
    marks = predictions.assign(
        result=predictions["actual"]
        .eq(predictions["predicted"])
        .map({True: "correct", False: "wrong"}),
        offset=predictions.index * 0.618 % 1,  # golden ratio: neighbours lie apart
    )
    images = (
        alt.Chart(marks)
        .mark_circle(size=46, opacity=0.6)
        .encode(
            x=alt.X(
                "probability:Q",
                title=f"probability of {label}",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5),
            ),
            y=alt.Y(
                "actual:N", title=None, axis=alt.Axis(ticks=False, grid=False, labelFontSize=13)
            ),
            yOffset=alt.YOffset("offset:Q", scale=alt.Scale(domain=[-0.2, 1.2])),
            color=alt.Color(
                "result:N",
                scale=alt.Scale(domain=["correct", "wrong"], range=[BLUE, RED]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["path:N", "actual:N", alt.Tooltip("probability:Q", format=".1%")],
        )
    )
    rule = (
        alt.Chart(pd.DataFrame({"threshold": [threshold]}))
        .mark_rule(color=GREY, strokeWidth=2, strokeDash=[5, 4])
        .encode(x="threshold:Q")
    )
    words = f"probability of {label} for {len(marks)} images, with the threshold at {threshold:.4g}"
    draw((images + rule).properties(height=280), words)


def counts(rows: pd.DataFrame) -> None:
    """Images per split and class, from the columns `split`, `label` and `images`."""
    chart = (
        alt.Chart(rows)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("images:Q", axis=alt.Axis(tickCount=5)),
            y=alt.Y("split:N", sort=["train", "validation", "test"], title=None),
            yOffset="label:N",
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=sorted(rows["label"].unique()), range=[BLUE, ORANGE]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["split:N", "label:N", "images:Q"],
        )
        .properties(height=260)
    )
    words = ", ".join(f"{row.images} {row.label} in {row.split}" for row in rows.itertuples())
    draw(chart, words)
