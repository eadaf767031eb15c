"""Choose the photos of a run that a person should look at, each once with all its reasons."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from pawprint.base.columns import TRAIN
from pawprint.base.errors import name_in_folder
from pawprint.base.tables import spread
from pawprint.base.threads import map_in_threads
from pawprint.given.archive import Archive
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.given.reading import open_image
from pawprint.pipeline.params.data import Augment
from pawprint.report.pages import data_uri
from pawprint.scores.prediction_table import rank_predictions
from pawprint.scores.results import Results

SIDE = 160  # maximum width and height of a photo, in pixels
SMALL = 56  # of a square in a strip
STRIP = 5  # photos in a strip
QUALITIES = (72, 50, 30, 10)  # of a JPEG: the first that is short enough
MAX_LENGTH = 7400  # of a data URI: 5.5 kB
PER_PAIR = 8  # of two classes that are confused
TITLES = {
    "errors": "Errors",
    "review": "Labels to review",
    "unsure": "Least sure",
    "alike": "Near-duplicates",
    "unusual": "Unusual",
    "training": "Training samples",
}
MOST = dict(zip(TITLES, (40, 24, 12, 12, 6, 10)))  # photos for each of TITLES
VIEWS = 8


class Photo(NamedTuple):
    """A photo: its picture, the filters that show it, and what is said about it.

    `row` is one of `every_prediction`, or has `actual` and `split` alone, and NaN elsewhere.
    """

    path: str
    picture: str
    small: str  # for a strip, or ""
    size: tuple[int, int]
    tags: list[str]
    notes: list[str]
    row: pd.Series

    @property
    def name(self) -> str:
        """The name of the file."""
        return name_in_folder(self.path)


def tag_of(names: Sequence[str], kind: str, *classes: str) -> str:
    """Return a filter, such as that for the errors of a class, or for those as another class."""
    return "-".join([kind, *(str(names.index(name)) for name in classes)])


def choose(run: Results, every: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `path`, `tag` and `note`, in order; a photo can have several.

    `every` is the result of `every_prediction`. Each pair of classes that are confused has a photo,
    while there is room.
    """
    ranked = rank_predictions(every)
    wrong = run.errors_in(ranked[ranked["wrong"]])
    wrong = wrong[wrong["actual"] != wrong["predicted"]]
    turns = wrong.groupby(["actual", "predicted"]).cumcount().to_numpy()
    first = np.argsort(turns[turns < PER_PAIR], kind="stable")
    paths = wrong["path"][turns < PER_PAIR].iloc[first].unique()[: MOST["errors"]]
    wrong = wrong[wrong["path"].isin(paths)]
    right = ranked[~ranked["wrong"] & (ranked["split"] != TRAIN)]
    review = run.to_review
    train = run.images[run.images["split"] == TRAIN]
    classes = [*train.groupby(run.label_kind.strata(train["label"]))]
    samples = [spread(rows, max(1, MOST["training"] // len(classes))) for _, rows in classes]
    groups = run.near_duplicates["group"].factorize()[0] + 1
    perhaps = "perhaps {}?" if run.exclusive else "{}?"
    reasons = np.where(
        review["contradicts"] != "",
        "≈ " + review["contradicts"].map(name_in_folder),
        review["likely"].map(perhaps.format),
    )
    tables = {
        "review": (review, reasons),
        "errors": (wrong.drop_duplicates("path"), ""),
        "unsure": (right, ""),
        "alike": (run.near_duplicates, [f"near-duplicates {number}" for number in groups]),
        "unusual": (run.unusual, run.unusual["looks"]),
        "training": (spread(pd.concat(samples), MOST["training"]), ""),
    }
    chosen = []
    for tag, (rows, note) in tables.items():
        of_tag = rows[["path"]].assign(tag=tag, note=note)
        chosen.append(of_tag[of_tag["path"].isin(of_tag["path"].unique()[: MOST[tag]])])
    for columns in (["actual", "predicted"], ["actual"]):
        tags = [tag_of(run.names, "errors", *pair) for pair in wrong[columns].to_numpy()]
        chosen.append(wrong[["path"]].assign(tag=tags, note=""))
    for number, each in enumerate(run.slices):
        is_in = (run.values["column"] == each.column) & (run.values["value"] == each.value)
        inside = wrong.loc[wrong["path"].isin(run.values["path"][is_in]), ["path"]]
        chosen.append(inside.assign(tag=f"slice-{number}", note=""))
    return pd.concat(chosen).drop_duplicates()


def show(archive: Archive, run: Results, strips: Collection[str]) -> list[Photo]:
    """Return the chosen photos; each is read once, by several threads.

    The first STRIP photos of each filter in `strips` have a small picture, too.
    """
    every = run.held_out
    chosen = choose(run, every)
    small = chosen[chosen["tag"].isin(strips)].groupby("tag").head(STRIP)["path"]
    others = run.images[~run.images["path"].isin(every["path"])].rename(columns={"label": "actual"})
    rows = pd.concat([every, others[["path", "actual", "split"]]]).set_index("path")
    by_path = chosen.groupby("path", sort=False)
    reasons = [(path, rows.loc[path], found) for path, found in by_path if path in rows.index]
    return list(map_in_threads(partial(_photo, archive, {*small}), reasons))


def _photo(
    archive: Archive, strip: Collection[str], reason: tuple[str, pd.Series, pd.DataFrame]
) -> Photo:
    path, row, found = reason
    image = open_image(archive, path, decoded_side(SIDE))
    image.thumbnail((SIDE, SIDE))
    small = _uri(ImageOps.fit(image, (SMALL, SMALL))) if path in strip else ""
    tags, notes = ([*dict.fromkeys(filter(None, found[name]))] for name in ("tag", "note"))
    return Photo(path, _uri(image), small, image.size, tags, notes, row)


def show_views(archive: Archive, run: Results, augment: Augment) -> list[str]:
    """Return pictures of the views of the first training photo, as the model is trained on them."""
    from pawprint.network.augmentation import draw_view  # imported here because OpenCV is slow
    from pawprint.network.views import apply, resize

    first = run.images[run.images["split"] == TRAIN].iloc[0]
    size = run.metadata["image_size"]
    photo = open_image(archive, first["path"], decoded_side(size))
    pixels = resize(photo, size, run.metadata["resize"])
    pictures = []
    for number in range(min(augment.views, VIEWS)):
        view = draw_view(augment, first["pixels_sha256"], number, size)
        image = Image.fromarray(apply(pixels, view))
        image.thumbnail((SIDE, SIDE))
        pictures.append(_uri(image))
    return pictures


def _uri(image: Image.Image) -> str:
    uris = (data_uri(image, quality) for quality in QUALITIES)
    return next((uri for uri in uris if len(uri) <= MAX_LENGTH), data_uri(image, min(QUALITIES)))
