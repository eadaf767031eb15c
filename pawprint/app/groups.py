"""Groups of photos that look alike, for labelling by pages: by clusters, and by a head.

Photos are known by their position. Their rows are stored features of the last maps; photos that
have a label already are among them. First a page of each cluster is shown, as it may hold a class
that is not known yet. Then photos are shown by the class that a head takes them for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint import paths
from pawprint.classes import NEITHER, UNLABELLED
from pawprint.columns import IMAGES, REJECTED, SPLIT, TRAIN
from pawprint.dataset.layouts import find_places, read_metadata_csv
from pawprint.draws import hash_keys
from pawprint.features.store import open_features
from pawprint.images.archive import Archive, members
from pawprint.model.calibration import unit_length
from pawprint.network.cross_validation import USUAL_C, standardise, view_of
from pawprint.network.heads import fit_regressions, kinds_of, sample_weights
from pawprint.tables import read_table, training_images

PER_PAGE = 24
MAX_CLUSTERS = 24
MAX_OF_CLASS = 200  # labels that a head learns from, so that a fit takes about a second at most
REFITTED = 12  # labels after which a head is fitted again
Image = tuple[str, str]  # path and pixels_sha256, or "" if that is not known
Refused = set[tuple[int, str]]  # a photo, and a label that a person did not give it; "": its group


class Group(NamedTuple):
    """Photos to be shown together, the surest first, and the class that they may be, or ""."""

    photos: np.ndarray
    label: str


class Clusters(NamedTuple):
    """The cluster of each photo, int `(photos,)`, and its distance to the centre, `(photos,)`."""

    number: np.ndarray
    distance: np.ndarray


class Head(NamedTuple):
    """The probability of each class, float64 `(photos, classes)`."""

    classes: list[str]
    probabilities: np.ndarray


def find_clusters(rows: np.ndarray) -> Clusters:
    """Return clusters of rows, float32 `(photos, features)`, by their directions."""
    from sklearn.cluster import MiniBatchKMeans  # takes seconds, and other pages need none

    number = min(max(round(len(rows) ** 0.5 / 2), 2), MAX_CLUSTERS, len(rows))
    means = MiniBatchKMeans(number, batch_size=2048, n_init=3, random_state=0)
    distances = means.fit_transform(unit_length(rows))
    return Clusters(distances.argmin(axis=1), distances.min(axis=1))


def fit_head(rows: np.ndarray, labels: np.ndarray, keys: list[str]) -> Head | None:
    """Fit a logistic regression on the rows whose label is not "", and predict all rows.

    Returns None with fewer than two classes. `rows` are `(photos, features)`, and `keys`, one of
    each photo, decide which photos of a class with more than MAX_OF_CLASS it learns from.
    """
    given = np.flatnonzero(labels != "")
    classes, targets = np.unique(labels[given], return_inverse=True)
    if len(classes) < 2:
        return None
    order = np.argsort(hash_keys(np.array(keys)[given], "head of the app"), kind="stable")
    parts = [order[targets[order] == number][:MAX_OF_CLASS] for number in range(len(classes))]
    learned = np.concatenate(parts)
    training = rows[given[learned]].astype(np.float32)
    standardisation = standardise(training)
    weights = sample_weights("balanced", targets[learned])
    (model,) = fit_regressions(training, targets[learned], weights, USUAL_C)
    inputs = rows.astype(np.float32)
    standardisation.apply(inputs)
    return Head(classes.tolist(), model.predict(inputs))


def photos_in_new_clusters(
    photos: np.ndarray, labels: np.ndarray, clusters: Clusters, refused: Refused
) -> np.ndarray:
    """Return the photos whose cluster has neither a label nor a photo refused as its group."""
    known = set(clusters.number[labels != ""])
    known |= {clusters.number[photo] for photo, label in refused if not label}
    return photos[~np.isin(clusters.number[photos], list(known))]


def nearest(photos: np.ndarray, clusters: Clusters, number: int) -> Group:
    """Return photos of one cluster, by distance: the cluster where they are nearest on average."""
    order = photos[np.argsort(clusters.distance[photos], kind="stable")]
    groups = [
        order[clusters.number[order] == k][:number] for k in np.unique(clusters.number[order])
    ]
    group = min(groups, key=lambda group: clusters.distance[group].mean(), default=photos)
    return Group(group, "")


def surest(photos: np.ndarray, head: Head, refused: Refused, number: int) -> Group:
    """Return photos of one class: the class with the largest sum of probabilities on the page."""
    probabilities = head.probabilities[photos]
    place = {photo: row for row, photo in enumerate(photos.tolist())}
    column = {label: index for index, label in enumerate(head.classes)}
    for photo, label in refused:
        if photo in place and label in column:
            probabilities[place[photo], column[label]] = 0
    probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    best = probabilities.argmax(axis=1)
    group = Group(photos[:0], "")
    largest = -1.0
    for index in np.unique(best):
        rows = np.flatnonzero(best == index)
        order = rows[np.argsort(-probabilities[rows, index], kind="stable")][:number]
        if (total := probabilities[order, index].sum()) > largest:
            group = Group(photos[order], head.classes[index])
            largest = total
    return group


class Pool(NamedTuple):
    """Photos of the last run without a label, and training images, which have one.

    `images` have features; `others` have none, as `clean` rejected them. `rows`, float32
    `(photos, features)`, belong to `images`, then to training images, whose labels are `known`.
    `keys` are the pixels_sha256 of all these.
    `classes` come from folders, metadata.csv or `clean.labels`; [] if labels.csv gives them.
    """

    images: list[Image]
    others: list[Image]
    rows: np.ndarray
    known: list[str]
    keys: list[str]
    clusters: Clusters
    classes: list[str]

    def all_classes(self, given: dict[str, str]) -> list[str]:
        """Return the classes of the source, or else the classes of training images and `given`.

        `given` are labels by path or pixels_sha256.
        """
        return self.classes or sorted({*self.known, *given.values()} - {NEITHER})


def read_pool(archive: Archive, labels: dict[str, list[str]] | str) -> Pool:
    """Return the pool of the last run. `labels` is `clean.labels`.

    Where `split` failed, as with too few labels, there are no training images.

    Raises InputError if `features` has not computed its photos.
    """
    unlabelled = read_table(paths.UNLABELLED_CSV, IMAGES)
    rejected = read_table(paths.REJECTED_CSV, REJECTED)
    others = rejected.loc[rejected["reason"] == UNLABELLED, "path"]
    split = pd.DataFrame(columns=list(SPLIT))
    if paths.SPLIT_CSV.exists():
        split = read_table(paths.SPLIT_CSV, SPLIT)
    train = training_images(split, len(split)).groupby("label").head(MAX_OF_CLASS)
    parts = ((UNLABELLED, unlabelled), (TRAIN, train))
    views = [_first_views(name, table["pixels_sha256"]) for name, table in parts if len(table)]
    rows = np.concatenate(views) if views else np.empty((0, 1), np.float32)
    empty = np.array([], int)
    clusters = find_clusters(rows) if len(rows) else Clusters(empty, empty)
    names = members(archive)
    classes, _ = find_places(names, read_metadata_csv(archive, names), labels, archive.filename)
    images = list(zip(unlabelled["path"], unlabelled["pixels_sha256"]))
    keys = [*unlabelled["pixels_sha256"], *train["pixels_sha256"]]
    without_features = [(path, "") for path in others]
    return Pool(images, without_features, rows, train["label"].tolist(), keys, clusters, classes)


def _first_views(split: str, pixels_sha256: pd.Series) -> np.ndarray:
    folder = paths.FEATURES / split
    features = open_features(folder, kinds_of(has_blocks=False), pixels_sha256)
    return view_of(features, 0, np.arange(len(pixels_sha256))).astype(np.float32)


class Answer(NamedTuple):
    """A page as it was shown.

    `take_back` removes its labels, and `refused` is the number of images refused before it.
    """

    take_back: Callable[[], object]
    images: list[Image]
    label: str
    refused: int


@dataclass
class Pages:
    """The pages of a pool that one person has seen."""

    number: int = 0
    size: int = PER_PAGE
    images: list[Image] = field(default_factory=list)  # on the page
    label: str = ""  # what they may be
    unmarked: list[Image] = field(default_factory=list)  # on the page before
    refused: list[tuple[Image, str]] = field(default_factory=list)
    missing: set[Image] = field(default_factory=set)  # cannot be read
    head: Head | None = None
    learned: int = -1  # labels of the head
    answers: list[Answer] = field(default_factory=list)

    def answer(self, marked: set[int], label: str, take_back: Callable[[], object]) -> None:
        """End the page: the images at these places have got the label, the others have not."""
        self.answers.append(Answer(take_back, self.images, self.label, len(self.refused)))
        self.unmarked = [image for place, image in enumerate(self.images) if place not in marked]
        refused = label if marked else self.label
        self.refused += [(image, refused) for image in self.unmarked]
        self.images = []

    def take_back(self) -> None:
        """Show the last page again, without its labels. Raises InputError if others wrote some."""
        answer = self.answers[-1]
        answer.take_back()
        self.answers.pop()
        self.images = answer.images
        self.label = answer.label
        del self.refused[answer.refused :]

    def turn(self, pool: Pool, given: dict[str, str], seen: set[Image]) -> None:
        """Choose the images of the next page.

        `given` are labels by path or pixels_sha256. Images `seen` by others are left out as long
        as there are others.
        """
        answers = [given.get(pixels) or given.get(path, "") for path, pixels in pool.images]
        labels = np.array([*answers, *pool.known], object)
        place = {image: position for position, image in enumerate(pool.images)}
        missing = [place[image] for image in self.missing if image in place]
        hidden = [place[image] for image in (*self.unmarked, *seen) if image in place]
        refused = {(place[image], label) for image, label in self.refused if image in place}
        readable = np.setdiff1d(np.flatnonzero(labels == ""), missing)
        preferred = np.setdiff1d(readable, hidden)
        photos = preferred if len(preferred) else readable
        new = photos_in_new_clusters(photos, labels, pool.clusters, refused)
        head = None if len(new) else self.fit(pool, labels)
        if head is None:
            group = nearest(new if len(new) else photos, pool.clusters, self.size)
        else:
            group = surest(photos, head, refused, self.size)
        self.images = [pool.images[photo] for photo in group.photos]
        self.label = group.label
        if not self.images:
            others = [image for image in pool.others if image not in self.missing]
            self.images = [image for image in others if image[0] not in given][: self.size]

    def fit(self, pool: Pool, labels: np.ndarray) -> Head | None:
        """Return a head: the last one as long as few labels are new, None without two classes."""
        number = int(np.sum(labels != ""))
        is_fit = self.head is not None and len(self.head.probabilities) == len(pool.rows)
        if not is_fit or not 0 <= number - self.learned < REFITTED:
            self.head = fit_head(pool.rows, labels, pool.keys)
            self.learned = number
        return self.head
