from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import PROJECT, SAMPLE_WEIGHTS, run

from pawprint.network.backbone import load_base
from pawprint.network.cut import cut_index
from pawprint.runtime.conversion import compile_network
from stages.features import build_extractor

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 96, 96, 3), np.uint8)


@pytest.fixture(scope="module")
def extractor():
    base = load_base(0.35, 96, SAMPLE_WEIGHTS)
    return build_extractor(base, cut_index(base, 100), "average")


def test_compiled_network_gives_the_outputs_of_keras(extractor):
    expected = [output.numpy() for output in extractor(PIXELS.astype(np.float32), training=False)]
    compute = compile_network(extractor)
    for index, pixels in enumerate(PIXELS):
        for output, of_keras in zip(compute(pixels), expected):
            assert (output.shape, output.dtype) == (of_keras.shape[1:], np.float32)
            assert np.abs(output - of_keras[index]).max() < 1e-4 * np.abs(of_keras).max()


def test_threads_get_the_outputs_of_their_own_image_and_the_same_bits_every_time(extractor):
    compute = compile_network(extractor)
    alone = [compute(pixels) for pixels in PIXELS]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(compute, np.tile(PIXELS, (10, 1, 1, 1))))
    for index, outputs in enumerate(together):
        for output, expected in zip(outputs, alone[index % len(PIXELS)]):
            assert np.array_equal(output, expected)


def test_first_use_from_several_threads_does_not_wait_for_ever(tmp_path):
    """Each process starts OpenVINO's binding to NumPy once: many short processes, then."""
    code = """
import threading, numpy as np
from concurrent.futures import ThreadPoolExecutor
from pawprint.network.backend import keras
from pawprint.runtime.conversion import compile_network
inputs = keras.Input((8, 8, 3))
compute = compile_network(keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs)))
start = threading.Barrier(8)
def use(_):
    start.wait()
    return compute(np.zeros((8, 8, 3), np.uint8))
with ThreadPoolExecutor(8) as threads:
    print(len(list(threads.map(use, range(8)))))
"""
    for _ in range(3):
        result = run("python", "-c", code, cwd=tmp_path, PYTHONPATH=str(PROJECT))
        assert result.stdout == "8\n", result.stderr
