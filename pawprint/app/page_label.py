"""Show the Label page: photos without a label that look alike, and labels to review."""

import contextlib
from collections.abc import Callable, Collection, Container, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from pawprint import artifacts
from pawprint.app import HERE, groups, labelling, page_run, photos
from pawprint.app.groups import Pages, Pool, without
from pawprint.app.labelling import ImageKey, Undo
from pawprint.app.photos import explain_errors, message, plain
from pawprint.base import paths
from pawprint.base.columns import PATHS, SPLIT, to_review
from pawprint.base.errors import InputError, counted, name_in_folder, name_some
from pawprint.base.files import read_json, read_text
from pawprint.base.labels import NEITHER, NOT, SEVERAL_LABELS, UNLABELLED
from pawprint.base.tables import read_table
from pawprint.given.user_tables import OF_PAGE, reviewed_images, spellings
from pawprint.scores.label_review import ASK

ImageKeys = Sequence[labelling.ImageKey]


class UnlabelledPhotos:
    """Images of the last run that have no label. Their labels are written to labels.csv."""

    name = "unlabelled"
    end = "All photos have a label."
    neither = True  # whether photos can get NEITHER

    def __init__(self, pool: groups.Pool) -> None:
        self.pool = pool

    @property
    def accepts_new(self) -> bool:
        """Whether labels.csv can add classes. Raises InputError."""
        return not classes_of_source()

    def given(self) -> dict[str, str]:
        """Return the labels by pixels_sha256 or path. Raises InputError."""
        return labelling.labels_given(HERE)

    def classes(self) -> list[str]:
        """Return the classes that a photo can get. Raises InputError."""
        return classes_here()

    def questions(self, image: ImageKey) -> dict[str, list[str]]:
        """Return what to ask about a photo that can show several labels."""
        return {}

    def give(self, images: ImageKeys, label: str) -> tuple[Undo, int]:
        """Write a label, which is one of `classes`, a new class, or NEITHER.

        Returns a function that undoes this, and the number of images that already had a label.
        Raises InputError or OSError, without changing anything.
        """
        label = labelling.class_to_give(label, self.classes(), self.accepts_new)
        return labelling.label_images(HERE, images, label)


class SuspectPhotos(UnlabelledPhotos):
    """Images of the last run whose labels may be wrong. These are corrected in labels.csv."""

    name = "suspects"
    end = "You have reviewed all labels of the list."
    accepts_new = False

    def given(self) -> dict[str, str]:
        """Return the paths of the images with a label that a person gave or confirmed."""
        reviewed = reviewed_images(paths.LABELS_CSV)
        names_of = {path: {pixels, *spellings(path)} for path, pixels in self.pool.others}
        return {path: "" for path, names in names_of.items() if names & reviewed}

    def classes(self) -> list[str]:
        """Return the classes of the last run, in order. Raises InputError."""
        return in_order(read_json(paths.LABELS_JSON))

    def give(self, images: ImageKeys, label: str) -> tuple[Undo, int]:
        """Set or replace the labels of images, like `UnlabelledPhotos`."""
        label = labelling.class_to_give(label, self.classes(), self.accepts_new)
        return labelling.correct(HERE, dict.fromkeys(images, label)), 0


class SuspectCells(SuspectPhotos):
    """Images of the last run of which some labels may be wrong, or are not known."""

    neither = False

    def __init__(self, pool: groups.Pool, rows: pd.DataFrame) -> None:
        super().__init__(pool)
        is_asked = rows["likely"].str.startswith(ASK)
        rows = rows.assign(label=rows["likely"].str.partition(" ")[2])
        # A label that has been asked may have been given up since.
        self.asked = rows[is_asked & rows["label"].isin([*states_here()])]
        self.doubted = rows[~is_asked]

    def given(self) -> dict[str, str]:
        """Return the paths of the images that a person confirmed, without those still to ask."""
        states = states_here()
        asked = self.asked[["path", "pixels_sha256", "label"]].to_numpy().tolist()
        left = {path for path, pixels, label in asked if states[label].get((path, pixels), 0) < 0}
        return {path: "" for path in super().given() if path not in left}

    def classes(self) -> list[str]:
        """Return the labels that an image can show. Raises InputError."""
        return [*states_here()]

    def questions(self, image: ImageKey) -> dict[str, list[str]]:
        """Return the part of the cell about each label, and the labels that need an answer.

        The part of a label to ask is open, because a proposal would sway the person.
        """
        known = labelling.state_in(states_here(), image)
        asked, doubted = (rows[rows["path"] == image[0]] for rows in (self.asked, self.doubted))
        for label, cell in zip(doubted["label"], doubted["cell"]):
            known[label] = SEVERAL_LABELS.states_in(cell).get(label, 0)
        return {
            "parts": [SEVERAL_LABELS.written({name: known[name]}, [name]) for name in known],
            "asked": [*asked["label"]],
        }

    def give(self, images: ImageKeys, label: str) -> tuple[Undo, int]:
        """Write what a cell says of each label."""
        return labelling.answer(HERE, images, label)


