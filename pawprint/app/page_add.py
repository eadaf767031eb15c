"""Add photos: images from the browser, into the folder of a class or one for the page Label."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pawprint.app import labelling
from pawprint.app.labelling import Places
from pawprint.app.messages import plain
from pawprint.errors import InputError
from pawprint.files import write_text
from pawprint.images.archive import ACCEPTED, UnusableImageError, is_image_name, require_safe_name
from pawprint.images.decoder import decode
from pawprint.params.data import Clean, Fetch
from pawprint.project import UNLABELLED

TITLE, ICON = "Add photos", ":material/upload:"
WITHOUT = "Without a label, for the page Label"


def show() -> None:
    source = Path(Fetch.load().source)
    if not source.is_dir() or not Path(f"{source}.dvc").exists():
        st.markdown(
            f"The images are in {plain(str(source))}, which is no folder of the project that DVC "
            "tracks. Add images there, then press Run."
        )
        return
    folder = labelling.folder_for_training(source) or source
    for message in st.session_state.pop("added", ()):
        st.markdown(message)
    number = st.session_state.setdefault("uploads", 0)
    classes = labelling.classes_in(folder)
    new = {"accept_new_options": True, "placeholder": "Choose one, or type the name of a new one"}
    label = st.selectbox("Class", [WITHOUT, *classes], None, key=f"class-{number}", **new)
    files = st.file_uploader(
        "Photos, or folders of photos", accept_multiple_files=True, key=f"files-{number}"
    )
    target = plain(str(UNLABELLED if label == WITHOUT else folder))
    st.caption(
        f"They go to the folder {target}. No file is overwritten. Until you press Add, they are in "
        "memory: copy thousands of photos into the folder yourself."
    )
    if st.button("Add", type="primary", disabled=not (files and label)):
        if label == WITHOUT:
            write_text(UNLABELLED / ".gitignore", "*\n")
            places: Places = {WITHOUT: (UNLABELLED, None)}
        else:
            places = labelling.place_of(label, classes, folder, source)
        st.session_state["added"] = add(files, places)
        st.session_state["uploads"] += 1  # an empty form; Streamlit forgets the files
        st.rerun()


def add(files: Sequence[UploadedFile], places: Places) -> list[str]:
    """Copy images to the place of their class. Returns what to tell of it, in Markdown."""
    ((label, (folder, _)),) = places.items()
    bits, refused, bar = Clean.load().bits, [], st.progress(0.0)
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
                labelling.add(places, path, label)
            except (InputError, UnusableImageError) as error:
                refused.append(f"{file.name}: {str(error).removeprefix(f'{path}: ')}")
    then = "Label them on the page Label" if label == WITHOUT else "Then press Run on the page Run"
    added = f"**{len(files) - len(refused):,} photos were added to {plain(str(folder))}.** {then}."
    return [added, "\n".join(f"- not added: {plain(line)}" for line in refused)]
