"""Group photos that look alike, using clusters and a head, to label a page of them at once.

Photos are identified by their position. Their rows are stored features of the last maps, and
include photos that already have a label. First, there is a page for each cluster, because a cluster
may be a new class. Later, photos are grouped by the class that a head predicts.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.app import HERE
from pawprint.app.labelling import ImageKey
from pawprint.artifacts import first_views
from pawprint.base import paths
from pawprint.base.columns import PATHS, REJECTED, SPLIT, TRAIN
from pawprint.base.imbalance import sample_weights
from pawprint.base.labels import UNLABELLED
from pawprint.base.tables import read_table, training_images
from pawprint.model.unknown_score import unit_length
from pawprint.network.cross_validation import USUAL_C, standardise
from pawprint.network.logistic_regression import fit_regressions

PER_PAGE = 24
MAX_CLUSTERS = 24
MAX_OF_CLASS = 200  # labels per class for a head, so that a fit takes at most about a second
PAGE_COST = 3  # keystrokes that take as long as looking at a page
SURE = 0.5  # probability above which a photo is marked
REFITTED = 12  # number of new labels after which a head is refitted
Refused = set[tuple[int, str]]  # a photo, and a label that a person rejected ("" for its group)


class Group(NamedTuple):
    """Photos to show together, most certain first, and their likely class, or "".

    The first `sure` photos belong to the cluster, or are more likely than not of the class. The
    next most likely photos fill the page.
    """

    photos: np.ndarray
    label: str
    sure: int


def find_clusters(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cluster rows, float32 `(photos, features)`, by their directions.

    Returns the cluster of each photo, int `(photos,)`, and its distance from the centre.
    """
    from sklearn.cluster import MiniBatchKMeans  # slow to import, and other pages do not need it

    number = min(max(round(len(rows) ** 0.5 / 2), 2), MAX_CLUSTERS, len(rows))
    means = MiniBatchKMeans(number, batch_size=2048, n_init=3, random_state=0)
    distances = means.fit_transform(unit_length(rows))
    return distances.argmin(axis=1), distances.min(axis=1)


def fit_head(rows: np.ndarray, labels: np.ndarray) -> pd.DataFrame | None:
    """Fit a logistic regression to the rows whose label is not "", and predict all rows.

    Returns the probabilities, with a row for each photo and a column for each class, or None if
    there are fewer than two classes. `rows` are `(photos, features)`. At most
    MAX_OF_CLASS photos of a class are used: the first in a random order of all photos.
    """
    shuffled = pd.Series(labels).sample(frac=1, random_state=0)
    given = shuffled[shuffled != ""].groupby(shuffled).head(MAX_OF_CLASS)
    classes, targets = np.unique(given.to_numpy(), return_inverse=True)
    if len(classes) < 2:
        return None
    training = rows[given.index].astype(np.float32)
    standardisation = standardise(training)
    weights = sample_weights("balanced", targets)
    (model,) = fit_regressions(training, targets, weights, [USUAL_C])
    inputs = rows.astype(np.float32)
    standardisation.apply(inputs)
    return pd.DataFrame(model.predict(inputs), columns=classes)


def photos_in_new_clusters(
    photos: np.ndarray, labels: np.ndarray, cluster: np.ndarray, refused: Refused
) -> np.ndarray:
    """Return the photos in clusters without any label or rejected photo."""
    known = set(cluster[labels != ""])
    known |= {cluster[photo] for photo, label in refused if not label}
    return photos[~np.isin(cluster[photos], list(known))]


def surest(photos: np.ndarray, head: pd.DataFrame, refused: Refused, number: int) -> Group:
    """Return the photos that are most likely of one class, without those rejected for it.

    The sure ones have a probability above 0.5, so that they are marked only if unmarking them is
    rarer than marking them would be. The class is the one that gives the most labels for the
    expected keys on its page, where PAGE_COST keys stand for looking at a page.
    """
    possible = head.copy()
    for photo, label in refused:
        if label in possible:
            possible.at[photo, label] = 0
    possible = possible.iloc[photos]
    possible = possible.div(possible.sum(axis=1).clip(lower=np.finfo(float).tiny), axis=0)
    group = Group(photos[:number], "", 0)  # if all were rejected for every class
    largest = 0.0
    for label, column in possible.items():
        probabilities = column.to_numpy()
        order = np.argsort(-probabilities, kind="stable")[:number]
        page = order[probabilities[order] > 0]
        likely = probabilities[page]
        keys = 1 + np.minimum(likely, 1 - likely).sum()
        if (gain := likely.sum() / (keys + PAGE_COST)) > largest:
            group = Group(photos[page], str(label), int(np.sum(likely > SURE)))
            largest = gain
    return group


