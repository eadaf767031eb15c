"""Properties of image files from which a class should not be known."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from PIL import ImageStat

from pawprint.engine.mapping import map_in_threads
from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image

SIDE = 512  # pixels of each side that are decoded, at least


def measure_properties(archive: Archive, images: pd.DataFrame) -> pd.DataFrame:
    """PROPERTIES, numbers, of images with the columns `path`, `width` and `height`, beside those.

    A file format is known by the suffix of the name; its number says nothing.
    """

    def brightness(path: str) -> float:
        return ImageStat.Stat(open_image(archive, path, SIDE).convert("L")).mean[0]

    suffixes = [PurePosixPath(path).suffix.lower() for path in images["path"]]
    columns = {
        "aspect ratio": images["width"] / images["height"],
        "brightness": list(map_in_threads(brightness, images["path"])),
        "file format": np.unique(suffixes, return_inverse=True)[1],
    }
    return images.assign(**columns)
