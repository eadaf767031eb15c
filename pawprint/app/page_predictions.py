"""Show the model's predictions: for held-out photos (This run), and for uploads (Try it)."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from pawprint import paths
from pawprint.app import photos
from pawprint.app.photos import explain_errors, plain, predictor
from pawprint.classes import UNKNOWN, UNSURE
from pawprint.columns import PROBABILITY, SPLIT
from pawprint.decoding.formats import FORMATS
from pawprint.errors import counted
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import Predictor
from pawprint.paths import PROBABILITIES_CSV
from pawprint.scores import prediction_table
from pawprint.scores.intervals import CONFIDENCE
from pawprint.scores.metrics import fraction_cells
from pawprint.scores.series import with_groups
from pawprint.tables import read_table
from pawprint.yaml_file import read_mapping

ANY = "any label"
MAX_IN_MATRIX = 10  # classes
MAX_SHOWN = 5  # most probable labels shown for each photo


def show_predictions() -> None:
    """Show the scores for a split, and its photos with their predictions."""
    split = st.segmented_control("Split", list(PROBABILITIES_CSV), default="test", required=True)
    path = PROBABILITIES_CSV[split]
    images = read(path, paths.SPLIT_CSV, paths.CROSS_VALIDATION_JSON)
    labels = prediction_table.predicted_labels(images)
    if len(labels) == 2:
        thresholds = read_metadata(paths.SERVED_MODEL).thresholds
        choose_threshold(images, labels, *next(iter(thresholds.items()), (labels[1], 0.5)))
    show_scores(images, labels)
    with explain_errors():
        show_photos(prediction_table.rank_predictions(images), labels, split)


@st.cache_data(max_entries=2, show_spinner="Reading the predictions …", hash_funcs=photos.HASHED)
def read(path: Path, split: Path, choices: Path) -> pd.DataFrame:
    """Return the PROBABILITIES table with the column `group`, from the SPLIT table and `choices`.

    It is cached because reading a thousand classes takes seconds.
    """
    images = with_groups(read_table(split, SPLIT), read_mapping(choices))
    table = prediction_table.read_probabilities(path)
    return table.assign(group=table["path"].map(images.set_index("path")["group"]))


def choose_threshold(images: pd.DataFrame, labels: list[str], label: str, own: float) -> None:
    """Show a control for the threshold of one of two classes and apply it to `images`.

    `own` is the model's threshold.
    """
    threshold = st.select_slider(
        f"Threshold: predict {plain(label)} if its probability is at least this value",
        sorted({own, *(step / 100 for step in range(101))}),
        value=own,
        format_func=lambda value: f"{value:.4g}" + (" (the model's)" if value == own else ""),
    )
    # At the model's own threshold, use the recorded label, because the file rounds probabilities.
    if threshold != own:
        (other,) = set(labels) - {label}
        is_above = images[PROBABILITY + label] >= threshold
        images["predicted"] = np.where(is_above, label, other)


def show_scores(images: pd.DataFrame, labels: list[str]) -> None:
    """Show the accuracy with its interval, and the confusion matrix or the most frequent errors.

    The matrix shows recall for each row and precision for each column. It is used for up to
    MAX_IN_MATRIX classes.
    """
    counts = prediction_table.confusion(images, labels)
    correct = pd.Series(np.diag(counts), labels)
    is_right = (images["actual"] == images["predicted"]).to_numpy()
    _, low, high, _ = fraction_cells(is_right, images["group"].to_numpy())
    st.metric("Accuracy", f"{correct.sum() / len(images):.2%}")
    st.caption(
        f"{correct.sum()} of {len(images)} correct; {100 * CONFIDENCE:g}% interval (Wilson) "
        f"{low:.1%} to {high:.1%}"
    )
    if len(labels) > MAX_IN_MATRIX:
        st.caption(f"The most confused of {len(labels)} classes")
        table = prediction_table.most_confused(images, MAX_IN_MATRIX)
        st.dataframe(table, hide_index=True, alt="Most confused classes")
        return
    table = counts.astype(str)
    table["recall"] = (correct / counts.sum(axis=1)).map(percent)
    table.loc["precision"] = (correct / counts.sum(axis=0)).map(percent)
    table = table.fillna("").rename_axis(index="true \\ predicted", columns=None)
    st.dataframe(
        table,
        key="matrix",
        on_select=lambda: choose(table),
        selection_mode="single-cell",
        alt="Confusion matrix",
    )
    st.caption("Click a cell to see its photos.")


def choose(table: pd.DataFrame) -> None:
    """Filter the photos by the cell of the confusion matrix that was clicked."""
    for row, column in st.session_state["matrix"]["selection"]["cells"]:
        actual = table.index[row]
        st.session_state["actual"] = ANY if actual == "precision" else actual
        st.session_state["predicted"] = ANY if column == "recall" else column


def show_photos(images: pd.DataFrame, labels: list[str], split: str) -> None:
    """Show photos with their predictions, and controls to filter them."""
    st.header("Photos", anchor=False)
    with st.container(horizontal=True, gap="medium"):
        actual = st.selectbox("True label", [ANY, *labels], key="actual", width=260)
        guess = st.selectbox("Predicted label", [ANY, *labels], key="predicted", width=260)
        low, high = st.slider("Confidence (%)", 0, 100, (0, 100), width=260)
    rows = images[(100 * images["confidence"]).between(low, high)]
    for column, label in (("actual", actual), ("predicted", guess)):
        if label != ANY:
            rows = rows[rows[column] == label]
    st.caption(
        f"{counted(len(rows), 'image')}, {rows['wrong'].sum()} of them wrong. The most "
        "confident errors are listed first, followed by the least confident correct predictions. "
        "Confidence is the probability of the predicted label."
    )
    row = photos.grid(rows, f"{split}-{actual}-{guess}-{low}-{high}", describe_prediction)
    if row is not None:
        label = f"{plain(row['predicted'])} {row['confidence']:.1%}"
        text = f"Predicted **{label}** · true label **{plain(row['actual'])}**"
        photos.open_large(row["path"], text)


def describe_prediction(row: pd.Series) -> str:
    """Return the predicted label of a photo with its confidence, after the true label if wrong."""
    label = f"{plain(row['predicted'])} {row['confidence']:.1%}"
    return f":red[✗ {plain(row['actual'])} → {label}]" if row["wrong"] else label


def percent(fraction: float) -> str:
    """Format a fraction as a percentage, or NaN as a dash."""
    return "–" if pd.isna(fraction) else f"{fraction:.1%}"


def show_trial() -> None:
    """Show a form for photos, and the model's predictions for them."""
    st.markdown("Upload photos to see what the model predicts. They stay on this computer.")
    served = predictor()
    st.caption(f"The model is {plain(str(served.folder))}.")
    files = st.file_uploader(
        f"Photos ({', '.join(FORMATS)})", type="image", accept_multiple_files=True
    )
    for file in files:
        with st.container(border=True), explain_errors():
            show_answer(file.name, file.getvalue(), served)


def show_answer(name: str, data: bytes, served: Predictor) -> None:
    """Show the prediction for an image file. Raises UnusableImageError."""
    st.header(plain(name), anchor=False)
    image = served.decode(data).image
    predicted = served.predict(image)
    metadata = served.metadata
    answer, pictures = st.columns([1, 3], gap="medium")
    with answer:
        st.metric("Label", plain(predicted.label))
        if predicted.label == UNKNOWN:
            st.caption(
                "This image is unlike the training images: its unknown score is "
                f"{predicted.unknown_score:.2f}, above {metadata.unknown_threshold:.2f}. The "
                "probabilities assume that the image shows one of the classes."
            )
        if predicted.label == UNSURE:
            st.caption(
                "A person should decide, because the class probability is below "
                f"{metadata.min_confidence:.1%}."
            )
        for index in (-predicted.probabilities).argsort(kind="stable")[:MAX_SHOWN]:
            value = float(predicted.probabilities[index])
            st.progress(value, f"{plain(metadata.labels[index])} {value:.1%}")
        for label, threshold in metadata.thresholds.items():
            st.caption(f"{plain(label)} is predicted at a probability of at least {threshold:.1%}.")
    with pictures:
        photos.show_with_saliency(image, name)