class OpenCells(SuspectPhotos):
    """Images of the last run, to ask about a label that is not known of some.

    A hash orders them, because those with an answer score the model, too: they have to be a fair
    sample, so they may not be chosen by what a model finds.
    """

    neither = False

    def __init__(self, label: str) -> None:
        super().__init__(Pool([], [*states_here().index], stays=True))
        self.name = f"open-{label}"
        self.end = f"All photos have an answer about {label}."
        self.label = label

    def given(self) -> dict[str, str]:
        """Return the paths of the images with an answer."""
        states = states_here()[self.label]
        return dict.fromkeys(states.index[states >= 0].get_level_values("path"), "")

    def classes(self) -> list[str]:
        """Return the two answers."""
        return [self.label, NOT + self.label]

    def give(self, images: ImageKeys, label: str) -> tuple[Undo, int]:
        """Write an answer, which does not confirm the other labels of the images."""
        return labelling.answer(HERE, images, label, OF_PAGE)


def in_order(names: Collection[str]) -> list[str]:
    """Return classes in the order of their digits (see `order_classes`). Raises InputError."""
    of_source: list[str] = []
    with contextlib.suppress(InputError):  # without the data, only labels.csv is known
        of_source = classes_of_source()
    return labelling.order_classes(names, of_source, labelling.labels_given(HERE).values())


def classes_here() -> list[str]:
    """Return the classes of the project, in order. Raises InputError."""
    given = {*labelling.labels_given(HERE).values()} - {"", NEITHER}
    return classes_of_source() or in_order(given)


def classes_of_source() -> list[str]:
    """Return the classes that folders, metadata.csv or `clean.labels` provide, or [].

    Raises InputError.
    """
    return _classes_of_source(paths.RAW_ARCHIVES, paths.PARAMS)


def states_here() -> pd.DataFrame:
    """Return `labelling.states_of` this project. Raises InputError."""
    return _states(paths.LABELS_CSV, paths.PATHS_CSV, paths.IMAGES_CSV, paths.PARAMS)


@st.cache_data(max_entries=1, show_spinner=False, hash_funcs=photos.HASHED)
def _states(*files: Path) -> pd.DataFrame:
    return labelling.states_of(HERE)


@st.cache_data(max_entries=1, show_spinner=False, hash_funcs=photos.HASHED)
def _classes_of_source(*files: Path) -> list[str]:
    return artifacts.classes_of_source(HERE, photos.archive())


@st.cache_resource(max_entries=1, show_spinner="Grouping the photos …", hash_funcs=photos.HASHED)
def unlabelled_photos(*files: Path) -> UnlabelledPhotos:
    """Return the images of the last run, which has these files. Raises InputError without a run."""
    return UnlabelledPhotos(groups.read_pool())


ADVICE = "To train with your labels, press Run on the Run page."


def pages_of(source: UnlabelledPhotos) -> Pages:
    """Return the pages of this session."""
    size = 1 if source.pool.about else groups.PER_PAGE
    return st.session_state.setdefault(f"pages-{source.name}", Pages(size=size))


