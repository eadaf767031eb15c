"""Draw the views of a photo, apart from the photos that `split` draws without features."""

from functools import partial

import pandas as pd
from PIL import Image

from pawprint.data.archive import Archive
from pawprint.data.decoding.jpeg import decoded_side
from pawprint.data.reading import open_image
from pawprint.network.augmentation import draw_view
from pawprint.network.views import apply, resize
from pawprint.pipeline.params.data import Augment
from pawprint.pipeline.params.section import Resize
from pawprint.report.drawing import GREY
from pawprint.report.photos import photo_grid

VIEWS = 12  # maximum number of views in the figure


def draw_augmented(
    archive: Archive, train: pd.DataFrame, augment: Augment, image_size: int, resize_by: Resize
) -> Image.Image:
    """Draw the first training image's views as they are used in training.

    `train` is a table with the columns `path` and `pixels_sha256`.
    """
    first = train.iloc[0]
    photo = open_image(archive, first["path"], decoded_side(image_size))
    pixels = resize(photo, image_size, resize_by)
    cells = []
    for number in range(min(augment.views, VIEWS)):
        view = draw_view(augment, first["pixels_sha256"], number, image_size)
        is_original = number == 0 and augment.keep_original
        title = f"view {number}: original" if is_original else f"view {number}"
        cells.append((partial(Image.fromarray, apply(pixels, view)), title, GREY))
    return photo_grid({"The views of one training image": cells})
