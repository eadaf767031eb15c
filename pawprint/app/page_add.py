"""Show the page Add photos: a form that adds new photos to the images of the project."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pawprint.app import HERE
from pawprint.app.photos import plain
from pawprint.errors import InputError, counted
from pawprint.files import write_text
from pawprint.images.archive import UnusableImageError
from pawprint.images.names import ACCEPTED, is_image_name, problem_of_name
from pawprint.images.reading import decode
from pawprint.params.data import Clean, Fetch
from pawprint.paths import UNLABELLED_PHOTOS
from pawprint.projects import class_folders

WITHOUT = "No label (for the Label page)"


def show_upload() -> None:
    """Show a form that adds photos to the images of the project."""
    source = Path(Fetch.load().source)
    if not source.is_dir() or not Path(f"{source}.dvc").exists():
        st.markdown(
            f"The images are in {plain(str(source))}, which DVC does not track in this "
            "project. Add images there, then press Run."
        )
        return
    folder = class_folders.folder_for_training(source) or source
    for message in st.session_state.pop("added", ()):
        st.markdown(message)
    number = st.session_state.setdefault("uploads", 0)
    classes = class_folders.classes_in(HERE, folder)
    # Without classes, the folder would be the only one.
    has_classes = not class_folders.lacks_classes(HERE, source)
    options = [WITHOUT, *classes]
    label = st.selectbox(
        "Class", options, None, key=f"class-{number}", accept_new_options=has_classes
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
            places: class_folders.Places = {WITHOUT: (target, None)}
        else:
            places = class_folders.place_of(HERE, label, classes, folder)
        st.session_state["added"] = add(files, places)
        st.session_state["uploads"] += 1  # creates an empty form, so that Streamlit frees the files
        st.rerun()


def add(files: Sequence[UploadedFile], places: class_folders.Places) -> list[str]:
    """Copy images to the place of their class. Return messages about them, in Markdown."""
    ((label, (folder, _)),) = places.items()
    bits = Clean.load().bits
    bar = st.progress(0.0)
    refused = []
    with TemporaryDirectory() as scratch:
        for number, file in enumerate(files, 1):
            bar.progress(number / len(files), f"{number:,} of {len(files):,}")
            path = Path(scratch, class_folders.safe(PurePosixPath(file.name)))
            try:
                if problem := problem_of_name(file.name):
                    raise UnusableImageError("unsafe_name", problem)
                if not is_image_name(file.name):
                    raise UnusableImageError("other_file", ACCEPTED)
                decode(file.getvalue(), bits)
                path.write_bytes(file.getvalue())
                class_folders.add(HERE, places, path, label)
            except InputError as error:
                refused.append(f"{file.name}: {str(error).removeprefix(f'{path}: ')}")
    is_apart = folder == UNLABELLED_PHOTOS  # whether the photos are stored separately
    step = "Label on the Label page" if is_apart else "Then press Run on the Run page"
    number = len(files) - len(refused)
    added = f"**{counted(number, 'photo')} added to {plain(str(folder))}.** {step}."
    return [added, "\n".join(f"- not added: {plain(line)}" for line in refused)]
