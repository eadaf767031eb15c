"""Show the data before training on it: samples, an image and its augmented views, look-alikes.

Reads data/raw/images.zip, data/split/images.csv and data/split/near_duplicates.csv. Params:
`preview`, `augment`, `model.image_size`, `model.resize`. Writes plots/samples.png,
plots/augmented.png and plots/near_duplicates.png.
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
from stages.shared.params import Augment, Preview, Resize, load_params
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
    params: Augment, image_size: int, how: Resize, archive: zipfile.ZipFile, train: list[dict]
) -> Figure:
    """The first training image as training sees it: the views drawn from it."""
    pixels = resize(open_image(archive, train[0]["path"]), image_size, how)
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


def draw_near_duplicates(params: Preview, archive: zipfile.ZipFile, listed: list[dict]) -> Figure:
    """Images that look like another of the same group, group by group, with label and split."""
    shown = listed[: params.near_duplicates]
    photos = [np.asarray(open_image(archive, row["path"])) for row in shown]
    groups = list(dict.fromkeys(row["group"] for row in listed))
    titles = [f"{groups.index(row['group']) + 1}: {row['label']}, {row['split']}" for row in shown]
    title = f"{len(listed):,} images look like another one"
    title += f"; the first {len(shown)}" if len(shown) < len(listed) else ""
    return photo_grid(photos, titles, [GREY] * len(photos), title, COLUMNS)


def main() -> None:
    params = load_params()
    train = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == "train"]
    with open_archive(paths.RAW_IMAGES) as archive:
        save(draw_samples(params.preview, archive, train), paths.SAMPLES_PLOT)
        size, how = params.model.image_size, params.model.resize
        augmented = draw_augmented(params.augment, size, how, archive, train)
        save(augmented, paths.AUGMENTED_PLOT)
        listed = read_csv(paths.NEAR_DUPLICATES)
        near_duplicates = draw_near_duplicates(params.preview, archive, listed)
        save(near_duplicates, paths.NEAR_DUPLICATES_PLOT)
    print(f"preview: 3 pictures in {paths.SAMPLES_PLOT.parent}")


if __name__ == "__main__":
    main()
