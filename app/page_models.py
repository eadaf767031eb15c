"""Models: the results of every commit, tag and experiment, and a comparison of two of them."""

import json

import altair as alt
import pandas as pd
import streamlit as st

from app import photos
from app.history import Revision, content_of, revisions, table_of
from app.messages import explained, literal
from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.params.whole import load_params
from pawprint.core.sources import hide_secrets
from pawprint.core.tables import HISTORY, parse_predictions
from pawprint.evaluation.comparison import SPLITS, compare
from pawprint.evaluation.intervals import wilson

TITLE, ICON = "Models", ":material/insights:"
WHY_TEST = (
    "Choose models by their validation results: the best of many on the test set looks better than "
    "it is. Experiments and uncommitted results have no test results here."
)
NOT_COMPARED = ("correct", "total", "_low", "_high")  # counts, and ends of intervals
# Early revisions recorded neither of the others.
CURVES = {name: kind for name, kind in HISTORY.items() if name not in ("learning_rate", "kept")}
FOUR_DIGITS = st.column_config.NumberColumn(format="%.4f")


def show() -> None:
    st.markdown(
        "The results that DVC recorded in every tag, every experiment, and every commit that "
        "changed a result, the highest validation accuracy first."
    )
    found = merged(revisions())
    if not found:
        st.info(
            "No revision holds metrics yet. Run `dvc repro` to make `metrics/evaluate.json`, and "
            "`git commit` to record it."
        )
        return

    def titled(name: str) -> str:
        return f"{name} · {found[name].subject}"

    baseline = st.selectbox("Baseline", list(found), format_func=titled)
    with_test = st.toggle("Show test results", help=WHY_TEST)
    show_all(list(found.values()), found[baseline], with_test)
    st.header("Compare two", anchor=False)
    if len(found) < 2:
        st.info("Only one revision holds metrics. A comparison needs two.")
        return
    others = [name for name in found if name != baseline]
    second = st.selectbox("The baseline with", others, format_func=titled)
    two = found[baseline], found[second]
    split = "test" if with_test and all(each.is_committed for each in two) else "validation"
    for part in (compare_metrics, compare_curves, compare_images):
        with explained():
            part(*two, split)


def merged(found: dict[str, Revision]) -> dict[str, Revision]:
    """Revisions with the same results and params as one, which has the names of all."""
    names: dict[str, list[str]] = {}
    for name, each in found.items():
        names.setdefault(json.dumps([each.metrics, each.params], sort_keys=True), []).append(name)
    # The committed one of them stands for all; the newest come first.
    chosen = [max(same, key=lambda name: found[name].is_committed) for same in names.values()]
    return {
        ", ".join(same): found[name]._replace(name=", ".join(same))
        for same, name in zip(names.values(), chosen)
    }


def show_all(found: list[Revision], baseline: Revision, with_test: bool) -> None:
    level = load_params().evaluate.confidence
    table = pd.DataFrame(found, columns=Revision._fields)[["name", "subject", "date"]]
    table = table.join(scores(found, "validation", level))
    table["validation.loss"] = [each.metrics.get("validation", {}).get("loss") for each in found]
    table["against the baseline"] = verdicts(found, baseline, level)
    if with_test:
        committed = [each if each.is_committed else each._replace(metrics={}) for each in found]
        table = table.join(scores(committed, "test", level))
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        table.join(differing(found)).sort_values(
            "validation.accuracy", ascending=False, kind="stable"
        ),
        hide_index=True,
        column_config={
            "subject": st.column_config.TextColumn(width="medium"),
            "date": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "validation.accuracy": percent,
            "validation.loss": FOUR_DIGITS,
            "test.accuracy": percent,
        },
        alt="Revisions with their accuracy and the params that differ",
    )


def scores(found: list[Revision], split: str, level: float) -> pd.DataFrame:
    """The accuracy of a split and its interval, a row per revision; None where it is missing."""
    accuracies = [each.metrics.get(split, {}).get("accuracy") for each in found]
    words: list[str | None] = []
    for accuracy, each in zip(accuracies, found):
        images = each.images.get(split)
        if accuracy is None or not images:
            words.append(None)
            continue
        low, high = wilson(round(accuracy * images), images, level)
        words.append(f"{low:.1%} to {high:.1%}")
    columns = {f"{split}.accuracy": accuracies, f"{split}, {100 * level:g}% interval": words}
    return pd.DataFrame(columns).astype({f"{split}.accuracy": float})


