"""Compare: two runs, and the validation photos whose predictions differ."""

import streamlit as st

from pawprint.app import photos
from pawprint.app.messages import explain_errors, plain
from pawprint.commands.compare import compare_runs, pair_runs
from pawprint.params.model import Evaluate
from pawprint.pipeline.dvc import WORKSPACE
from pawprint.scores.paired import describe_verdict, tabulate_sets

TITLE, ICON = "Compare", ":material/compare_arrows:"


def show() -> None:
    """What `pawprint compare` prints, and the photos."""
    st.markdown(
        "A run is a commit, a branch, a tag or an experiment, or `workspace`, the present files. "
        "`dvc exp show` and DVC's extension for VS Code list all runs with their params and "
        "metrics."
    )
    first = st.text_input("Baseline", "HEAD")
    second = st.text_input("The baseline with", WORKSPACE)
    level = Evaluate.load().confidence
    (compared,), note = compare_runs(first, [second], level)
    st.markdown(plain(describe_verdict(first, second, compared)))
    st.dataframe(tabulate_sets(compared), hide_index=True)
    st.caption(plain(note))
    (pairs,) = pair_runs(first, [second], "validation")
    differ = pairs[pairs["predicted_old"] != pairs["predicted"]]
    st.markdown(f"{len(differ)} of the {len(pairs)} validation images have another prediction.")

    def predictions(row) -> str:
        old, new, actual = map(plain, (row.predicted_old, row.predicted, row.actual))
        return f"{old} → {new}, labelled {actual}"

    with explain_errors():
        rows = photos.at_present(differ).sort_values("path")
        if missing := len(differ) - len(rows):
            st.caption(f"{missing} of them are not among the present images, and not shown.")
        if row := photos.grid(rows, "differ", predictions):
            photos.open_large(row.path, predictions(row))
