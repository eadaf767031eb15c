"""Training on stored features: a new head, then the last layers of the backbone with it."""

import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.classes import Difference
from pawprint.errors import InputError
from pawprint.features.store import Features, StoredExamples
from pawprint.network.blocks import cut_index, split_at
from pawprint.network.hardware import computing_in, keras, make_deterministic, training_on
from pawprint.network.heads import HeadWeights, NewHead, Standardisation, kinds_of
from pawprint.network.model import STATISTICS, build_head, gives_logits, parts, pool
from pawprint.params.model import Hardware, Head, Train
from pawprint.project import HISTORY
from pawprint.tables import write_table

STANDARDISED = 10_000_000  # numbers, 80 MB as float64


class Batches(keras.utils.PyDataset):
    """Batches of (float32 features, float32 class indices), from float16 `(images, views, …)`.

    With `blocks`, the first of a pair is a pair itself: of `features`, and of these features of the
    same views. With `views_per_epoch` "one", epoch e takes view (e + i) modulo the number of views
    of image i: each image goes through all its views, and each epoch mixes them. With "all" an
    epoch takes every view. With `seed` None the order is that of the images, for validation.
    """

    def __init__(
        self,
        features: Features | np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        views_per_epoch: str = "all",
        *,
        seed: int | None = None,
        blocks: Features | None = None,
    ) -> None:
        super().__init__()
        self.features, self.labels, self.blocks = features, labels, blocks
        self.batch_size, self.views_per_epoch, self.seed = batch_size, views_per_epoch, seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Choose the views and the order of an epoch, counted from 0.

        `Progress` calls this. Keras calls `on_epoch_end` before the first epoch too: whoever counts
        its calls leaves out an epoch's views.
        """
        self.epoch = epoch
        images, views = self.features.shape[:2]
        if self.views_per_epoch == "all":
            self.image = np.repeat(np.arange(images), views)
            self.view = np.tile(np.arange(views), images)
        else:
            self.image = np.arange(images)
            self.view = (epoch + self.image) % views
        if self.seed is not None:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.image))
            self.view, self.image = self.view[order], self.image[order]

    def __len__(self) -> int:
        return -(-len(self.image) // self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
        image, view = self.image[batch], self.view[batch]
        features = self.features[image, view].astype(np.float32)
        if self.blocks is None:
            return features, self.labels[image]
        return (features, self.blocks[image, view].astype(np.float32)), self.labels[image]


class Data(NamedTuple):
    """What a phase learns from, and what it validates with."""

    train: Batches
    validation: Batches


class Phase(NamedTuple):
    """How to train: the section of the params by its name, and the dtype policy of the layers.

    The table HISTORY is written to `path` after each epoch, so that others can watch.
    """

    section: str
    params: Train
    precision: str = "float32"
    path: Path | None = None


def open_batches(
    examples: StoredExamples, kinds: tuple[str, ...], params: Train, has_blocks: bool = False
) -> Data:
    """Batches of these kinds of features, side by side, or with `has_blocks` of pairs with them."""

    def batches(split: str, views_per_epoch: str, seed: int | None) -> Batches:
        features, actual = examples.open(split, *kinds), examples.classes(split)
        blocks = examples.open(split, "blocks") if has_blocks else None
        labels, size = actual.astype(np.float32), params.batch_size
        return Batches(features, labels, size, views_per_epoch, seed=seed, blocks=blocks)

    train = batches("train", params.views_per_epoch, params.seed)
    return Data(train, batches("validation", "all", None))


def compile_model(model: keras.Model, params: Train, from_logits: bool) -> None:
    """Set optimizer, loss and metric. Call it after every change of `trainable`.

    Targets are indices of classes. A model of one unit gives the second of two classes.
    """
    optimizer = keras.optimizers.get(params.optimizer)
    optimizer.learning_rate = params.learning_rate
    optimizer.build(model.trainable_variables)  # also if no epoch follows: it is saved
    if model.output_shape[-1] == 1:
        loss = keras.losses.BinaryCrossentropy(from_logits)
        metric = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0 if from_logits else 0.5)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        metric = keras.metrics.SparseCategoricalAccuracy("accuracy")
    model.compile(optimizer, loss=loss, metrics=[metric])


def optimizer_of(model: keras.Model) -> keras.Optimizer:
    """The model's optimizer without the wrapper in which Keras scales losses in float16."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def fit(model: keras.Model, data: Data, phase: Phase) -> tuple[pd.DataFrame, "KeepBest | None"]:
    """Train, and return the table HISTORY, a row per epoch, and what decided which one is kept.

    Epochs count from 1. No epoch is kept if the model is left as it was. Raises InputError, which
    names the section of the params, if the loss is not finite.
    """
    (train, validation), params = data, phase.params
    progress, keeper = Progress(train, phase), None
    callbacks: list = [progress]
    if params.early_stopping:
        keeper = keras.callbacks.EarlyStopping(**dict(params.early_stopping))
    elif params.keep_best:
        keeper = KeepBest(validation)
    if keeper:
        callbacks.append(keeper)
    if params.reduce_lr_on_plateau:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(**dict(params.reduce_lr_on_plateau)))
    callbacks.append(keras.callbacks.TerminateOnNaN())
    model.fit(
        train,
        validation_data=validation,
        epochs=params.epochs,
        class_weight=balanced_weights(train.labels) if params.weight_for(train.labels) else None,
        callbacks=callbacks,
        shuffle=False,  # Batches shuffles, by image and not only by batch
        verbose=int(sys.stdout.isatty()),
    )
    history = progress.history()
    if not np.isfinite(history[["loss", "validation_loss"]].astype(float)).all(axis=None):
        if phase.path:
            phase.path.unlink()
        raise InputError(
            f"{phase.section}.learning_rate: expected a rate at which training converges. "
            f"Received: {params.learning_rate:g}, and the loss is not finite after epoch "
            f"{history['epoch'].iloc[-1]}. Lower it."
        )
    kept_epoch = history["epoch"].max()
    if keeper and keeper.best_weights is not None:  # EarlyStopping may restore none
        kept_epoch = None if keeper.best_epoch is None else keeper.best_epoch + 1
    history = history.assign(kept=history["epoch"] == kept_epoch)
    return history, keeper if isinstance(keeper, KeepBest) else None