def verdicts(found: list[Revision], baseline: Revision, level: float) -> list[str]:
    """Whether each revision is better on the validation images than the baseline.

    The levels of all tests are Holm's.
    """
    correct = [correct_in(each.commit, "validation") for each in found]
    reference = correct[found.index(baseline)]
    words = [
        "" if each is baseline else "no predictions" if own.empty else "other images"
        for each, own in zip(found, correct)
    ]
    if reference.empty:
        return words
    tested = [
        index
        for index, (each, own) in enumerate(zip(found, correct))
        if each is not baseline and own.index.equals(reference.index)
    ]
    compared = compare(
        reference.to_numpy(bool), [correct[index].to_numpy(bool) for index in tested], level
    )
    for index, each in zip(tested, compared):
        words[index] = f"{each.verdict} (p = {each.p_value:.3f})"
    return words


def correct_in(commit: str, split: str) -> pd.Series:
    """Whether each image is predicted correctly, sorted by path and label; empty if unknown."""
    table = predictions_of(commit, split)
    if table is None:
        return pd.Series(dtype=bool)
    table = table.set_index(["path", "actual"]).sort_index()
    return table.index.get_level_values("actual") == table["predicted"]


@st.cache_data(max_entries=1000, show_spinner=False)
def recorded_predictions(commit: str, split: str) -> pd.DataFrame | None:
    try:
        return parse_predictions(content_of(commit, SPLITS[split]) or b"")
    except ValueError:
        return None


def predictions_of(commit: str, split: str) -> pd.DataFrame | None:
    """The table PREDICTIONS of a revision; None if it is missing or another one."""
    read = recorded_predictions if commit else recorded_predictions.__wrapped__
    return read(commit, split)


def differing(found: list[Revision]) -> pd.DataFrame:
    """The params whose values differ: a row per revision, a column per dotted key."""
    table = pd.json_normalize([each.params for each in found])
    table = table.map(hide_secrets).convert_dtypes()
    return table.loc[:, [table[key].astype(str).nunique(dropna=False) > 1 for key in table]]


def compare_metrics(first: Revision, second: Revision, split: str) -> None:
    two = first, second
    names = [each.name for each in two]
    shown = ({split: each.metrics.get(split)} for each in two)
    metrics = pd.json_normalize(list(shown)).select_dtypes("number")
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


def compare_curves(first: Revision, second: Revision, split: str) -> None:
    two = first, second
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


def compare_images(first: Revision, second: Revision, split: str) -> None:
    two = first, second
    st.subheader(f"{split.capitalize()} images with different predictions", anchor=False)
    predictions = []
    for each in two:
        table = predictions_of(each.commit, split)
        if table is None:
            raise InputError(f"{each.name}: it does not hold {SPLITS[split]}.")
        predictions.append(table.assign(correct=table["actual"] == table["predicted"]))
    both = predictions[0].merge(predictions[1], on=["path", "actual"], suffixes=("_1", "_2"))
    differ = both[both["predicted_1"] != both["predicted_2"]].sort_values("path")
    if differ.empty:
        st.markdown(
            f"None of the {len(both)} {split} images that both revisions have with the same label."
        )
        return
    names = [literal(each.name) for each in two]
    level = load_params().evaluate.confidence
    (compared,) = compare(both["correct_1"], [both["correct_2"]], level)
    st.markdown(
        f"{len(differ)} of the {len(both)} {split} images of both revisions: **{names[0]}** is "
        f"correct on {compared.only_old} of them, **{names[1]}** on {compared.only_new}. The "
        f"difference of the accuracies is {100 * compared.difference:+.2f} points, "
        f"{100 * level:g}% interval {100 * compared.low:+.2f} to {100 * compared.high:+.2f}: "
        f"{compared.verdict} (McNemar's exact test, p = {compared.p_value:.3f})."
    )

    def correct_one(row) -> str:
        right = names[0] if row.correct_1 else names[1] if row.correct_2 else "neither"
        return f"{literal(row.actual)}: {right} is correct"

    row = photos.grid(differ, "differ", correct_one)
    if row:
        photos.open_large(
            row.path,
            f"True label **{literal(row.actual)}** · "
            f"**{names[0]}**: {literal(row.predicted_1)} · "
            f"**{names[1]}**: {literal(row.predicted_2)}",
        )
