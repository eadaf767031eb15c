"""Running a finished network on the CPU, three times as fast as TensorFlow does.

OpenVINO compiles the network for one image at a time, whose feature maps stay in a core's cache,
and one image per core. docs/decisions/07 has the measurements.
"""

import os
import sys
import threading
from collections.abc import Callable

import numpy as np

# With this package OpenVINO tells its makers of every import, by network and from a forked process.
sys.modules.setdefault("openvino_telemetry", None)
import openvino  # noqa: E402

CORES = os.cpu_count() or 1


def compile_for_cpu(
    network: openvino.Model, shape: tuple[int, ...], names: list[str] | None = None
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A network of one image of this shape, as a function that several threads may call.

    It takes uint8 pixels and returns each output, float32 without the batch's axis. `names` are
    those of the outputs, in the order wanted; without them they come in the network's.
    """
    compiled = openvino.compile_model(
        network,
        "CPU",
        {
            "NUM_STREAMS": CORES,
            "INFERENCE_NUM_THREADS": CORES,
            # Where the processor can, OpenVINO would take bfloat16: faster, but other numbers.
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    outputs = [compiled.output(name) for name in names] if names else compiled.outputs
    local = threading.local()

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        if not hasattr(local, "request"):
            local.request = compiled.create_infer_request()
        results = local.request.infer([pixels[None]])
        return [results[output][0] for output in outputs]

    # OpenVINO's binding to NumPy starts on first use, and two threads that use it first at the
    # same moment wait for each other for ever. This thread is the first.
    run(np.zeros(shape, np.uint8))
    return run