class Progress(keras.callbacks.Callback):
    """Starts the epochs of `train`, sets the rate of each step if it decays, and records HISTORY.

    A schedule of Keras would be saved with the optimizer, and end there: a rate of 0 for whoever
    continues the training.
    """

    def __init__(self, train: Batches, phase: Phase) -> None:
        super().__init__()
        self.train, self.phase, self.rows = train, phase, []
        decays = phase.params.learning_rate_decay == "cosine"
        self.rates = cosine_decay(phase.params, len(train)).tolist() if decays else []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.train.start_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self.rates:
            step = self.train.epoch * len(self.train) + batch
            optimizer_of(self.model).learning_rate = self.rates[step]

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        metrics = {name.replace("val_", "validation_"): value for name, value in logs.items()}
        rate = float(keras.ops.convert_to_numpy(optimizer_of(self.model).learning_rate))
        self.rows.append(metrics | {"epoch": epoch + 1, "learning_rate": rate, "kept": False})
        if self.phase.path:
            write_table(self.phase.path, self.history(), HISTORY)

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.rates:
            optimizer_of(self.model).learning_rate = self.phase.params.learning_rate

    def history(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=list(HISTORY))


class KeepBest(keras.callbacks.Callback):
    """Ends training with the weights that have the lowest validation loss, without penalties.

    They are those after an epoch whose validation accuracy is no lower than before the first, or,
    with `best_epoch` None, those before it. A loss can fall by less confidence alone. `losses` are
    those of the validation images before the first epoch, and `difference` is that of the losses
    after the best epoch, or else the last, and of these.
    """

    def __init__(self, validation: Batches) -> None:
        super().__init__()
        self.validation = validation

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.best_epoch, self.best_weights = None, self.model.get_weights()
        self.losses = image_losses(self.model, self.validation)
        before = validate(self.model, self.validation)
        self.lowest, self.accuracy = before["loss"], before["accuracy"]

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        metrics = _exact(self.model, self.validation, logs["val_loss"], logs["val_accuracy"])
        if metrics["loss"] < self.lowest and metrics["accuracy"] >= self.accuracy:
            self.best_epoch, self.best_weights = epoch, self.model.get_weights()
            self.lowest = metrics["loss"]

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.best_epoch is not None:
            self.model.set_weights(self.best_weights)
        self.difference = Difference.of(image_losses(self.model, self.validation), self.losses)
        self.model.set_weights(self.best_weights)


