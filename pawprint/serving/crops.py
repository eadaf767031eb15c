"""Predict the labels of boxes in photos."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pawprint.base.errors import printable
from pawprint.base.progress import track
from pawprint.data.boxes import Photo
from pawprint.data.crops import crop_name, cut
from pawprint.data.reading import FAILURES, why
from pawprint.pipeline.mapping import map_items
from pawprint.serving.predictor import Predictor, cells_of, empty_row


def predict_boxes(
    predictor: Predictor, folder: Path, photos: list[Photo], rule: str
) -> Iterator[dict]:
    """Yield a row like `predict_each` for each box, in order, and for each photo that fails.

    `path` is the name of the crop as `pawprint crop` calls it, or of the photo that fails. `photo`
    is the photo's place in the JSON, and `box` the box's place in the photo, or None. There is no
    hash. `rule` is as in `cut`, which decodes each photo once.
    """
    items = ((photo.file, folder.absolute(), photo) for photo in photos)
    predict = partial(_predict_photo, predictor, rule)
    for rows in track(map_items(predict, items, waits=True), "predict", len(photos), "photo"):
        yield from rows


def _predict_photo(predictor: Predictor, rule: str, item: tuple[str, Path, Photo]) -> list[dict]:
    file, folder, photo = item
    metadata = predictor.metadata
    row = empty_row(metadata, printable(file)) | {"photo": photo.position, "box": None}
    if photo.problem:
        return [row | {"error": photo.problem}]
    if not photo.boxes:
        return []
    try:
        crops = cut(folder / file, photo.boxes, rule, metadata.bits, metadata.decoded_side)
        return [
            row
            | {"path": printable(crop_name(file, box)), "box": box.place}
            | cells_of(predictor, predictor.predict(crop))
            for box, crop in zip(photo.boxes, crops)
        ]
    except FAILURES as error:
        return [row | {"error": why(error)}]
