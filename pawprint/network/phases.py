"""The two phases of training: a new head on the frozen backbone, then the last layers with it."""

from pathlib import Path

import numpy as np
import pandas as pd

from pawprint.core.params.hardware import Hardware
from pawprint.core.params.head import Head
from pawprint.core.params.train import Train
from pawprint.network.backend import keras, make_deterministic
from pawprint.network.cut import cut_index, split_at
from pawprint.network.hardware import computing_in, training_on
from pawprint.network.head import build_head, gives_logits
from pawprint.network.model import parts
from pawprint.network.training import (
    Batches,
    compile_model,
    fit,
    measure,
    open_batches,
    optimizer_of,
)


def train_head(
    params: Train,
    head_params: Head,
    classes: int,
    precision: str,
    train: Batches,
    validation: Batches,
    path: Path | None = None,
) -> tuple[list[np.ndarray], dict, pd.DataFrame]:
    """Feature extraction: train a new head on pooled features.

    Returns the arrays of the head, the metrics on validation before and after, and the history,
    which is also written to `path` after each epoch.
    """
    head = build_head(head_params, classes)
    inputs = keras.Input(train.features.shape[2:])
    model = keras.Model(inputs, head(inputs))
    with computing_in(precision, [model, *head.layers[:-1]]):
        compile_model(model, params, gives_logits(head))
        initial = measure(model, validation)
        history = fit(model, train, validation, params, "train_extract", path)
        metrics = {"initial": initial, "validation": measure(model, validation)}
    return head.get_weights(), metrics, history


def train_stored_head(
    folder: Path,
    split: pd.DataFrame,
    params: Train,
    head_params: Head,
    hardware: Hardware,
    path: Path | None = None,
) -> tuple[list[np.ndarray], dict, pd.DataFrame]:
    """`train_head` on the stored features in `folder` of the images of the table SPLIT."""
    make_deterministic(params.seed)
    train, validation, labels = open_batches(folder, split, "top", params)
    with training_on(hardware) as precision:
        return train_head(params, head_params, len(labels), precision, train, validation, path)


def fine_tune(
    whole: keras.Model,
    params: Train,
    precision: str,
    first: int,
    train: Batches,
    validation: Batches,
    path: Path | None = None,
) -> tuple[keras.Optimizer, pd.DataFrame]:
    """Train the layers of the backbone from `first` on, and the head, in place.

    Without epochs the backbone stays frozen.

    The backbone stays in inference mode, also inside `fit`: its dropout is set to 0, and batch
    normalization keeps its weights (https://keras.io/guides/transfer_learning/,
    docs/decisions/01). The batches hold the
    feature maps at the cut. Returns the optimizer and the history, which is also written to `path`
    after each epoch.
    """
    _, backbone, pool, head = parts(whole)
    backbone.trainable = True
    for index, layer in enumerate(backbone.layers):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= first and not is_normalization and params.epochs > 0
        if isinstance(layer, keras.layers.Dropout):  # `fit` overrides training=False below
            layer.rate = 0.0
    _, tail = split_at(backbone, cut_index(backbone, first))
    at_cut = keras.Input(tail.input_shape[1:])
    model = keras.Model(at_cut, head(pool(tail(at_cut, training=False))))
    with computing_in(precision, [model, *tail.layers, pool, *head.layers[:-1]]):
        compile_model(model, params, gives_logits(head))
        history = fit(model, train, validation, params, "train_finetune", path)
    return optimizer_of(model), history
