import numpy as np
import pytest
from code_graph import closure
from conftest import PROJECT, line_of
from networks import SIZE, sample_backbone
from PIL import Image

from pawprint.core.errors import InputError
from pawprint.features.rows import SOURCES, describe, row_function
from pawprint.images.augmentation import IDENTITY, warp
from pawprint.images.resizing import resize
from pawprint.network.cut import cut_index, split_at
from pawprint.network.extractor import OUTPUTS, build_extractor
from pawprint.runtime.conversion import convert, read_network, write_network

MIRRORED = np.array([[-1.0, 0.0, SIZE - 1.0], [0.0, 1.0, 0.0]])


def test_sources_are_the_files_that_decide_a_row():
    """Those that compute it, and all that these import.

    Of core they import the types of params, whose values are part of the transformation or of
    `describe`; the store names types only.
    """
    imported = {
        path.relative_to(PROJECT).as_posix()
        for path in closure(PROJECT / "pawprint/features/rows.py")
        if path.name != "__init__.py"
    }
    others = {path for path in imported if path.startswith("pawprint/core/")}
    assert imported - others - {"pawprint/features/store.py"} == set(SOURCES)


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_rows_are_the_outputs_of_the_backbone_for_each_view(pooling, tmp_path):
    backbone = sample_backbone()
    cut = cut_index(backbone, 100)
    path = tmp_path / "network.xml"
    write_network(
        convert(build_extractor("MobileNetV2", backbone, cut, pooling)), path, list(OUTPUTS)
    )
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    image = Image.fromarray(noise)
    compute = row_function(read_network(path), "crop")
    before, after = split_at(backbone, cut)
    for transformation, row in zip(
        (IDENTITY, MIRRORED), compute(image, [IDENTITY, MIRRORED]), strict=True
    ):
        pixels = warp(resize(image, SIZE, "crop"), transformation)
        maps = before(pixels[None] / np.float32(127.5) - 1, training=False)
        top = after(maps, training=False).numpy()
        top = top.mean(axis=(1, 2)) if pooling == "average" else top.reshape(1, -1)
        for stored, expected in zip(row, (maps.numpy()[0], top[0]), strict=True):
            assert stored.dtype == np.float16
            # Half precision keeps eleven bits.
            assert np.abs(stored - expected).max() < 2e-3 * np.abs(expected).max()


def test_features_that_float16_cannot_hold_are_one_line(monkeypatch):
    network = convert(build_extractor("MobileNetV2", sample_backbone(), 0, "average"))
    large = [np.array([70_000.0], np.float32)]
    monkeypatch.setattr("pawprint.features.rows.compile_for_cpu", lambda _: lambda _: large)
    compute = row_function(network, "crop")
    with pytest.raises(InputError, match=line_of("params.yaml: model.fine_tune_at: ")):
        compute(Image.new("RGB", (SIZE, SIZE)), [IDENTITY])


def test_description_changes_with_the_network_and_the_resizing(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    for name in ("network.xml", "network.bin"):
        (tmp_path / name).write_bytes(b"1")
    path = tmp_path / "network.xml"
    first = describe(path, "crop")
    assert describe(path, "crop") == first != describe(path, "stretch")
    path.with_suffix(".bin").write_bytes(b"2")
    assert describe(path, "crop") != first
