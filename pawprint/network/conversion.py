"""From Keras to OpenVINO."""

import openvino
from openvino.frontend.tensorflow import utils

from pawprint.errors import silent_stderr
from pawprint.network.hardware import keras, tf
from pawprint.network.model import logits_of
from pawprint.runtime.network_file import take_uint8

# OpenVINO's own deletes a name that `exec` bound, which Python 3.13 refuses (PEP 667).
utils.get_environment_setup = lambda _: {"tensorflow": tf.__version__}


def convert(model: keras.Model) -> openvino.Model:
    """A Keras model of RGB pixels in inference mode.

    Takes uint8 `(batch, size, size, 3)` and gives the model's outputs in their order, float32.
    They differ from those of Keras by less than 1e-4 of their range.
    """
    return take_uint8(_to_openvino(model))


def with_head(backbone: openvino.Model, head: keras.Model) -> openvino.Model:
    """A network that gives features, with a head for these: it gives logits and features."""
    features = keras.Input(head.input_shape[1:])
    logits = _to_openvino(keras.Model(features, logits_of(head, features)))
    features_of_backbone = backbone.output(0).get_node().input_value(0)
    for taker in logits.input().get_target_inputs():
        taker.replace_source_output(features_of_backbone)
    outputs = [logits.output(0).get_node().input_value(0), features_of_backbone]
    return openvino.Model(outputs, backbone.get_parameters())


def _to_openvino(model: keras.Model) -> openvino.Model:
    # Keras' own export also tracks the variables for a SavedModel, which takes twice as long. Of a
    # variable OpenVINO looks through all others for each of its attributes; values have no others.
    spec = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    variables = model.trainable_variables, model.non_trainable_variables
    values = [[tf.convert_to_tensor(variable.value) for variable in kind] for kind in variables]
    function = tf.function(lambda batch: model.stateless_call(*values, batch, training=False)[0])
    with silent_stderr():
        network = openvino.convert_model(function.get_concrete_function(spec))
    # TensorFlow's SiLU leaves outputs of its own behind, after those of the model.
    for result in network.get_results()[len(model.outputs) :]:
        network.remove_result(result)
    return network
