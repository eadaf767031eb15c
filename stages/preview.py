"""Show the data before training on it: sample images, and one image beside its augmented views.

Reads data/raw/images.zip and data/split/images.csv. Params: `preview`, `augment`,
`model.image_size`. Writes plots/samples.png and plots/augmented.png.
Run: `python -m stages.preview`
"""

import zipfile

import numpy as np
from matplotlib.figure import Figure

from stages.shared import paths
from stages.shared.archive import open_archive
from stages.shared.augment import draw_transformations, warp
from stages.shared.figures import GREY, photo_grid, save
from stages.shared.images import open_image, resize
from stages.shared.params import Augment, Preview, load_params
from stages.shared.records import read_csv

# More views than this do not fit on one page.
VIEWS_SHOWN = 12
COLUMNS = 6


def draw_samples(params: Preview, archive: zipfile.ZipFile, train: list[dict]) -> Figure:
    """Training images spread evenly over the split, with label and size in pixels."""
    chosen = np.linspace(0, len(train) - 1, min(params.samples, len(train))).astype(int)
    photos, titles = [], []
    for index in chosen:
        image = open_image(archive, train[index]["path"])
        photos.append(np.asarray(image))
        titles.append(f"{train[index]['label']}  {image.width}×{image.height}")
    return photo_grid(photos, titles, [GREY] * len(photos), "Training images", COLUMNS)


def draw_augmented(
    params: Augment, image_size: int, archive: zipfile.ZipFile, train: list[dict]
) -> Figure:
    """The first training image as training sees it: the views drawn from it."""
    pixels = resize(open_image(archive, train[0]["path"]), image_size)
    views = range(min(params.views, VIEWS_SHOWN))
    photos = [
        warp(pixels, draw_transformations(params, view, len(train), image_size)[0])
        for view in views
    ]
    titles = [f"view {view}" for view in views]
    if params.keep_original:
        titles[0] += ": as it is"
    colours = [GREY] * len(photos)
    return photo_grid(photos, titles, colours, "One image and its augmented views", COLUMNS)


def main() -> None:
    params = load_params()
    train = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == "train"]
    with open_archive(paths.RAW_IMAGES) as archive:
        save(draw_samples(params.preview, archive, train), paths.SAMPLES_PLOT)
        augmented = draw_augmented(params.augment, params.model.image_size, archive, train)
        save(augmented, paths.AUGMENTED_PLOT)
    print(f"preview: {paths.SAMPLES_PLOT}, {paths.AUGMENTED_PLOT}")


if __name__ == "__main__":
    main()
