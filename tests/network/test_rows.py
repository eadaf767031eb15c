from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from networks import SIZE, pixels, sample_backbone
from PIL import Image

from pawprint.base.runtime import compile_for_cpu, read_network, write_network
from pawprint.network.hardware import keras
from pawprint.network.keras_backbone import build_extractor
from pawprint.network.keras_model import convert, cut_index, with_blocks
from pawprint.network.rows import row_function
from pawprint.network.store import fits
from pawprint.network.views import GREY, IDENTITY, apply, mirrored, resize

MIRRORED = mirrored(SIZE)


@pytest.mark.parametrize(
    "pooling", ["flatten", pytest.param("average", marks=pytest.mark.extended)]
)
def test_rows_are_the_outputs_of_the_backbone_for_each_view(pooling, tmp_path):
    backbone = sample_backbone()
    cut = cut_index(backbone, 100)
    path = tmp_path / "network.xml"
    extractor, kinds = build_extractor("MobileNetV2", with_blocks(backbone), pooling, cut)
    write_network(convert(extractor), path, kinds)
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    image = Image.fromarray(noise)
    compute = row_function(read_network(path), "crop")
    ends = ["block_1_project_BN", "block_2_add", "block_16_project_BN"]
    taken = [backbone.operations[cut], *map(backbone.get_layer, ends)]
    maps_of = keras.Model(backbone.input, [*(each.output for each in taken), backbone.output])
    for view, row in zip(
        (IDENTITY, MIRRORED), compute(lambda side: image, [IDENTITY, MIRRORED]), strict=True
    ):
        pixels = apply(resize(image, SIZE, "crop"), view)
        maps = maps_of(pixels[None] / np.float32(127.5) - 1, training=False)
        at_cut, *blocks, last = (each.numpy()[0].astype(np.float64) for each in maps)
        top = last.mean(axis=(0, 1)) if pooling == "average" else last.ravel()
        statistics = [s for each in blocks for s in (each.mean(axis=(0, 1)), each.std(axis=(0, 1)))]
        first, final = np.concatenate(statistics[:4]), np.concatenate(statistics[4:])
        stored = dict(zip(kinds, row, strict=True))
        pairs = (stored["cut"], at_cut), (stored["top"], top)
        pairs += (stored["blocks"][: len(first)], first), (stored["blocks"][-len(final) :], final)
        for features, expected in pairs:
            assert features.dtype == np.float32
            assert np.abs(features - expected).max() < 1e-4 * np.abs(expected).max()
        if pooling == "flatten":
            assert stored["means"] == pytest.approx(last.mean(axis=(0, 1)), abs=1e-4)


@pytest.mark.parametrize("number", [np.nan, np.inf, 70_000.0])
def test_row_that_a_type_cannot_hold_does_not_fit(number):
    row = [np.array([1.0, number], np.float32)]
    assert not fits(row, [np.dtype(np.float16)])
    assert fits(row, [np.dtype(np.float32)]) == np.isfinite(number)


def test_view_that_is_mirrored_is_the_image_from_right_to_left():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    assert (apply(pixels, mirrored(SIZE)) == pixels[:, ::-1]).all()


PIXELS = pixels(6)


def test_threads_get_the_outputs_of_their_own_image_and_the_same_bits_every_time():
    backbone = sample_backbone()
    cut = cut_index(backbone, 100)
    extractor, _ = build_extractor("MobileNetV2", with_blocks(backbone), "average", cut)
    compute = compile_for_cpu(convert(extractor))
    alone = [compute(image) for image in PIXELS]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(compute, np.tile(PIXELS, (10, 1, 1, 1))))
    for index, outputs in enumerate(together):
        for output, expected in zip(outputs, alone[index % len(PIXELS)]):
            assert np.array_equal(output, expected)


def test_crop_keeps_the_middle_and_stretch_and_pad_the_whole():
    thirds = Image.new("RGB", (96, 32), "red")
    thirds.paste("blue", (32, 0, 64, 32))
    assert (resize(thirds, 32, "crop") == [0, 0, 255]).all()
    stretched = resize(thirds, 32, "stretch")
    assert (stretched[:, [0, -1]] == [255, 0, 0]).all()
    assert (stretched[:, 16] == [0, 0, 255]).all()
    padded = resize(thirds, 33, "pad")
    assert (padded[:11] == GREY).all()
    assert (padded[22:] == GREY).all()
    assert (padded[11:22, [0, -1]] == [255, 0, 0]).all()
    assert (padded[11:22, 16] == [0, 0, 255]).all()
