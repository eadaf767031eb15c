"""Compute the features of every training and validation image once, with the frozen layers.

Features that an interrupted run computed, or that are in the last recorded result, are not
computed again. Reads data/raw/archives/, data/split/train_validation.csv and models/extractor/.
Params: `model.resize`, `augment`, `clean.bits`. Writes data/features/ and data/features.json, which
names what decides the bytes of a row. Run: `python -m stages.features`
"""

import hashlib
import json
import math
import shutil
from functools import partial
from pathlib import Path

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.features.rows import row_function
from pawprint.features.shards import (
    ShardComputer,
    interrupted_shards,
    recorded_shards,
    require_space,
    tasks,
    write_shards,
)
from pawprint.features.store import count_shards
from pawprint.files import md5, replacing, write_json, writing
from pawprint.images.archive import open_archive
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.pipeline.entry import at_end, run_stage
from pawprint.pipeline.recorded import Recorded
from pawprint.runtime import output_shapes, read_network
from pawprint.tables import read_table


def main() -> None:
    augment, how = Augment.load(), Model.load().resize
    network = read_network(project.EXTRACTOR)
    size, kinds = network.input().partial_shape[1].get_length(), output_shapes(network)
    origin = {  # what decides a row's bytes, besides the image's pixels and the view
        "resize": how,
        "network": [md5(project.EXTRACTOR), md5(project.EXTRACTOR.with_suffix(".bin"))],
        "code": md5(project.FEATURE_ROW_CODE),
    }
    images = read_table(project.TRAIN_VALIDATION_CSV, SPLIT)
    rows = len(images) + (augment.views - 1) * int((images["split"] == "train").sum())
    path = project.INTERRUPTED_FEATURES.absolute()
    path /= hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    earlier, recorded = interrupted_shards(path), Recorded()
    if recorded.json("features", project.FEATURES_ORIGIN) == origin:
        earlier.append(recorded_shards(recorded, "features", project.FEATURES))
    source = open_archive(project.RAW_ARCHIVES, Clean.load().bits)
    with source as archive, writing(project.FEATURES, project.INTERRUPTED_FEATURES.absolute()):
        require_space(project.FEATURES, rows * sum(map(math.prod, kinds.values())))
        computer = ShardComputer(archive, row_function(network, how), kinds, augment, size)
        unfinished = path / str(count_shards(len(images)))
        computed = write_shards(computer, tasks(images, unfinished, earlier), unfinished)
    at_end(partial(publish, unfinished, origin))  # if it fails, the next run finds the shards
    print(f"features: {computed:,} images computed, {len(images) - computed:,} reused")


def publish(shards: Path, origin: dict) -> None:
    """Write the outputs from a folder of shards, and remove what interrupted runs have left."""
    with replacing(project.FEATURES) as folder:
        shutil.move(shards, folder)
    write_json(project.FEATURES_ORIGIN, origin)
    shutil.rmtree(project.INTERRUPTED_FEATURES, ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
