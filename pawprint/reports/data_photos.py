"""Photos of the data before training: samples, augmented views, near-duplicates."""

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from pawprint.core.params.augment import Augment
from pawprint.core.params.types import Resize
from pawprint.images.archive import Archive
from pawprint.images.augmentation import draw_transformation
from pawprint.images.decoder import open_image
from pawprint.images.resizing import resize
from pawprint.images.warp import warp
from pawprint.reports.figures import GREY
from pawprint.reports.photo_grid import photo_grid, spread

MAX_VIEWS = 12  # shown; two rows


def draw_samples(archive: Archive, train: pd.DataFrame, number: int) -> Figure:
    """Training images at equal distances in the table SPLIT, with label and size in pixels."""
    shown = spread(train, number)
    images = ((row.label, open_image(archive, row.path)) for row in shown.itertuples())
    cells = ((image, f"{label}\n{image.width}×{image.height}", GREY) for label, image in images)
    return photo_grid({f"Training images ({len(shown):,} of {len(train):,})": cells})


def draw_augmented(
    archive: Archive, train: pd.DataFrame, augment: Augment, image_size: int, how: Resize
) -> Figure:
    """The views of the first training image as the network sees them in training."""
    first = train.iloc[0]
    pixels = resize(open_image(archive, first["path"]), image_size, how)

    def cells():
        for view in range(min(augment.views, MAX_VIEWS)):
            matrix = draw_transformation(augment, first["pixels_sha256"], view, image_size)
            is_original = view == 0 and augment.keep_original
            title = f"view {view}" + (": original" if is_original else "")
            yield Image.fromarray(warp(pixels, matrix)), title, GREY

    return photo_grid({"One training image and its augmented views": cells()})


def draw_near_duplicates(archive: Archive, near_duplicates: pd.DataFrame, number: int) -> Figure:
    """The first images of the table NEAR_DUPLICATES, with number of group, label and split."""
    groups = near_duplicates["group"].factorize()[0] + 1
    shown = near_duplicates.assign(group=groups).head(number)
    cells = (
        (open_image(archive, row.path), f"group {row.group}\n{row.label}, {row.split}", GREY)
        for row in shown.itertuples()
    )
    return photo_grid({f"Near-duplicates ({len(shown):,} of {len(near_duplicates):,})": cells})
