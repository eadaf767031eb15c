from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import PROJECT, run
from networks import pixels, sample_backbone

from pawprint.network.conversion import build_extractor, convert, cut_index
from pawprint.runtime.compiled import compile_for_cpu

PIXELS = pixels(6)


@pytest.fixture(scope="module")
def extractor():
    backbone = sample_backbone()
    return build_extractor("MobileNetV2", backbone, cut_index(backbone, 100), "average")


@pytest.fixture(scope="module")
def compute(extractor):
    return compile_for_cpu(convert(extractor))


def test_threads_get_the_outputs_of_their_own_image_and_the_same_bits_every_time(compute):
    alone = [compute(image) for image in PIXELS]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(compute, np.tile(PIXELS, (10, 1, 1, 1))))
    for index, outputs in enumerate(together):
        for output, expected in zip(outputs, alone[index % len(PIXELS)]):
            assert np.array_equal(output, expected)


def test_first_use_from_several_threads_does_not_block(tmp_path):
    """Each process starts OpenVINO's binding to NumPy once; several processes make it likely."""
    code = """
import threading, numpy as np, openvino, openvino.opset15 as op
from concurrent.futures import ThreadPoolExecutor
from pawprint.runtime.compiled import compile_for_cpu
from pawprint.runtime.network_file import take_uint8
image = op.parameter([-1, 8, 8, 3], np.float32)
mean = op.reduce_mean(image, op.constant(np.array([1, 2])), False)
compute = compile_for_cpu(take_uint8(openvino.Model([mean], [image])))
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
