"""Compute the features of every training and validation image once, with the frozen layers.

Features that an interrupted run computed, or that are in the last recorded result, are not
computed again. Reads data/raw/archives/, data/split/images.csv and models/extractor/. Params:
`model.resize`, `augment`. Writes data/features/ and data/features.json, which names what decides
the bytes of a row. Run: `python -m stages.features`
"""

import hashlib
import json
import math
import shutil

from pawprint.core import data_paths
from pawprint.core.data_tables import SPLIT
from pawprint.core.entry import run_stage
from pawprint.core.files import md5, replacing, write_json
from pawprint.core.params.augment import Augment
from pawprint.core.params.model import Model
from pawprint.core.recorded import Recorded
from pawprint.core.tables import read_table
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
from pawprint.images.archive import open_archive
from pawprint.runtime.network_file import output_shapes, read_network


def main() -> None:
    augment, how = Augment.load(), Model.load().resize
    network = read_network(data_paths.EXTRACTOR)
    size, kinds = network.input().partial_shape[1].get_length(), output_shapes(network)
    origin = {  # what decides a row's bytes, besides the image's pixels and the view
        "resize": how,
        "network": [md5(data_paths.EXTRACTOR), md5(data_paths.EXTRACTOR.with_suffix(".bin"))],
        "code": md5(data_paths.FEATURE_ROW_CODE),
    }
    split = read_table(data_paths.SPLIT_IMAGES, SPLIT)
    images = split[split["split"] != "test"]
    rows = len(images) + (augment.views - 1) * int((images["split"] == "train").sum())
    kept = data_paths.INTERRUPTED_FEATURES.absolute()
    kept /= hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    earlier, recorded = interrupted_shards(kept), Recorded()
    if recorded.json("features", data_paths.FEATURES_ORIGIN) == origin:
        earlier.append(recorded_shards(recorded, "features", data_paths.FEATURES))
    with open_archive(data_paths.RAW_ARCHIVES) as archive, replacing(data_paths.FEATURES) as folder:
        require_space(data_paths.FEATURES, rows * sum(map(math.prod, kinds.values())))
        computer = ShardComputer(archive, row_function(network, how), kinds, augment, size)
        unfinished = kept / str(count_shards(len(images)))
        computed = write_shards(computer, tasks(images, unfinished, earlier), unfinished)
        shutil.move(unfinished, folder)
    write_json(data_paths.FEATURES_ORIGIN, origin)
    shutil.rmtree(data_paths.INTERRUPTED_FEATURES, ignore_errors=True)
    print(f"features: {computed:,} images computed, {len(images) - computed:,} reused")


if __name__ == "__main__":
    run_stage(main)