class Pool(NamedTuple):
    """Unlabelled photos of the last run, and labelled training images.

    `images` have features. `others` do not, because `split` rejected them. `rows`, float32
    `(photos, features)`, belong first to `images` and then to training images, which have the
    labels `known`; `cluster` and `distance` are from `find_clusters`. If photos are labelled one by
    one, in the order of `others`, `about` has a text about each path, and `beside` the path of
    another photo to show. If `stays`, the unmarked photos of a page are the next page.
    """

    images: list[ImageKey]
    others: list[ImageKey]
    rows: np.ndarray = np.empty((0, 1), np.float32)
    known: Sequence[str] = ()
    cluster: np.ndarray = np.empty(0, int)
    distance: np.ndarray = np.empty(0)
    about: Mapping[str, str] = {}
    beside: Mapping[str, str] = {}
    stays: bool = False

    def all_images(self) -> list[ImageKey]:
        """Return all photos, with and without a label."""
        return [*self.images, *self.others]


def without(keys: Container[str], images: Iterable[ImageKey]) -> list[ImageKey]:
    """Return the images that are not in a table with these keys: paths, or pixels_sha256."""
    return [image for image in images if image[0] not in keys and image[1] not in keys]


def nearest(photos: np.ndarray, others: np.ndarray, pool: Pool, number: int) -> Group:
    """Return photos of the cluster with the smallest average distance, nearest first.

    The `others` that are nearest to these photos fill the page.
    """
    order = photos[np.argsort(pool.distance[photos], kind="stable")]
    groups = [order[pool.cluster[order] == k][:number] for k in np.unique(pool.cluster[order])]
    group = min(groups, key=lambda group: pool.distance[group].mean())
    rest = np.setdiff1d(others, group)
    centre = unit_length(pool.rows[group]).mean(axis=0)
    rest = rest[np.argsort(-(unit_length(pool.rows[rest]) @ centre), kind="stable")]
    return Group(np.concatenate([group, rest])[:number], "", len(group))


def read_pool() -> Pool:
    """Return the pool of the last run.

    If `split` failed, for example because of too few labels, training images are missing.

    Raises InputError if `features` has not computed its photos.
    """
    images = read_table(paths.PATHS_CSV, PATHS)
    unlabelled = images[images["split"] == UNLABELLED]
    rejected = read_table(paths.REJECTED_CSV, REJECTED)
    others = rejected.loc[rejected["reason"] == UNLABELLED, "path"]
    split = pd.DataFrame(columns=list(SPLIT))
    if paths.SPLIT_CSV.exists():
        split = read_table(paths.SPLIT_CSV, SPLIT)
    train = training_images(split, len(split)).groupby("label").head(MAX_OF_CLASS)
    parts = ((UNLABELLED, unlabelled), (TRAIN, train))
    views = [first_views(HERE, name, table["pixels_sha256"]) for name, table in parts if len(table)]
    without_features = [(path, "") for path in others]
    if not views:
        return Pool([], without_features)
    rows = np.concatenate(views)
    images = list(zip(unlabelled["path"], unlabelled["pixels_sha256"]))
    return Pool(images, without_features, rows, train["label"].tolist(), *find_clusters(rows))


class Answer(NamedTuple):
    """A page that has been shown.

    `take_back` removes its labels. `refused` contains the unmarked images, and the label that they
    did not get.
    """

    take_back: Callable[[], object]
    images: list[ImageKey]
    label: str
    sure: int
    refused: list[tuple[ImageKey, str]]


