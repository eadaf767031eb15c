"""Show the pages Add photos, Data, This run and Try it: new photos, data, and predictions."""

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pawprint import paths
from pawprint.app import HERE, photos
from pawprint.app.photos import explain_errors, plain, predictor
from pawprint.classes import UNKNOWN, UNSURE
from pawprint.columns import IMAGES, NEAR_DUPLICATES, PROBABILITY, REJECTED, SPLIT, SPLITS
from pawprint.dataset.splitting import divided_groups
from pawprint.dataset.unusual import describe_unusual, find_unusual
from pawprint.errors import InputError
from pawprint.files import write_text
from pawprint.images.archive import ACCEPTED, UnusableImageError, is_image_name, require_safe_name
from pawprint.images.decoder import FORMATS, decode
from pawprint.model.metadata import read_metadata
from pawprint.model.predictor import Predictor
from pawprint.params.data import Clean, Fetch
from pawprint.paths import PROBABILITIES_CSV, UNLABELLED_PHOTOS
from pawprint.projects import labels as labelling
from pawprint.projects.labels import Places
from pawprint.reports.pages import count_images
from pawprint.scores.intervals import CONFIDENCE, fraction_interval
from pawprint.scores.prediction_table import (
    confusion,
    most_confused,
    predicted_labels,
    rank_predictions,
    read_probabilities,
)
from pawprint.tables import read_table

WITHOUT = "No label (for the Label page)"
ANY = "any label"
MAX_IN_MATRIX = 10  # classes
MAX_SHOWN = 5  # most probable labels shown for each photo


def show_upload() -> None:
    """Show a form that adds photos to the images of the project."""
    source = Path(Fetch.load().source)
    if not source.is_dir() or not Path(f"{source}.dvc").exists():
        st.markdown(
            f"The images are in {plain(str(source))}, which DVC does not track in this "
            "project. Add images there, then press Run."
        )
        return
    folder = labelling.folder_for_training(source) or source
    for message in st.session_state.pop("added", ()):
        st.markdown(message)
    number = st.session_state.setdefault("uploads", 0)
    classes = labelling.classes_in(HERE, folder)
    has_classes = not labelling.lacks_classes(HERE, source)  # the folder would be the only class
    hint = "Choose a class, or type the name of a new one"
    label = st.selectbox(
        "Class",
        [WITHOUT, *classes],
        None,
        key=f"class-{number}",
        accept_new_options=has_classes,
        placeholder=hint if has_classes else "Choose one",
    )
    files = st.file_uploader(
        "Photos, or folders of photos", accept_multiple_files=True, key=f"files-{number}"
    )
    target = UNLABELLED_PHOTOS if label == WITHOUT and has_classes else folder
    st.caption(
        f"They go to the folder {plain(str(target))}. Existing files are not overwritten. Photos "
        "are kept in memory until you press Add, so copy large numbers of photos into the folder "
        "yourself."
    )
    if st.button("Add", type="primary", disabled=not (files and label)) and label:
        if label == WITHOUT:
            if target == UNLABELLED_PHOTOS:
                write_text(UNLABELLED_PHOTOS / ".gitignore", "*\n")
            places: Places = {WITHOUT: (target, None)}
        else:
            places = labelling.place_of(HERE, label, classes, folder, source)
        st.session_state["added"] = add(files, places)
        st.session_state["uploads"] += 1  # creates an empty form, so that Streamlit frees the files
        st.rerun()


def add(files: Sequence[UploadedFile], places: Places) -> list[str]:
    """Copy images to the place of their class. Return messages about them, in Markdown."""
    ((label, (folder, _)),) = places.items()
    bits = Clean.load().bits
    bar = st.progress(0.0)
    refused = []
    with TemporaryDirectory() as scratch:
        for number, file in enumerate(files, 1):
            bar.progress(number / len(files), f"{number:,} of {len(files):,}")
            path = Path(scratch, labelling.safe(PurePosixPath(file.name)))
            try:
                require_safe_name(file.name)
                if not is_image_name(file.name):
                    raise UnusableImageError("other_file", ACCEPTED)
                decode(file.getvalue(), bits)
                path.write_bytes(file.getvalue())
                labelling.add(HERE, places, path, label)
            except (InputError, UnusableImageError) as error:
                refused.append(f"{file.name}: {str(error).removeprefix(f'{path}: ')}")
    is_apart = folder == UNLABELLED_PHOTOS  # whether the photos are stored separately
    step = "Label them on the Label page" if is_apart else "Then press Run on the Run page"
    added = f"**{len(files) - len(refused):,} photos were added to {plain(str(folder))}.** {step}."
    return [added, "\n".join(f"- not added: {plain(line)}" for line in refused)]


