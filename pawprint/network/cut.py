"""Where the backbone is cut: what comes before is frozen and computed once."""

from pawprint.core.errors import InputError
from pawprint.network.backend import keras, tf


def first_trained(
    backbone: keras.Model, fine_tune_at: int | None, fine_tune_last: int | None
) -> int:
    """The first layer that fine-tuning trains, in [0, layers]. Raises InputError if out of it."""
    layers = len(backbone.layers)
    for key, number in (("fine_tune_at", fine_tune_at), ("fine_tune_last", fine_tune_last)):
        if number is not None and number > layers:
            raise InputError(
                f"params.yaml: model.{key}: expected a number from 0 to {layers}, the layers of "
                f"the backbone. Received: {number}"
            )
    return fine_tune_at if fine_tune_last is None else layers - fine_tune_last


def cut_index(backbone: keras.Model, fine_tune_at: int) -> int:
    """The last layer before `fine_tune_at` whose output is all that later layers need.

    The layers up to it are frozen and are computed once. A layer with a skip connection around it
    cannot be the cut, so the cut may lie some layers before `fine_tune_at - 1`. With 0 nothing is
    frozen and the cut is the input.
    """
    position = {id(layer.output): index for index, layer in enumerate(backbone.layers)}
    last_use = list(range(len(backbone.layers)))
    for index, layer in enumerate(backbone.layers[1:], start=1):
        for tensor in keras.tree.flatten(layer.input):
            last_use[position[id(tensor)]] = index
    candidates = range(max(fine_tune_at - 1, 0), -1, -1)
    return next(cut for cut in candidates if max(last_use[:cut], default=0) <= cut)


def split_at(backbone: keras.Model, cut: int) -> tuple[keras.Model, keras.Model]:
    """The part of the backbone up to layer `cut`, and the part after it. They share its weights.

    One of them may hold no layer of the backbone: it then gives what it gets.
    """
    tensor = backbone.layers[cut].output
    identity = keras.layers.Identity()
    before = keras.Model(backbone.input, tensor if cut > 0 else identity(tensor))
    after = backbone.output if cut < len(backbone.layers) - 1 else identity(tensor)
    return before, keras.Model(tensor, after, name="tail")


def _inputs_of(layer: keras.layers.Layer) -> list[str]:
    """The names of the layers whose outputs a layer takes."""
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in inputs]


class FoldedTail(keras.layers.Layer):
    """Runs the tail of a backbone in inference mode, also inside `fit`; its weights stay trainable.

    Batch normalization with fixed statistics is an affine map: here it is folded into the
    convolution before it, from the same variables, so that gradients reach them. A step of
    training takes four fifths of the time of the tail's own layers (docs/decisions/07).
    """

    def __init__(self, tail: keras.Model) -> None:
        super().__init__()
        self.tail = tail

    def call(self, inputs):
        values = {self.tail.layers[0].name: inputs}
        for layer in self.tail.layers[1:]:
            if layer.name not in values:
                # A layer outside the tail is the one it was cut at, and gives its input.
                arguments = [values.get(name, inputs) for name in _inputs_of(layer)]
                following = [node.operation for node in layer._outbound_nodes]
                if _can_fold(layer, following):
                    values[following[0].name] = _folded(layer, following[0], *arguments)
                else:
                    argument = arguments[0] if len(arguments) == 1 else arguments
                    values[layer.name] = layer(argument, training=False)
        return values[self.tail.layers[-1].name]

    def compute_output_shape(self, input_shape):
        return self.tail.compute_output_shape(input_shape)


def _can_fold(layer: keras.layers.Layer, following: list[keras.layers.Layer]) -> bool:
    return (
        isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
        and isinstance(following[0], keras.layers.BatchNormalization)
        and not layer.use_bias
    )


def _folded(convolution, normalization, inputs):
    """A convolution and the batch normalization after it as one convolution with a bias."""
    deviation = tf.sqrt(normalization.moving_variance + normalization.epsilon)
    scale = normalization.gamma / deviation
    shift = normalization.beta - normalization.moving_mean * scale
    padding = convolution.padding.upper()
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        kernel = tf.cast(convolution.kernel * scale[:, None], inputs.dtype)
        strides = (1, *convolution.strides, 1)
        output = tf.nn.depthwise_conv2d(inputs, kernel, strides, padding)
    else:
        kernel = tf.cast(convolution.kernel * scale, inputs.dtype)
        output = tf.nn.conv2d(inputs, kernel, convolution.strides, padding)
    return tf.nn.bias_add(output, tf.cast(shift, output.dtype))
