"""The layers that are trained on the features of the backbone."""

from pawprint.core.params import Head
from pawprint.network.backend import keras

HEAD = "head"  # its name as a layer of the whole model


def build_head(params: Head) -> keras.Model:
    """float32 `(batch, features)` to the probability or logit of the second class, `(batch, 1)`."""
    layers = []
    if params.dense:
        penalty = keras.regularizers.L2(params.dense.l2) if params.dense.l2 else None
        options = {"activation": "relu", "kernel_regularizer": penalty, "name": "dense"}
        layers.append(keras.layers.Dense(params.dense.units, **options))
        if params.dense.batch_normalization:
            layers.append(keras.layers.BatchNormalization(name="batch_normalization"))
    if params.dropout:
        layers.append(keras.layers.Dropout(params.dropout, name="dropout"))
    activation = "sigmoid" if params.output == "sigmoid" else "linear"
    layers.append(keras.layers.Dense(1, activation=activation, name=params.output))
    return keras.Sequential(layers, name=HEAD)


def gives_logits(head: keras.Model) -> bool:
    return head.layers[-1].activation is keras.activations.linear
