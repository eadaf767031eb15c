"""Models: the results of this run, every tag, experiment and commit, and a comparison of two."""

import numpy as np
import pandas as pd
import streamlit as st

from pawprint.app import photos
from pawprint.app.history import Revision, revisions
from pawprint.app.messages import explained, plain
from pawprint.errors import hide_secrets
from pawprint.params.results import Evaluate
from pawprint.pipeline.revisions import WORKSPACE
from pawprint.reports.pages import DIGITS
from pawprint.scores.intervals import fraction_interval
from pawprint.scores.paired import describe
from pawprint.tools.comparison import compare_revisions, paired

TITLE, ICON = "Models", ":material/insights:"
METRICS = ["validation.accuracy", "validation.loss", "kept_epoch"]


def show() -> None:
    st.markdown(
        "The results of this run and those that DVC recorded in every tag, every experiment, and "
        "every commit that changed a result: those on the images of this run first, then those on "
        "other images; of each the highest validation accuracy first. Test results are no basis "
        "for a choice: the best of many looks better than it is."
    )
    found = revisions()
    if not found:
        st.info(
            "No revision holds metrics yet. Run `dvc repro` to make `metrics/evaluate.json`, and "
            "`git commit` to record it."
        )
        return
    level = Evaluate.load().confidence
    show_all(found, level)
    st.header("Compare two", anchor=False)
    titles = {f"{each.name} · {each.subject}": each for each in found}
    first = titles[st.selectbox("Baseline", list(titles), min(1, len(found) - 1))]
    second = titles[st.selectbox("The baseline with", list(titles))]
    show_two(first, second, level)


def show_all(found: list[Revision], level: float) -> None:
    """A table of the revisions by their images, with a column per param whose values differ."""
    table = pd.DataFrame(found, columns=Revision._fields)[["name", "subject", "date", "images"]]
    table["images"] = table["images"].str[:DIGITS]
    results = pd.json_normalize([each.metrics | each.finetune for each in found])
    metrics = results.reindex(columns=METRICS)
    table = table.join(metrics.apply(pd.to_numeric, errors="coerce"))
    table[f"{100 * level:g}% interval"] = [
        interval(accuracy, each.split.get("validation"), level)
        for accuracy, each in zip(table["validation.accuracy"], found)
    ]
    table = table.join(differing(found), suffixes=("", " (param)"))
    # This run before commits of the same images.
    is_other = table["name"] != WORKSPACE
    images = pd.factorize(table["images"])[0]
    table = table.iloc[np.lexsort((-table["validation.accuracy"], is_other, images))]
    columns = {"validation.accuracy": st.column_config.NumberColumn(format="percent")}
    alt = "Revisions with their accuracy and the params that differ"
    st.dataframe(table, hide_index=True, column_config=columns, alt=alt)


def interval(accuracy: float, images: int | None, level: float) -> str:
    """Wilson's interval in words; "" if the accuracy or the number of images is unknown.

    Commits of other versions of the project may hold anything.
    """
    if not (0 <= accuracy <= 1 and isinstance(images, int) and images > 0):
        return ""
    low, high = fraction_interval(round(accuracy * images), images, level)
    return f"{low:.1%} to {high:.1%}"


def differing(found: list[Revision]) -> pd.DataFrame:
    """The params whose values differ: a row per revision, a column per dotted key."""
    table = pd.json_normalize([each.params for each in found])
    table = table.map(hide_secrets).convert_dtypes()
    return table.loc[:, [table[key].astype(str).nunique(dropna=False) > 1 for key in table]]


def show_two(first: Revision, second: Revision, level: float) -> None:
    """The params that differ, the test of `pawprint compare`, and photos."""
    params = differing([first, second]).T.set_axis([first.name, second.name], axis=1).astype(str)
    if params.empty:
        st.markdown("No param differs. Code, images or weights may differ.")
    else:
        st.dataframe(params, height="content", alt="Params of both revisions")
    (compared,) = compare_revisions(first.commit, [second.commit], "validation", level)
    text = describe(first.name, second.name, "validation", compared)
    st.code(text, language=None, wrap_lines=True)
    (both,) = paired(first.commit, [second.commit], "validation")
    differ = both[both["predicted_old"] != both["predicted"]]
    st.markdown(f"{len(differ)} of the {len(both)} validation images have another prediction.")

    def predictions(row) -> str:
        old, new, actual = map(plain, (row.predicted_old, row.predicted, row.actual))
        return f"{old} → {new}, labelled {actual}"

    with explained():
        shown = photos.at_present(differ).sort_values("path")
        if missing := len(differ) - len(shown):
            st.caption(f"{missing} of them are not among the present images, and not shown.")
        if row := photos.grid(shown, "differ", predictions):
            photos.open_large(row.path, predictions(row))
