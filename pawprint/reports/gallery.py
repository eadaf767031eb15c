"""Photos of errors: a page shows all of them, those of two classes, or those of one."""

import pandas as pd
from markupsafe import Markup

from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image
from pawprint.images.formats import side_for
from pawprint.reports.pages import data_uri
from pawprint.scores.review import confusion, most_confused
from pawprint.tables import with_image

SIDE = 160  # pixels of a photo, at most
OF_A_PAIR, MAX_PHOTOS = 8, 160  # shown, of the most confident errors; 160 are about 1 MB
MAX_MATRIX = 12  # classes of a matrix with links; of more, MAX_PAIRS are listed
MAX_PAIRS = 20


def pair_id(actual: str, predicted: str, labels: list[str]) -> str:
    return f"errors-{labels.index(actual)}-{labels.index(predicted)}"


def class_id(label: str, labels: list[str]) -> str:
    return f"errors-{labels.index(label)}"


def show_errors(archive: Archive, errors: pd.DataFrame, labels: list[str]) -> dict:
    """What the template needs for the photos of `errors`: `photos`, and the `ids` that choose some.

    Of each pair of classes OF_A_PAIR are shown, the most frequent pairs first.
    """
    pairs = errors.groupby(["actual", "predicted"])
    size = pairs["path"].transform("size")
    rows = errors[pairs.cumcount() < OF_A_PAIR].assign(size=size)
    rows = rows.sort_values(["size", "actual", "predicted"], ascending=[False, True, True])
    rows = with_image(rows)
    photos = []
    for row in rows.head(MAX_PHOTOS).itertuples():
        image = open_image(archive, row.path, side_for(SIDE))
        image.thumbnail((SIDE, SIDE))
        pair = row.actual, row.predicted
        ids = (pair_id(*pair, labels), *(class_id(label, labels) for label in pair))
        photos.append((data_uri(image), ids, row))
    return {
        "photos": photos,
        "ids": sorted({name for _, ids, _ in photos for name in ids}),
        "errors": len(errors),
    }


def link_matrix(test: pd.DataFrame, labels: list[str], ids: list[str]) -> list[list]:
    """Rows of the confusion matrix of a table PREDICTIONS, or [] of many classes.

    Errors with photos are links to them.
    """
    if len(labels) > MAX_MATRIX:
        return []
    return [
        [
            actual,
            *(
                number and _link(number, pair_id(actual, predicted, labels), ids)
                for predicted, number in row.items()
            ),
        ]
        for actual, row in confusion(test, labels).iterrows()
    ]


def link_pairs(test: pd.DataFrame, labels: list[str], ids: list[str]) -> list[list]:
    """Rows of the pairs that are confused most often in a table PREDICTIONS, with such links."""
    return [
        [
            row.actual,
            row.predicted,
            _link(row.images, pair_id(row.actual, row.predicted, labels), ids),
        ]
        for row in most_confused(test, MAX_PAIRS).itertuples()
    ]


def link_classes(rows: pd.DataFrame, labels: list[str], ids: list[str]) -> pd.DataFrame:
    """The table of `results.class_rows`, where a class with photos of errors is a link to them."""
    links = [_link(label, class_id(label, labels), ids) for label in rows["class"]]
    return rows.assign(**{"class": pd.Series(links, rows.index, object)})


def _link(text: object, target: str, ids: list[str]) -> object:
    return Markup('<a href="#{}">{}</a>').format(target, text) if target in ids else text
