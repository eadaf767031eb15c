"""The layers that are trained on the features of the backbone."""

from pawprint.core.params.head import Head
from pawprint.network.backend import keras

HEAD = "head"  # its name as a layer of the whole model


def build_head(params: Head, classes: int) -> keras.Model:
    """float32 `(batch, features)` to probabilities or logits, as `head.output` says.

    They are `(batch, 1)` for two classes, of the second, and `(batch, classes)` for more.
    """
    layers = []
    if params.dense:
        penalty = keras.regularizers.L2(params.dense.l2) if params.dense.l2 else None
        options = {"activation": "relu", "kernel_regularizer": penalty, "name": "dense"}
        layers.append(keras.layers.Dense(params.dense.units, **options))
        if params.dense.batch_normalization:
            layers.append(keras.layers.BatchNormalization(name="batch_normalization"))
    if params.dropout:
        layers.append(keras.layers.Dropout(params.dropout, name="dropout"))
    units = 1 if classes == 2 else classes
    activation = "linear" if params.output == "logits" else activation_for(units)
    layers.append(keras.layers.Dense(units, activation=activation, name=params.output))
    return keras.Sequential(layers, name=HEAD)


def activation_for(units: int) -> str:
    """The activation that makes probabilities of the logits of so many units."""
    return "sigmoid" if units == 1 else "softmax"


def loss_for(units: int) -> str:
    """Keras' name of the loss of so many units, for targets that are indices of classes."""
    return "binary_crossentropy" if units == 1 else "sparse_categorical_crossentropy"


def gives_logits(head: keras.Model) -> bool:
    return head.layers[-1].activation is keras.activations.linear
