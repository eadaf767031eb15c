"""Where the backbone is cut into a frozen and a trained part, and from Keras to OpenVINO."""

import difflib

import openvino

from pawprint.errors import InputError, silent_stderr
from pawprint.network.hardware import keras, tf
from pawprint.network.model import logits_of, pool, preprocessing
from pawprint.params.model import Model
from pawprint.runtime.network_file import take_uint8

# The default of model.fine_tune_at, which is chosen for one backbone.
DEFAULT, CHOSEN_FOR = 100, "MobileNetV2"


def first_trained(params: Model, backbone: keras.Model) -> int:
    """The index of the first layer that fine-tuning trains, in [0, layers].

    Raises InputError for a layer that the backbone does not have, and for the default index with
    another backbone than that for which it was chosen.
    """
    name, at = params.backbone, params.fine_tune_at
    names = [layer.name for layer in backbone.layers]
    if at in names:
        return names.index(at)
    if at == DEFAULT and name != CHOSEN_FOR:
        received, hint = f"{DEFAULT}, the default for {CHOSEN_FOR}", suggested(backbone).name
        if len(names) > DEFAULT:
            received += f" (for layer {DEFAULT} itself, write {names[DEFAULT]})"
    elif isinstance(at, str) or abs(at) > len(names):
        near = difflib.get_close_matches(str(at), names, n=1)
        received, hint = at, near[0] if near else suggested(backbone).name
    else:
        return at if at >= 0 else len(names) + at
    raise InputError(
        f"model.fine_tune_at: expected a number from -{len(names)} to {len(names)}, the layers of "
        f"{name}, or the name of one, for example {hint}. Received: {received}"
    )


def suggested(backbone: keras.Model) -> keras.layers.Layer:
    """The first layer of a block that begins after about two thirds of the layers."""
    operations = backbone.operations
    cuts = [index for index in range(len(operations) - 1) if _is_cut(backbone, index)]
    ends = [index for index in cuts if len(keras.tree.flatten(operations[index].input)) > 1]
    end = min(ends or cuts, key=lambda index: abs(index - 2 * len(operations) / 3))
    return next(each for each in operations[end + 1 :] if isinstance(each, keras.layers.Layer))


def cut_index(backbone: keras.Model, first: int) -> int:
    """The last operation before layer `first` whose output is all that later ones need.

    It is an index of `backbone.operations`, in which layers are among others such as additions. The
    operations up to it are frozen and are computed once. One with a skip connection around it
    cannot be the cut, so the cut may lie some layers before `first - 1`. With 0 nothing is frozen
    and the cut is the input.
    """
    operations, layers = backbone.operations, backbone.layers
    end = operations.index(layers[first]) if first < len(layers) else len(operations)
    return next(index for index in range(max(end - 1, 0), -1, -1) if _is_cut(backbone, index))


def _is_cut(backbone: keras.Model, index: int) -> bool:
    """Whether no operation after this one takes the output of one before it."""
    before = {
        id(tensor)
        for operation in backbone.operations[:index]
        for tensor in keras.tree.flatten(operation.output)
    }
    taken = [operation.input for operation in backbone.operations[index + 1 :]]
    return not any(id(tensor) in before for tensor in keras.tree.flatten([taken, backbone.outputs]))


def split_at(backbone: keras.Model, cut: int) -> tuple[keras.Model, keras.Model]:
    """The part of the backbone up to operation `cut`, and the part after it.

    They share its weights. One of them may hold no layer: it then gives what it gets.
    """
    tensor = backbone.operations[cut].output
    identity = keras.layers.Identity()
    before = keras.Model(backbone.input, tensor if cut > 0 else identity(tensor))
    after = backbone.output if cut < len(backbone.operations) - 1 else identity(tensor)
    return before, keras.Model(tensor, after, name="tail")


def convert(model: keras.Model) -> openvino.Model:
    """A Keras model of RGB pixels in inference mode.

    Takes uint8 `(batch, size, size, 3)` and gives the model's outputs in their order, float32.
    They differ from those of Keras by less than 1e-4 of their range.
    """
    return take_uint8(_converted(model))


def with_head(backbone: openvino.Model, head: keras.Model) -> openvino.Model:
    """A network that gives features, with a head for these: it gives logits and features."""
    features = keras.Input(head.input_shape[1:])
    logits = _converted(keras.Model(features, logits_of(head, features)))
    given = backbone.output(0).get_node().input_value(0)
    for taker in logits.input().get_target_inputs():
        taker.replace_source_output(given)
    outputs = [logits.output(0).get_node().input_value(0), given]
    return openvino.Model(outputs, backbone.get_parameters())


def _converted(model: keras.Model) -> openvino.Model:
    # Keras' own export also tracks the variables for a SavedModel, which takes twice as long.
    taken = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda batch: model(batch, training=False))
    with silent_stderr():
        network = openvino.convert_model(function.get_concrete_function(taken))
    # TensorFlow's SiLU leaves outputs of its own behind, after those of the model.
    for result in network.get_results()[len(model.outputs) :]:
        network.remove_result(result)
    return network


# The outputs of the extractor, in their order.
OUTPUTS = ("cut", "top")


def build_extractor(name: str, backbone: keras.Model, cut: int, pooling: str) -> keras.Model:
    """Pixels `(batch, size, size, 3)` in [0, 255] to the inputs of both phases of training.

    Two outputs: the feature maps at the cut, for fine-tuning, and the pooled features at the end
    of the backbone, `(batch, features)`, for the head. `name` is that of the application.
    """
    pixels = keras.Input(backbone.input_shape[1:])
    before, after = split_at(backbone, cut)
    at_cut = before(preprocessing(name)(pixels), training=False)
    return keras.Model(pixels, [at_cut, pool(after(at_cut, training=False), pooling)])
