"""From Keras to OpenVINO."""

import openvino

from pawprint.core.errors import silent_stderr
from pawprint.network.backend import keras, tf
from pawprint.runtime.network_file import take_uint8


def convert(model: keras.Model) -> openvino.Model:
    """A Keras model of RGB pixels in inference mode.

    Takes uint8 `(batch, size, size, 3)` and gives the model's outputs in their order, float32.
    They differ from those of Keras by less than 1e-4 of their range.
    """
    # Keras' own export also tracks the variables for a SavedModel, which takes twice as long.
    pixels = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda images: model(images, training=False))
    with silent_stderr():
        network = openvino.convert_model(function.get_concrete_function(pixels))
    # TensorFlow's SiLU leaves outputs of its own behind, after those of the model.
    for result in network.get_results()[len(model.outputs) :]:
        network.remove_result(result)
    return take_uint8(network)
