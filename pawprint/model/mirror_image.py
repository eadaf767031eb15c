"""Average predictions over an image and its mirror image, in the served network.

`Augment.mirrors` in pipeline/params/data.py decides whether they are averaged.
"""

from collections.abc import Sequence

import numpy as np
import openvino

from pawprint.base.runtime import image_size_of

operations = openvino.opset15


def mirrored(network: openvino.Model, names: Sequence[str]) -> openvino.Model:
    """Return a served network that averages its outputs over an image and its mirror image.

    `names` are the network's output names, in order. Logits and unknown scores are averaged, but
    `features` come from the original image only.
    """
    pixels = network.get_parameters()[0]
    other = network.clone()
    backwards = operations.constant(np.arange(image_size_of(network))[::-1].copy(), np.int64)
    mirror_image = operations.gather(pixels, backwards, operations.constant(2, np.int64))
    for taker in other.input().get_target_inputs():
        taker.replace_source_output(mirror_image.output(0))
    outputs = []
    for name, *pair in zip(names, network.get_results(), other.get_results()):
        output, mirror_output = (result.input_value(0) for result in pair)
        if name == "probability":
            last = output.get_node()
            logits = (each.get_node().input_value(0) for each in (output, mirror_output))
            last.input(0).replace_source_output(_mean(*logits))
        elif name == "unknown_score":
            output = _mean(output, mirror_output)
        outputs.append(output)
    return openvino.Model(outputs, [pixels])


def _mean(first: openvino.Output, second: openvino.Output) -> openvino.Output:
    half = operations.constant(0.5, np.float32)
    return operations.multiply(operations.add(first, second), half).output(0)


def is_mirrored(network: openvino.Model) -> bool:
    """Return whether a network was made by `mirrored`."""
    takers = network.input().get_target_inputs()
    return any(taker.get_node().get_type_name() == "Gather" for taker in takers)
