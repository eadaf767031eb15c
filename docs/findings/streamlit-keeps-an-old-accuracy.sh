#!/usr/bin/env bash
# Surprise: Streamlit's `st.cache_data` returns the accuracy of the uncorrected table after a label has
# been corrected, in 9 of 10 cases, once the table has 50,000 rows.
# Guess: a cached function runs again if a cell of its argument has changed.
# Seen with Streamlit 1.67.0 and pandas 3.1.1: of a DataFrame or Series of 50,000 rows or more, 10,000
# rows are compared, always the same ones, and of an array of 500,000 numbers or more, 100,000 draws.
# Of 100 single corrections in 60,000 rows, over 70 give the old accuracy. In 49,999 rows, none does.
# Why it matters: a page for reviewing labels or for choosing a threshold shows numbers that no longer
# belong to its table, and says so nowhere. Pass the file's path and time, or a version of the table.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  streamlit==1.67.0 pandas==3.1.1 numpy==2.4.6
cd "$folder"
HOME="$folder" venv/bin/python - 2> log <<'PYTHON' || { cat log; exit 1; }
import numpy as np
import pandas as pd
import streamlit as st

rng = np.random.default_rng(0)


@st.cache_data(show_spinner=False)
def accuracy(photos):
    return (photos["label"] == photos["predicted"]).mean()


@st.cache_data(show_spinner=False)
def share_of_dogs(labels):
    return labels.mean()


def outdated(count):
    """Correct each of 100 labels of `count`, one by one, and count accuracies that do not change."""
    photos = pd.DataFrame(
        {
            "path": [f"{number}.jpg" for number in range(count)],
            "label": rng.choice(["cat", "dog"], count),
            "predicted": rng.choice(["cat", "dog"], count),
        }
    )
    before, unchanged = accuracy(photos), 0
    for row in rng.permutation(photos.index[photos["label"] != photos["predicted"]])[:100]:
        corrected = photos.copy()
        corrected.loc[row, "label"] = corrected.loc[row, "predicted"]
        unchanged += accuracy(corrected) == before
    return unchanged


small, large = outdated(49_999), outdated(60_000)
print(f"49,999 rows: {small} of 100 corrections give the old accuracy")
print(f"60,000 rows: {large} of 100 corrections give the old accuracy")
labels = rng.integers(0, 2, 1_000_000)
share, unchanged = share_of_dogs(labels), 0
for photo in rng.choice(len(labels), 100, replace=False):
    corrected = labels.copy()
    corrected[photo] = 1 - corrected[photo]
    unchanged += share_of_dogs(corrected) == share
print(f"an array of 1,000,000 labels: {unchanged} of 100 corrections give the old share of dogs")
assert small == 0
assert large > 70 and unchanged > 70, "all rows count now"
PYTHON
