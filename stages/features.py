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

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.files import md5, replacing, write_json
from pawprint.core.params.augment import Augment
from pawprint.core.params.model import Model
from pawprint.core.recorded import Recorded
from pawprint.core.tables import SPLIT, read_table
from pawprint.features.completion import complete, computer, index_of, require_space
from pawprint.features.reuse import Journal, recorded_rows
from pawprint.features.store import checksum, count_shards, key_of, shard_of, write_shard
from pawprint.images.archive import open_archive
from pawprint.runtime.conversion import output_shapes, read_network


def main() -> None:
    augment, how = Augment.load(), Model.load().resize
    network = read_network(paths.EXTRACTOR)
    size, kinds = network.input().partial_shape[1].get_length(), output_shapes(network)
    origin = {  # what decides a row's bytes, besides the image's pixels and the view
        "resize": how,
        "network": [md5(paths.EXTRACTOR), md5(paths.EXTRACTOR.with_suffix(".bin"))],
        "code": md5(paths.FEATURE_ROW_CODE),
    }
    journals = paths.INTERRUPTED_FEATURES / hashlib.sha256(json.dumps(origin).encode()).hexdigest()
    recorded = Recorded()
    is_usable = recorded.json("features", paths.FEATURES_ORIGIN) == origin
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    images = split[split["split"] != "test"]
    shards = count_shards(len(images))
    shard = shard_of(images["pixels_sha256"], shards)
    rows = len(images) + (augment.views - 1) * int((images["split"] == "train").sum())
    computed = 0
    with open_archive(paths.RAW_ARCHIVES) as archive, replacing(paths.FEATURES) as folder:
        folder.mkdir()
        require_space(paths.FEATURES, rows * sum(map(math.prod, kinds.values())))
        compute = computer(
            archive, dict(zip(images["pixels_sha256"], images["path"])), network, how
        )
        for number in range(shards):
            index = index_of(images[shard == number], augment, size)
            wanted = [key_of(entry) for entry in index]
            journal = Journal(journals / f"{number}-of-{shards}", kinds)
            before = ()
            if is_usable:
                before = recorded_rows(recorded, "features", paths.FEATURES, number, shards, kinds)
            found, more = complete(wanted, journal, before, compute)
            index["checksum"] = [checksum(key, found[key]) for key in wanted]
            write_shard(folder, number, index, [found[key] for key in wanted], kinds)
            computed += more
    write_json(paths.FEATURES_ORIGIN, origin)
    shutil.rmtree(paths.INTERRUPTED_FEATURES, ignore_errors=True)
    print(f"features: {computed:,} images computed, {len(images) - computed:,} reused")


if __name__ == "__main__":
    run_stage(main)