def balanced_weights(labels: np.ndarray) -> dict[int, float]:
    """The weight of each class, inversely proportional to its images; 1 for an average image.

    As scikit-learn's compute_class_weight.
    """
    classes, images = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(classes) * images)
    return dict(zip(classes.astype(int).tolist(), weights.tolist()))


def cosine_decay(params: Train, steps: int) -> np.ndarray:
    """The learning rate of each step, `(epochs * steps,)`, of which an epoch has `steps`.

    It increases linearly from 0 to `learning_rate` in half an epoch, then decreases as half a
    cosine to almost 0. Goyal et al., Accurate, Large Minibatch SGD, 2017
    (https://arxiv.org/abs/1706.02677); Loshchilov and Hutter, SGDR, 2017
    (https://arxiv.org/abs/1608.03983).
    """
    step, warmup = np.arange(params.epochs * steps), steps // 2
    turn = np.pi * (step - warmup) / (len(step) - warmup)
    decrease = (1 + np.cos(turn)) / 2
    return params.learning_rate * np.where(step < warmup, step / max(warmup, 1), decrease)


def validate(model: keras.Model, batches: Batches) -> dict[str, float]:
    """Cross-entropy without penalties on weights, and accuracy."""
    return _exact(model, batches, **model.evaluate(batches, verbose=0, return_dict=True))


def _exact(model: keras.Model, batches: Batches, loss: float, accuracy: float) -> dict[str, float]:
    images = len(batches.image)  # Keras' accuracy is float32
    return {"loss": loss - penalty(model), "accuracy": round(accuracy * images) / images}


def image_losses(model: keras.Model, batches: Batches) -> np.ndarray:
    """The cross-entropy of each image, float64 `(images,)`, without penalties on weights."""
    output = model.predict(batches, verbose=0)
    losses = model.loss.call(batches.labels[batches.image], output)
    return keras.ops.convert_to_numpy(losses).astype(np.float64)


def penalty(model: keras.Model) -> float:
    """The penalties on weights, which Keras adds to each loss."""
    return float(sum(model.losses))


def train_head(
    head: keras.Model, data: Data, phase: Phase
) -> tuple[list[np.ndarray], dict, dict, pd.DataFrame]:
    """Feature extraction: train a new head on pooled features.

    Returns its arrays, the metrics on validation before and after, and the history.
    """
    inputs = keras.Input(data.train.features.shape[2:])
    model = keras.Model(inputs, head(inputs))
    with computing_in(phase.precision, [model, *head.layers[:-1]]):
        compile_model(model, phase.params, gives_logits(head))
        initial = validate(model, data.validation)
        history, _ = fit(model, data, phase)
        final = validate(model, data.validation)
    return head.get_weights(), initial, final, history


def train_stored_head(
    examples: StoredExamples, has_blocks: bool, head: Head, phase: Phase, hardware: Hardware
) -> NewHead:
    """`train_head` on stored features; the history is written to the phase's path.

    Those of blocks are standardised by the first views of training images.
    """
    make_deterministic(phase.params.seed)
    data = open_batches(examples, kinds_of(has_blocks), phase.params)
    standardisation = _standardisation(data.train.features) if has_blocks else None
    with training_on(hardware) as precision:
        network = build_head(head, len(examples.labels), standardisation)
        arrays, *results = train_head(network, data, phase._replace(precision=precision))
    how = f"after {len(results[-1])} epochs"
    return NewHead(HeadWeights(arrays, standardisation, has_blocks), *results, how)


