"""Compiled networks.

OpenVINO compiles a network for one image at a time, whose feature maps stay in a core's cache,
and runs one image per core. docs/decisions/07 has the measurements.
"""

import threading
from collections.abc import Callable

import joblib
import numpy as np
import openvino

CORES = joblib.cpu_count()  # that this process may use


def compile_for_cpu(network: openvino.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A network as a function of one image that several threads may call.

    `network` takes uint8 pixels `(batch, size, size, 3)`. The function takes uint8
    `(size, size, 3)` and returns each output, float32 without the axis of the batch.
    """
    shape = [length.get_length() for length in list(network.input().partial_shape)[1:]]
    network = network.clone()
    network.reshape([1, *shape])
    compiled = openvino.compile_model(
        network,
        "CPU",
        {
            "NUM_STREAMS": CORES,
            "INFERENCE_NUM_THREADS": CORES,
            # Where the processor has bfloat16, OpenVINO would use it: faster, but other numbers.
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    local = threading.local()

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        results = local.request.infer([pixels[None]])
        return [results[output][0] for output in compiled.outputs]

    # OpenVINO's binding to NumPy starts on first use. Two threads that use it first at the same
    # moment wait for each other for ever, so this thread is the first.
    run(np.zeros(shape, np.uint8))
    return run