@st.fragment
def show_pages(source: UnlabelledPhotos) -> None:
    """Show the current page of photos. An answer redraws only this page."""
    with explain_errors():
        pages = pages_of(source)
        given = source.given()
        cells = cells_of(source, pages, given)
        done, left = count_photos(source.pool, pages.missing, given)
        if note := st.session_state.pop("note", ""):
            st.warning(message(note))
        if not cells:
            end = source.end
            if pages.missing:
                names = name_some(sorted(path for path, _ in pages.missing))
                end = f"Only photos are left that were moved, removed or damaged: {names}."
            st.success(message(f"{end} {ADVICE}"))
        folder = Path(__file__).parent
        css, js = (folder / f"grid.{kind}" for kind in ("css", "js"))
        grid = st.components.v2.component("pawprint_grid", css=read_text(css), js=read_text(js))
        data = {
            "page": pages.number,
            "done": describe_progress(done, left),
            "photos": cells,
            "beside": beside(source, pages),
            "sure": pages.sure,
            "classes": source.classes(),
            "label": pages.label,
            "neither": source.neither,
            **(source.questions(pages.images[0]) if cells else {}),
            "new": source.accepts_new,
            "single": pages.size == 1,
            "walk": bool(source.pool.about),
            "undo": bool(pages.answers),
            "large": large_of(source, pages),
        }
        grid(
            key=f"grid-{source.name}",
            data=data,
            on_answer_change=partial(act, source, "answer", give_labels),
            on_undo_change=partial(act, source, "undo", undo),
            on_change_change=partial(act, source, "change", change_size),
            on_large_change=lambda: None,
        )


def count_photos(
    pool: Pool, missing: Container[ImageKey], given: Container[str]
) -> tuple[int, int]:
    """Count the photos with and without a label, except those that are `missing`.

    `given` contains paths or pixels_sha256.
    """
    images = [image for image in pool.all_images() if image not in missing]
    left = len(without(given, images))
    return len(images) - left, left


def describe_progress(done: int, left: int) -> str:
    """Return how many photos are left, and how many got a label."""
    text = f"{counted(left, 'photo')} left"
    return f"{text}; {done:,} got a label." if done else f"{text}."


def cells_of(source: UnlabelledPhotos, pages: Pages, given: dict[str, str]) -> list[dict[str, str]]:
    """Return the picture, name and text of each photo on the page, without unreadable photos.

    `given` contains the labels so far.
    """
    cells: list[dict[str, str]] = []
    while not cells:
        if not pages.images:
            pages.turn(source.pool, given)
        if not pages.images:
            break
        sure = pages.sure
        for place, image in enumerate([*pages.images]):
            path = image[0]
            try:
                picture = photos.large(path) if pages.size == 1 else photos.square(path)
                about = source.pool.about.get(path, "")
                cells.append({"src": picture, "alt": name_in_folder(path), "about": about})
            except InputError:  # for example, the photo was moved or removed
                pages.missing.add(image)
                pages.sure -= place < sure
        pages.images = [image for image in pages.images if image not in pages.missing]
    return cells


def beside(source: UnlabelledPhotos, pages: Pages) -> dict[str, str] | None:
    """Return the picture and name of the photo to show beside the only one of a page, or None."""
    other = source.pool.beside.get(pages.images[0][0]) if pages.images else None
    with contextlib.suppress(InputError):  # the photo has been moved or removed
        return {"src": photos.large(other), "alt": name_in_folder(other)} if other else None
    return None


def act(
    source: UnlabelledPhotos, name: str, take: Callable[[UnlabelledPhotos, Pages, dict], None]
) -> None:
    """Perform an action once that a person requested on the current page.

    If it fails, a note explains why.
    """
    pages = pages_of(source)
    asked = st.session_state[f"grid-{source.name}"].get(name)
    if not asked or asked["page"] != pages.number:
        return
    try:
        take(source, pages, asked)
    except (InputError, OSError) as error:
        st.session_state["note"] = str(error)
    pages.number += 1  # even after an error, so that the page can be sent again


def give_labels(source: UnlabelledPhotos, pages: Pages, asked: dict) -> None:
    """Write the labels of a page. Raises InputError if a label is not a class, or OSError."""
    marked = {place for place in asked["marked"] if place < len(pages.images)}
    label = ""
    take_back: Undo = dict  # nothing to undo
    if marked:
        label = asked["label"]
        take_back, had_one = source.give([pages.images[place] for place in sorted(marked)], label)
        if had_one:
            number = counted(had_one, "photo")
            st.session_state["note"] = f"{number} already had a label, which is kept."
    pages.answer(marked, label, take_back)


def undo(source: UnlabelledPhotos, pages: Pages, asked: dict) -> None:
    """Undo the previous page. Raises InputError if its labels have been changed since."""
    pages.take_back()