def _standardisation(features: Features) -> Standardisation:
    """By the first views of images of all parts of the training set, STANDARDISED numbers."""
    number = max(STANDARDISED // math.prod(features.shape[2:]), 100)
    images = np.linspace(0, features.shape[0] - 1, number, dtype=int)
    rows = features[np.unique(images), 0].astype(np.float64)
    return Standardisation.of(rows.mean(axis=0), rows.std(axis=0))


def fine_tune(
    whole: keras.Model, first: int, data: Data, phase: Phase
) -> tuple[keras.Optimizer, pd.DataFrame, KeepBest | None]:
    """Train the layers of the backbone from `first` on, and the head, in place.

    Without epochs the backbone stays frozen. It stays in inference mode, also inside `fit`: its
    dropout is set to 0, and batch normalization keeps its weights
    (https://keras.io/guides/transfer_learning/, docs/decisions/01). The data are the feature maps
    at the cut, and of a backbone `with_blocks` the statistics of all blocks, of which those that
    are not trained are taken. Returns the optimizer, and what `fit` does.
    """
    _, backbone, pooling, head = parts(whole)
    backbone.trainable = True
    for index, layer in enumerate(backbone.layers):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= first and not is_normalization and phase.params.epochs > 0
        if isinstance(layer, keras.layers.Dropout):  # `fit` overrides training=False below
            layer.rate = 0.0
    blocks = backbone.outputs[:-1]
    tail, frozen = _after_cut(backbone, first)
    inputs = at_cut = keras.Input(tail.input_shape[1:])
    features = pool(tail(at_cut, training=False), pooling)
    if blocks:
        widths = [STATISTICS * maps.shape[-1] for maps in blocks]
        statistics = keras.Input((sum(widths),))
        inputs = at_cut, statistics
        features = keras.ops.concatenate([statistics[:, : sum(widths[:frozen])], features], axis=-1)
    model = keras.Model(inputs, head(features))
    with computing_in(phase.precision, [model, *tail.layers, pooling, *head.layers[:-1]]):
        compile_model(model, phase.params, gives_logits(head))
        history, keeper = fit(model, data, phase)
    return optimizer_of(model), history, keeper


def _after_cut(backbone: keras.Model, first: int) -> tuple[keras.Model, int]:
    """As `split_at`, for the layers from `first` on."""
    return split_at(backbone, cut_index(keras.Model(backbone.input, backbone.outputs[-1]), first))


def trained_layers(whole: keras.Model, first: int) -> keras.Model:
    """Return what `fine_tune` has trained before the head.

    It takes the maps at the cut, and gives what the head gets of them, `(batch, features)`, and
    the means of the last maps, `(batch, channels)`.
    """
    _, backbone, pooling, _ = parts(whole)
    tail, _ = _after_cut(backbone, first)
    at_cut = keras.Input(tail.input_shape[1:])
    maps = tail(at_cut, training=False)
    means = keras.layers.GlobalAveragePooling2D()(keras.tree.flatten(maps)[-1])
    return keras.Model(at_cut, [pool(maps, pooling), means])


def measure_kept(history: pd.DataFrame, keeper: KeepBest | None = None) -> dict[str, float]:
    """The epoch that fine-tuning keeps, 0 for the head alone, and its figures.

    `train_accuracy` is that of the table HISTORY: over the steps of the epoch. `validation_loss` is
    that of what is kept, `initial_loss` that of the head alone.
    """
    rows = history[history["kept"]]
    metrics = {"kept_epoch": int(rows["epoch"].max()) if len(rows) else 0}
    if len(rows):
        metrics |= {"train_accuracy": rows["accuracy"].iloc[-1]}
        metrics |= {"validation_loss": rows["validation_loss"].iloc[-1]}
    if keeper:
        initial = float(keeper.losses.mean())
        change = keeper.difference.mean if len(rows) else 0
        metrics |= {"initial_loss": initial, "validation_loss": initial + change}
    return metrics


def describe_kept(history: pd.DataFrame, keeper: KeepBest | None = None) -> str:
    """What fine-tuning keeps, from its table HISTORY, and why, if a keeper decided it."""
    if history.empty:
        return "no epochs: the head is kept as it is"
    rows = history[history["kept"]]
    last = (history if rows.empty else rows).iloc[-1]
    epoch = f"epoch {last['epoch']}"
    if keeper is None:
        accuracy, loss = last["validation_accuracy"], last["validation_loss"]
        return f"{epoch} is kept: validation accuracy {accuracy:.4f}, loss {loss:.4f}"
    what, before = "the head alone" if rows.empty else epoch, keeper.losses.mean()
    is_lower = rows.empty and keeper.difference.mean < 0
    why = ", but a lower validation accuracy" if is_lower else ""
    return (
        f"{what} is kept: validation loss of {epoch} {before + keeper.difference.mean:.4f}, "
        f"of the head alone {before:.4f}, difference {keeper.difference}{why}"
    )
