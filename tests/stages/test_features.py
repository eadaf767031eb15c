import math

import numpy as np
import pandas as pd
import pytest
from networks import sample_backbone

from pawprint.core.errors import InputError
from pawprint.core.params import Augment
from pawprint.images.archive import open_archive
from pawprint.images.augmentation import draw_transformation, warp
from pawprint.images.decoder import decode
from pawprint.images.resizing import resize
from pawprint.network.cut import cut_index, split_at
from pawprint.network.extractor import OUTPUTS, build_extractor
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.conversion import convert
from stages.features import compute_features, require_space, write_arrays

IMAGES = pd.DataFrame(
    {
        "path": [
            f"drawn/train/{kind}s/{kind}.{number:04}.jpg"
            for kind in ("cat", "dog")
            for number in (1, 2)
        ],
        "pixels_sha256": [f"{number:064x}" for number in range(4)],
    }
)
NO_LAYERS = dict.fromkeys(
    ["RandomFlip", "RandomRotation", "RandomTranslation", "RandomShear", "RandomZoom"]
)
MIRROR_SOME = Augment(
    **NO_LAYERS | {"RandomFlip": {"mode": "horizontal"}}, views=3, keep_original=True, seed=1
)


@pytest.fixture(scope="module")
def backbone():
    return sample_backbone()


@pytest.mark.parametrize(("pooling", "augment"), [("average", MIRROR_SOME), ("flatten", None)])
def test_features_are_the_outputs_of_the_backbone_for_each_view_in_the_order_of_the_images(
    backbone, pooling, augment, drawn_archive, tmp_path
):
    cut = cut_index(backbone, 100)
    extractor = build_extractor("MobileNetV2", backbone, cut, pooling)
    views = augment.views if augment else 1
    shapes = {
        tmp_path / f"{kind}.npy": (len(IMAGES), views, *output.shape[1:])
        for kind, output in zip(OUTPUTS, extractor.outputs)
    }
    run = compile_for_cpu(convert(extractor))
    with open_archive(drawn_archive) as archive:
        write_arrays(shapes, compute_features(run, archive, IMAGES, 96, "crop", augment))
        pixels = [resize(decode(archive.read(name)), 96, "crop") for name in IMAGES["path"]]
    before, after = split_at(backbone, cut)
    for view in range(views):
        images = np.stack(
            [
                warp(image, draw_transformation(augment, sha256, view, 96)) if augment else image
                for image, sha256 in zip(pixels, IMAGES["pixels_sha256"])
            ]
        )
        maps = before(images / np.float32(127.5) - 1, training=False)
        top = after(maps, training=False).numpy()
        top = top.mean(axis=(1, 2)) if pooling == "average" else top.reshape(len(top), -1)
        for kind, expected in (("cut", maps.numpy()), ("top", top)):
            stored = np.load(tmp_path / f"{kind}.npy", mmap_mode="r")
            assert stored.dtype == np.float16
            # Half precision keeps eleven bits.
            assert np.abs(stored[:, view] - expected).max() < 2e-3 * np.abs(expected).max()


def test_array_is_written_row_by_row_as_numpy_writes_it(tmp_path):
    whole = np.arange(24, dtype=np.float16).reshape(4, 2, 3)
    write_arrays({tmp_path / "rows.npy": whole.shape}, ([row] for row in whole))
    np.save(tmp_path / "whole.npy", whole)
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_features_too_large_for_the_disk_are_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"features: expected 4,000,000,000 MB of free space"):
        require_space(tmp_path / "features", 10**15)


def test_size_is_printed_before_the_features_are_written(tmp_path, capsys):
    require_space(tmp_path / "features", math.prod((1000, 2, 1000)) + math.prod((500, 1000)))
    assert capsys.readouterr().out.startswith("features: 5 MB to write")
