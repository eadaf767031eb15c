"""Show the page Compare: two runs, and the validation photos on which their predictions differ."""

import pandas as pd
import streamlit as st

from pawprint.app import HERE, photos
from pawprint.app.page_run import compare, show_compared
from pawprint.app.photos import explain_errors, plain
from pawprint.pipeline.dvc import WORKSPACE
from pawprint.projects.comparison import find_runs


def show_comparison() -> None:
    """Show the verdict of `pawprint compare`, and the photos on which the predictions differ.

    Raises InputError for the same reasons as `compare`.
    """
    st.markdown(
        "The latest commits with a run, experiments, branches and tags. You can also type "
        "another commit. `dvc exp show` and DVC's extension for VS Code list all runs with their "
        "params and metrics."
    )
    found = find_runs(HERE)
    commits = [run for run in found if run != WORKSPACE]
    if not commits:
        st.markdown("No commit contains a run yet. To create one, press Keep on the Run page.")
        return
    left, right = st.columns(2)
    with left:
        first = choose_run("Old run", [*commits, WORKSPACE], found)
    with right:
        second = choose_run("New run", [WORKSPACE, *commits], found)
    compared = compare(first, second, {})
    show_compared(plain(compared.sentences[0]), compared)
    pairs = compared.pairs.get("validation")
    if pairs is None:
        st.markdown("The runs have no validation images in common.")
        return
    differ = pairs[pairs["predicted_old"] != pairs["predicted"]]
    st.markdown(f"The predictions differ for {len(differ)} of the {len(pairs)} validation images.")
    with explain_errors():
        rows = photos.keep_present(differ).sort_values("path")
        if missing := len(differ) - len(rows):
            st.caption(f"{missing} of them no longer exist, so they are not shown.")
        row = photos.grid(rows, "differ", describe_predictions)
        if row is not None:
            photos.open_large(row["path"], describe_predictions(row))


def choose_run(title: str, runs: list[str], found: dict[str, str]) -> str:
    """Show a list of runs with their descriptions in `found`, and return the chosen run."""
    names = {run: f"{run}: {found[run]}" for run in runs}
    return st.selectbox(
        title, runs, key=title, accept_new_options=True, format_func=lambda run: names.get(run, run)
    )


def describe_predictions(row: pd.Series) -> str:
    """Return the two predictions and the label of a photo, in Markdown."""
    old, new, actual = map(plain, row[["predicted_old", "predicted", "actual"]])
    return f"{old} → {new}, labelled {actual}"
