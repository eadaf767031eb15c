"""A network in memory, from Keras to OpenVINO."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pawprint.core.errors import silent_stderr
from pawprint.network.backend import convert_variables_to_constants_v2, keras, tf
from pawprint.runtime.compiled import compile_for_cpu, openvino


def compile_network(model: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The network in inference mode, as a function of one image that several threads may call.

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
