"""Charts, in the colours of all pictures of the project; each with words for who cannot see it."""

import altair as alt
import streamlit as st

from app.scores import Interval

# As in pawprint/reports/figures.py. Importing it would import Matplotlib and double the start time.
BLUE, ORANGE, RED, GREY = "#0072B2", "#E69F00", "#D55E00", "#57606a"


def draw(chart: alt.TopLevelMixin, alt: str) -> None:
    readable = {"labelColor": GREY, "titleColor": GREY}
    st.altair_chart(chart.configure_axis(**readable).configure_legend(**readable), alt=alt)


def intervals(measured: dict[str, Interval]) -> None:
    """The accuracy of each revision as a point, with its 95 % interval as a line."""
    rows = [
        {"revision": name, "accuracy": each.share, "low": each.low, "high": each.high}
        for name, each in measured.items()
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "revision:N",
            sort=None,
            title=None,
            axis=alt.Axis(labelLimit=140, labelFlush=False, ticks=False),
        )
    )
    scale = alt.Scale(zero=False, nice=True)
    axis = alt.Axis(format=".0%", tickCount=5)
    lines = base.mark_rule(color=BLUE, opacity=0.45, strokeWidth=5, strokeCap="round").encode(
        x=alt.X("low:Q", title="test accuracy, with its 95 % interval", scale=scale, axis=axis),
        x2="high:Q",
    )
    points = base.mark_circle(color=BLUE, opacity=1, size=90).encode(
        x="accuracy:Q",
        tooltip=[
            alt.Tooltip("revision:N"),
            alt.Tooltip("accuracy:Q", format=".2%"),
            alt.Tooltip("low:Q", format=".2%"),
            alt.Tooltip("high:Q", format=".2%"),
        ],
    )
    words = ", ".join(f"{name} {each.share:.1%} ({each})" for name, each in measured.items())
    draw((lines + points).properties(height=60 + 26 * len(rows)), alt=words)


def curves(histories: dict[str, list[dict]], measured: str) -> None:
    """`accuracy` or `loss` of training (dashed) and validation over the epochs, per revision."""
    rows = [
        {"revision": name, "of": of, "epoch": int(row["epoch"]), "value": float(row[column])}
        for name, history in histories.items()
        for row in history
        for of, column in (("validation", f"validation_{measured}"), ("training", measured))
    ]
    names = list(histories)
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=measured, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "revision:N",
                scale=alt.Scale(domain=names, range=[BLUE, RED]),
                legend=alt.Legend(title=None, orient="top", labelLimit=120),
            ),
            strokeDash=alt.StrokeDash(
                "of:N",
                scale=alt.Scale(domain=["validation", "training"], range=[[1, 0], [4, 4]]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["revision:N", "of:N", "epoch:Q", alt.Tooltip("value:Q", format=".4f")],
        )
        .properties(height=280)
    )
    draw(chart, alt=f"{measured} over the epochs of {' and '.join(names)}")


def probabilities(rows: list[dict], threshold: float, labels: list[str]) -> None:
    """Every image as a mark at its probability of the second class, by its true label."""
    marks = [
        {
            "label": row["actual"],
            "probability": row["probability"],
            "is": "right" if row["actual"] == row["predicted"] else "wrong",
            "image": row["path"],
            "spread": index * 0.618 % 1,  # golden ratio: neighbours lie apart
        }
        for index, row in enumerate(rows)
    ]
    images = (
        alt.Chart(alt.Data(values=marks))
        .mark_circle(size=46, opacity=0.6)
        .encode(
            x=alt.X(
                "probability:Q",
                title=f"probability of {labels[1]}",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5),
            ),
            y=alt.Y(
                "label:N", title=None, axis=alt.Axis(ticks=False, grid=False, labelFontSize=13)
            ),
            yOffset=alt.YOffset("spread:Q", scale=alt.Scale(domain=[-0.2, 1.2])),
            color=alt.Color(
                "is:N",
                scale=alt.Scale(domain=["right", "wrong"], range=[BLUE, RED]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["image:N", "label:N", alt.Tooltip("probability:Q", format=".1%")],
        )
    )
    rule = (
        alt.Chart(alt.Data(values=[{"threshold": threshold}]))
        .mark_rule(color=GREY, strokeWidth=2, strokeDash=[5, 4])
        .encode(x="threshold:Q")
    )
    words = f"probability of {labels[1]} of {len(rows)} images, with the threshold at {threshold}"
    draw((images + rule).properties(height=280), alt=words)


def counts(rows: list[dict]) -> None:
    """Images per split and class, from rows of `split`, `label` and `images`."""
    labels = sorted({row["label"] for row in rows})
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            x=alt.X("images:Q", axis=alt.Axis(tickCount=5)),
            y=alt.Y("split:N", sort=["train", "validation", "test"], title=None),
            yOffset="label:N",
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=labels, range=[BLUE, ORANGE]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["split:N", "label:N", "images:Q"],
        )
        .properties(height=220)
    )
    words = ", ".join(f"{row['images']} {row['label']} in {row['split']}" for row in rows)
    draw(chart, alt=words)
