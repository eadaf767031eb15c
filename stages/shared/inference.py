"""Running a finished network on the CPU, three times as fast as TensorFlow does.

OpenVINO compiles the network for one image at a time, whose feature maps stay in a core's cache,
and one image per core. docs/decisions/07 has the measurements.
"""

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino

from stages.shared.backend import convert_variables_to_constants_v2, keras, silent_stderr, tf

CORES = os.cpu_count() or 1


def compile_network(model: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The model in inference mode, as a function of one image that several threads may call.

    Takes uint8 pixels `(size, size, 3)` and returns each of the model's outputs, float32 without
    the batch's axis. They differ from those of Keras by less than 1e-4 of their range.
    """
    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.uint8)
    function = tf.function(lambda pixels: model(tf.cast(pixels, tf.float32), training=False))
    with silent_stderr():
        graph = convert_variables_to_constants_v2(function.get_concrete_function(signature))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "network.pb")
        path.write_bytes(graph.graph.as_graph_def().SerializeToString())
        network = openvino.Core().read_model(path)
    return compile_for_cpu(network, model.input_shape[1:], [each.name for each in graph.outputs])


def compile_for_cpu(
    network: openvino.Model, shape: tuple[int, ...], names: list[str] | None = None
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A network for a batch of one image of this shape, as compile_network gives it.

    `names` are those of its outputs, in the order wanted; without them they come in the network's.
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