@dataclass
class Pages:
    """The pages of a pool that a person has seen in this session."""

    number: int = 0
    size: int = PER_PAGE
    images: list[ImageKey] = field(default_factory=list)  # on the page
    label: str = ""  # their likely class
    sure: int = 0  # number of marked photos, which come first
    missing: set[ImageKey] = field(default_factory=set)  # images that cannot be read
    head: pd.DataFrame | None = None
    learned: int = -1  # number of labels to which the head was fitted
    answers: list[Answer] = field(default_factory=list)

    def answer(self, marked: set[int], label: str, take_back: Callable[[], object]) -> None:
        """End the page: images at these positions got the label, but the others did not."""
        unmarked = [image for place, image in enumerate(self.images) if place not in marked]
        refused = [(image, label if marked else self.label) for image in unmarked]
        self.answers.append(Answer(take_back, self.images, self.label, self.sure, refused))
        self.images = []

    def take_back(self) -> None:
        """Show the previous page without its labels. Raises InputError if others changed them."""
        answer = self.answers[-1]
        answer.take_back()
        self.answers.pop()
        self.images = answer.images
        self.size = PER_PAGE if len(answer.images) > 1 else self.size
        self.label = answer.label
        self.sure = answer.sure

    @property
    def refused(self) -> list[tuple[ImageKey, str]]:
        """The unmarked images of all pages, and the labels that they did not get."""
        return [refusal for answer in self.answers for refusal in answer.refused]

    def turn(self, pool: Pool, given: dict[str, str]) -> None:
        """Choose the images of the next page. `given` contains labels by path or pixels_sha256."""
        images = [image for image in pool.all_images() if image not in self.missing]
        images = without(given, images)
        unmarked = {image for answer in self.answers[-1:] for image, _ in answer.refused}
        left = [image for image in images if image in unmarked]
        if pool.stays and left and len(unmarked) < len(self.answers[-1].images):
            images = left
        preferred = [image for image in images if image not in unmarked]
        self.images = []
        for chosen in (preferred, images):  # use all, rather than a page of the few preferred ones
            if len(self.images) < self.size:
                self.show(pool, chosen, given)

    def show(self, pool: Pool, images: list[ImageKey], given: dict[str, str]) -> None:
        """Choose images for the page from these.

        Images without features come last, beginning with those that were skipped least often.
        """
        place = {image: position for position, image in enumerate(pool.images)}
        photos = np.array([place[image] for image in images if image in place], int)
        if len(photos):
            group = self.choose(pool, photos, given)
            self.images = [pool.images[photo] for photo in group.photos]
            self.label = group.label
            self.sure = group.sure if self.size > 1 else len(self.images)
        else:
            self.images = sorted(images, key=self.skipped().__getitem__)[: self.size]
            self.label = ""
            self.sure = len(self.images)

    def choose(self, pool: Pool, photos: np.ndarray, given: dict[str, str]) -> Group:
        """Return the next photos from these: a cluster without a label, or a class.

        If all clusters have been skipped, or all classes rejected, the photos that were skipped
        least often come first.
        """
        answers = [given.get(path) or given.get(pixels, "") for path, pixels in pool.images]
        labels = np.array([*answers, *pool.known], object)
        place = {image: position for position, image in enumerate(pool.images)}
        refused = {(place[image], label) for image, label in self.refused if image in place}
        skipped = self.skipped()
        times = np.array([skipped[pool.images[photo]] for photo in photos])
        photos = photos[np.argsort(times, kind="stable")]
        new = photos_in_new_clusters(photos, labels, pool.cluster, refused)
        head = None if len(new) else self.fit(pool, labels)
        if head is not None:
            return surest(photos, head, refused, self.size)
        least = photos[: int(np.sum(times == times.min()))]
        return nearest(new if len(new) else least, photos, pool, self.size)

    def skipped(self) -> Counter[ImageKey]:
        """Return how often each image was on a page without getting a label."""
        return Counter(image for image, _ in self.refused)

    def fit(self, pool: Pool, labels: np.ndarray) -> pd.DataFrame | None:
        """Return a head, reusing the previous one until enough labels are new, or None."""
        number = int(np.sum(labels != ""))
        is_fit = self.head is not None and len(self.head) == len(pool.rows)
        if not is_fit or not 0 <= number - self.learned < REFITTED:
            self.head = fit_head(pool.rows, labels)
            self.learned = number
        return self.head
