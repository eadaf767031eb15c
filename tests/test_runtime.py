from concurrent.futures import ThreadPoolExecutor

import numpy as np
from networks import pixels, sample_backbone

from pawprint.network.blocks import cut_index, with_blocks
from pawprint.network.keras_backbone import build_extractor
from pawprint.network.keras_model import convert
from pawprint.runtime import compile_for_cpu

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