def change_size(source: UnlabelledPhotos, pages: Pages, asked: dict) -> None:
    """Switch from a page to its first photo, or from one photo to a page."""
    is_single = pages.size > 1
    pages.size = 1 if is_single else groups.PER_PAGE
    pages.images = pages.images[:1] if is_single else []
    pages.sure = len(pages.images)


def large_of(source: UnlabelledPhotos, pages: Pages) -> dict[str, str | int] | None:
    """Return the position, picture and name of the photo to show large, or None."""
    asked = st.session_state.get(f"grid-{source.name}", {}).get("large")
    if not asked or asked["page"] != pages.number or asked["photo"] >= len(pages.images):
        return None
    path, _ = pages.images[asked["photo"]]
    with contextlib.suppress(InputError):  # the photo has been removed
        return {"photo": asked["photo"], "src": photos.large(path), "name": path}
    return None


def show() -> None:
    """Show the ways to label as tabs, and open the first tab with photos to label."""
    parts: dict[str, Callable[[], None]] = {"Unlabelled": show_unlabelled}
    if artifacts.clean_params(HERE).several_labels and paths.PATHS_CSV.exists():
        states = states_here()
        if states.columns.empty:
            st.info(
                "No photo has a label yet. List the labels in `clean.not_asked` to answer here."
            )
            return
        open_labels = states.columns[(states < 0).any()]
        parts = {f"{plain(label)}?": partial(show_open, label) for label in open_labels}
    parts["Labels to review"] = show_review
    is_run = paths.LABELS_TO_REVIEW_CSV.exists() and paths.PATHS_CSV.exists()
    has_unlabelled = is_run and (read_table(paths.PATHS_CSV, PATHS)["split"] == UNLABELLED).any()
    photos.show_tabs(parts, "Labels to review" if is_run and not has_unlabelled else None)


def show_open(label: str) -> None:
    """Show pages of photos of which a label is not known."""
    show_pages(OpenCells(label))


def show_unlabelled() -> None:
    """Show pages of photos that look alike, and a button to prepare them before the first run."""
    if not paths.SPLIT_CSV.exists():
        page_run.offer_features()
    if not paths.PATHS_CSV.exists():
        return
    files = (paths.RAW_ARCHIVES, paths.PATHS_CSV, paths.FEATURES)
    found = unlabelled_photos(*files)
    if found.pool.all_images():
        show_pages(found)
        return
    st.success("Every image of the last run has a label.")
    st.markdown("Photos that you add to `photos/unlabelled` appear here after the next run.")


def show_review() -> None:
    """Show the photos whose labels may be wrong, one by one."""
    exclusive = artifacts.clean_params(HERE).kind.exclusive
    rows = read_table(paths.LABELS_TO_REVIEW_CSV, to_review(exclusive=exclusive))
    rows = rows.drop(columns="path")
    # A photo may have been renamed since.
    rows = rows.merge(read_table(paths.SPLIT_CSV, SPLIT)[["path", "pixels_sha256"]])
    if rows.empty:
        st.success("None: no label has a low probability or contradicts a near-duplicate.")
        return
    st.markdown(
        "A label is listed if the image has a near-duplicate with a different label, or if the "
        "label is unlikely according to a model that was not trained on the image. Your labels are "
        "saved in `labels.csv`."
    )
    about = {str(path): doubt(of_image) for path, of_image in rows.groupby("path")}
    images = [*dict.fromkeys(zip(rows["path"], rows["pixels_sha256"]))]
    pool = Pool([], images, about=about, beside=dict(zip(rows["path"], rows["contradicts"])))
    show_pages(SuspectPhotos(pool) if exclusive else SuspectCells(pool, rows))


def doubt(rows: pd.DataFrame) -> str:
    """Explain why the label of an image may be wrong, or each of its labels, from its rows."""
    row = rows.iloc[0]
    if "cell" in rows:
        return f"Labelled {row['label']} ({row['split']}). To decide: {', '.join(rows['likely'])}."
    label = f"Labelled {row['label']} ({row['split']}), with probability {row['probability']:.1%}; "
    if row["contradicts"]:
        return f"{label}its near-duplicate {row['contradicts']} has a different label."
    return f"{label}perhaps {row['likely']}."
