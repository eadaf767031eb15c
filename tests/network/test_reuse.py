import os
from pathlib import Path

import pandas as pd
import pytest
from conftest import refused

from pawprint.network.feature_reuse import earlier_shards, origin_of
from pawprint.network.store import STORED_SPLITS
from stages import features


@pytest.mark.parametrize("recorded", ["portable", "native"])
@pytest.mark.parametrize("kernels", ["portable", "native"])
def test_rows_of_training_images_are_reused_only_for_the_same_kernels(tmp_path, recorded, kernels):
    """Rows of other images are always portable, so native ones can only come from `train/`."""
    network = tmp_path / "network.xml"
    for path in (network, network.with_suffix(".bin")):
        path.touch()
    last = origin_of(network, "crop", "code", recorded)
    stored = {f"{split}/shard-0.npy": Path(split) for split in STORED_SPLITS}
    found = earlier_shards(origin_of(network, "crop", "code", kernels), [(tmp_path, last, stored)])
    others = [[split] for split in STORED_SPLITS if split != "train"] * (kernels == "portable")
    assert sorted(found) == sorted(others + [["train"]] * (recorded == kernels))


def killed(*_: object) -> None:
    """Stand in for `compute` in a process that is killed."""
    os._exit(9)


def test_killed_process_of_native_kernels_is_one_line(monkeypatch):
    monkeypatch.setattr(features, "compute", killed)
    with refused("hardware.kernels: ", "memory"):
        features.compute_elsewhere(pd.DataFrame(), "native", [])