def show_data() -> None:
    """Show the data of the last run in tabs."""
    parts = {
        "Counts": show_counts,
        "Rejected": show_rejected,
        "Near-duplicates": show_near_duplicates,
        "Unusual": show_unusual,
    }
    tabs = st.tabs(list(parts), key="part", on_change="rerun")
    for tab, part in zip(tabs, parts.values()):
        if tab.open:
            with tab, explain_errors():
                part()


def show_counts() -> None:
    """Show the number of images of each class and split."""
    images = read_table(paths.SPLIT_CSV, SPLIT)
    counts = count_images(images)[list(SPLITS)]
    with st.container(horizontal=True, gap="large"):
        st.metric("Images", f"{len(images):,}")
        for split, number in counts.sum().items():
            st.metric(split.capitalize(), f"{number:,}")
    st.dataframe(counts, alt="Images per class and split")


def show_rejected() -> None:
    """Show the rejected files with their reasons."""
    rows = read_table(paths.REJECTED_CSV, REJECTED)
    if rows.empty:
        st.success("None: all files are usable.")
        return
    st.markdown(f"{len(rows):,} files are rejected.")
    st.dataframe(rows, hide_index=True, alt="Rejected files with reason and detail")


def show_near_duplicates() -> None:
    """Show the groups of near-duplicates, starting with groups divided between splits."""
    rows = read_table(paths.NEAR_DUPLICATES_CSV, NEAR_DUPLICATES)
    if rows.empty:
        st.success("None: no two images are near-duplicates.")
        return
    groups = rows.groupby("group", sort=False)
    st.markdown(f"{len(rows):,} images are near-duplicates, in {groups.ngroups:,} groups.")
    if divided := divided_groups(rows):
        st.warning(
            f"{divided:,} groups are divided between splits, so copies of training images inflate "
            "the measured accuracy. These groups are listed first."
        )
    order = (groups["split"].transform("nunique") == 1).argsort(kind="stable")
    rows = rows.assign(number=rows["group"].factorize()[0] + 1).iloc[order]
    row = photos.grid(rows, "near", describe_place)
    if row is not None:
        photos.open_large(row["path"], describe_place(row))


def show_unusual() -> None:
    """Show the images that stand out, most unusual first."""
    found = find_unusual(read_table(paths.IMAGES_CSV, IMAGES))
    if found.empty:
        st.success("None: no image stands out.")
        return
    st.markdown(f"{describe_unusual(found)}. The most unusual images are listed first.")
    row = photos.grid(found, "unusual", itemgetter("looks"))
    if row is not None:
        photos.open_large(row["path"], row["looks"])


def describe_place(row: pd.Series) -> str:
    """Return the group, the label and the split of a near-duplicate, in Markdown."""
    return f"group {row['number']}: {plain(row['label'])}, {plain(row['split'])}"


def show_predictions() -> None:
    """Show the scores for a split, and its photos with their predictions."""
    split = st.segmented_control("Split", list(PROBABILITIES_CSV), default="test", required=True)
    path = PROBABILITIES_CSV[split]
    images = read(path)
    labels = predicted_labels(images)
    if len(labels) == 2:
        thresholds = read_metadata(paths.SERVED_MODEL).thresholds
        choose_threshold(images, labels, *next(iter(thresholds.items()), (labels[1], 0.5)))
    show_scores(images, labels)
    with explain_errors():
        show_photos(rank_predictions(images), labels, split)


@st.cache_data(max_entries=2, show_spinner="Reading the predictions …", hash_funcs=photos.HASHED)
def read(path: Path) -> pd.DataFrame:
    """Return the PROBABILITIES table, cached because reading a thousand classes takes seconds."""
    return read_probabilities(path)


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
    counts = confusion(images, labels)
    correct = pd.Series(np.diag(counts), labels)
    low, high = fraction_interval(int(correct.sum()), len(images))
    st.metric("Accuracy", f"{correct.sum() / len(images):.2%}")
    st.caption(
        f"{correct.sum()} of {len(images)} correct; {100 * CONFIDENCE:g}% interval (Wilson) "
        f"{low:.1%} to {high:.1%}"
    )
    if len(labels) > MAX_IN_MATRIX:
        st.caption(f"The most confused of {len(labels)} classes")
        table = most_confused(images, MAX_IN_MATRIX)
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
        f"{len(rows)} images, {rows['wrong'].sum()} of them wrong. The most confident errors are "
        "listed first, followed by the least confident correct predictions. Confidence is the "
        "probability of the predicted label."
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
