"""Compute the features of every image once, with the frozen layers.

Draws augmented views of a photo first. Rows that an interrupted run computed, or that are in the
last recorded result, are not computed again. Reads data/raw/archives/, data/split/paths.csv,
unknown.csv and unlabelled.csv in data/clean/, and models/extractor/. Params: `model.resize`,
`augment`, `clean.bits`. Writes plots/augmented.png, data/features/, what training reads,
data/held_out/, of all images that training does not see, and data/features.json, which names what
decides the bytes of a row. Run: `python -m stages.features`
"""

import math
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino
import pandas as pd

from pawprint import project
from pawprint.classes import UNKNOWN, UNLABELLED
from pawprint.features.rows import row_function
from pawprint.features.shards import (
    HELD_OUT,
    TRAINING,
    ShardComputer,
    ViewsOf,
    earlier_shards,
    held_out_views,
    origin_of,
    place_of_rows,
    require_space,
    tasks,
    training_views,
    write_shards,
)
from pawprint.features.store import count_shards
from pawprint.files import read_text, replacing, write_json, writing
from pawprint.images.archive import open_archive
from pawprint.model.calibration import DETECTOR_IMAGES
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.pipeline.entry import at_end, run_stage
from pawprint.pipeline.recorded import Recorded
from pawprint.project import IMAGES, PATHS
from pawprint.reports.photos import write_augmented
from pawprint.runtime import output_shapes, read_network
from pawprint.tables import read_table, training_images


class Part(NamedTuple):
    """One of the outputs: its images, by path, split and pixels_sha256, their views and numbers."""

    out: Path
    images: pd.DataFrame
    views_of: ViewsOf
    dtype: np.dtype

    def numbers(self) -> int:
        """Return how many views there are."""
        images = self.images["split"].value_counts().items()
        return sum(number * len(self.views_of("0", split)) for split, number in images)


def main() -> None:
    """Write the rows of features that are not known yet, and publish all of them."""
    resize = Model.load().resize
    network = read_network(project.EXTRACTOR)
    parts = list_parts(network)
    origin = origin_of(project.EXTRACTOR, resize, read_text(project.FEATURE_ROW_CODE))
    path = place_of_rows(origin)
    earlier, processors = earlier_shards(Recorded(), origin)
    source = open_archive(project.RAW_ARCHIVES, Clean.load().bits)
    with source as archive, writing(project.FEATURES, project.INTERRUPTED_FEATURES.absolute()):
        size = network.input().partial_shape[1].get_length()
        write_augmented(project.AUGMENTED, archive, parts[-1].images, Augment.load(), size, resize)
        kinds = output_shapes(network)
        numbers = sum(map(math.prod, kinds.values()))
        views = sum(part.dtype.itemsize * part.numbers() for part in parts)
        require_space(project.FEATURES, numbers * views)
        compute = row_function(network, resize)
        computed: dict[str, str] = {}
        for part in parts:
            folder = path / part.out.name / str(count_shards(len(part.images)))
            computer = ShardComputer(archive, compute, kinds, part.views_of, part.dtype)
            todo = tasks(part.images, folder, earlier)
            computed |= write_shards(computer, todo, folder)
            earlier.append([task.path for task in todo])
    every = pd.concat(part.images["pixels_sha256"] for part in parts)
    reused = every.nunique() - len(computed)
    used = sorted({*(processors if reused else ()), *computed.values()})
    # If this fails, the next run finds the shards.
    at_end(partial(publish, path, parts, origin | {"processors": used}))
    print(f"features: {len(computed):,} images computed, {reused:,} reused")
    if len(used) > 1:
        names = ", ".join(used)
        print(f"features: computed by different processors, which round otherwise: {names}")


def list_parts(network: openvino.Model) -> list[Part]:
    """Return the parts in the order in which they are computed.

    Rows of the first serve the second: validation images are in both.
    """
    augment = Augment.load()
    size = network.input().partial_shape[1].get_length()
    images = read_table(project.PATHS_CSV, PATHS)
    return [
        Part(
            project.HELD_OUT,
            held_out_images(images, augment),
            held_out_views(size, is_mirrored=augment.is_mirrored),
            HELD_OUT,
        ),
        Part(
            project.FEATURES,
            images[images["split"] != "test"],
            training_views(augment, size),
            TRAINING,
        ),
    ]


def held_out_images(images: pd.DataFrame, augment: Augment) -> pd.DataFrame:
    """Return the images that training does not see, of the table PATHS and without a split.

    The detector of unknown inputs needs some training images as they are. Where their first view
    is not the image, they are among them.
    """
    held_out = [images[images["split"] != "train"]]
    for name, path in (UNKNOWN, project.UNKNOWN_CSV), (UNLABELLED, project.UNLABELLED_CSV):
        held_out.append(read_table(path, IMAGES).assign(split=name))
    if not augment.keep_original:
        held_out.append(training_images(images, DETECTOR_IMAGES))
    return pd.concat(held_out)[list(PATHS)]


def publish(path: Path, parts: list[Part], origin: dict) -> None:
    """Write the outputs from the shards in `path`, and remove what interrupted runs have left."""
    for part in parts:
        with replacing(part.out) as folder:
            shutil.move(path / part.out.name / str(count_shards(len(part.images))), folder)
    write_json(project.FEATURES_ORIGIN, origin)
    shutil.rmtree(project.INTERRUPTED_FEATURES, ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
