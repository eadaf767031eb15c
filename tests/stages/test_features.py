import numpy as np
import pytest
from conftest import SAMPLE_WEIGHTS

from pawprint.core.errors import InputError
from pawprint.images.archive import open_archive
from pawprint.images.augmentation import IDENTITY
from pawprint.images.decoder import decode
from pawprint.images.resizing import resize
from pawprint.network.backbone import load_base
from pawprint.network.cut import cut_index, split_at
from pawprint.runtime.conversion import compile_network
from stages.features import build_extractor, extract, require_space

NAMES = [
    f"drawn/train/{kind}s/{kind}.{number:04}.jpg" for kind in ("cat", "dog") for number in (1, 2)
]
MIRRORED = np.array([[-1, 0, 95], [0, 1, 0]], np.float64)


@pytest.fixture(scope="module")
def base():
    return load_base(0.35, 96, SAMPLE_WEIGHTS)


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_features_are_what_the_base_gives_for_each_view_in_the_order_of_the_images(
    base, pooling, drawn_archive, tmp_path
):
    cut = cut_index(base, 100)
    extractor = build_extractor(base, cut, pooling)
    shapes = {
        tmp_path / f"{kind}.npy": (len(NAMES), 2, *output.shape[1:])
        for kind, output in zip(("cut", "top"), extractor.outputs)
    }
    transformations = np.tile(np.stack([IDENTITY, MIRRORED])[:, None], (1, len(NAMES), 1, 1))
    rows = [{"path": name} for name in NAMES]
    with open_archive(drawn_archive) as archive:
        extract(compile_network(extractor), archive, rows, transformations, 96, "crop", shapes)
        pixels = np.stack([resize(decode(archive.read(name)), 96, "crop") for name in NAMES])
    before, after = split_at(base, cut)
    for view, images in enumerate((pixels, pixels[:, :, ::-1])):
        maps = before(images / np.float32(127.5) - 1, training=False)
        top = after(maps, training=False).numpy()
        top = top.mean(axis=(1, 2)) if pooling == "average" else top.reshape(len(top), -1)
        for kind, expected in (("cut", maps.numpy()), ("top", top)):
            stored = np.load(tmp_path / f"{kind}.npy", mmap_mode="r")
            assert stored.dtype == np.float16
            # Half precision keeps eleven bits.
            assert np.abs(stored[:, view] - expected).max() < 2e-3 * np.abs(expected).max()


def test_features_too_large_for_the_disk_are_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"data/features: expected 4,000,000,000 MB of free space"):
        require_space(tmp_path, [(10**9, 10**6)])


def test_size_is_said_before_it_is_used(tmp_path, capsys):
    require_space(tmp_path, [(1000, 2, 1000), (500, 1000)])
    assert capsys.readouterr().out.startswith("features: 5 MB to write")
