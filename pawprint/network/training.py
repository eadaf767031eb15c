"""Train a head on stored features, and fine-tune the last layers of the backbone with it."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pawprint.base.columns import HISTORY
from pawprint.base.errors import InputError
from pawprint.base.imbalance import balanced_weights
from pawprint.base.threads import track
from pawprint.network import keras_model
from pawprint.network.hardware import computing_in, keras
from pawprint.network.heads import HeadWeights
from pawprint.network.openvino_blocks import STATISTICS
from pawprint.network.store import Features, StoredExamples
from pawprint.pipeline.params.model import Epochs, Head, Model


def with_head(
    backbone: keras.Model, params: Model, weights: HeadWeights, head: Head
) -> tuple[keras.Model, int]:
    """Return the backbone with a head, and the index of the first layer that fine-tuning trains.

    If nothing is trained, the index equals the number of layers. Raises InputError for the same
    reasons as `first_trained`.
    """
    first = keras_model.first_trained(params, backbone)
    first = len(backbone.layers) if first is None else first
    if weights.has_blocks:
        backbone = keras_model.with_blocks(backbone)
    whole = keras_model.head_with(weights, head)
    return keras_model.build_model(params.backbone, backbone, whole, params.pooling), first


class Batches(keras.utils.PyDataset):
    """Batches of (float32 features, float32 class indices) from stored `(images, views, …)`.

    With `blocks`, the features are a pair: `features` and `blocks` of the same views. If
    `views_per_epoch` is "one", epoch e uses view (e + i) of image i, modulo the number of views. In
    this way each image goes through all of its views, and every epoch has a mix of them. If it is
    "all", each epoch uses every view. If `seed` is None, the images keep their order, as needed for
    validation.
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
        self.features = features
        self.labels = labels
        self.blocks = blocks
        self.batch_size = batch_size
        self.views_per_epoch = views_per_epoch
        self.seed = seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Choose the views and the order for an epoch, counted from 0.

        `EpochProgress` calls this method. Keras' `on_epoch_end` is not suitable, because it is also
        called before the first epoch.
        """
        self.epoch = epoch
        images, views = self.features.shape[:2]
        is_all = self.views_per_epoch == "all"
        self.image = np.repeat(np.arange(images), views if is_all else 1)
        self.view = np.tile(np.arange(views), images) if is_all else (epoch + self.image) % views
        if self.seed is not None:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.image))
            self.view = self.view[order]
            self.image = self.image[order]

    def __len__(self) -> int:
        return -(-len(self.image) // self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
        image = self.image[batch]
        view = self.view[batch]
        features = self.features[image, view].astype(np.float32)
        if self.blocks is None:
            return features, self.labels[image]
        return (features, self.blocks[image, view].astype(np.float32)), self.labels[image]


class Data(NamedTuple):
    """Batches for training and for validation."""

    train: Batches
    validation: Batches


class Phase(NamedTuple):
    """The settings of a phase: its section of the params, its epochs, and a dtype policy.

    In the loss, all images have the same weight or, if `is_balanced`, all classes do.
    """

    section: str
    params: Epochs
    precision: str = "float32"
    is_balanced: bool = False


def open_batches(
    examples: StoredExamples, kinds: tuple[str, ...], params: Epochs, has_blocks: bool = False
) -> Data:
    """Return batches with these kinds of features, concatenated.

    With `has_blocks`, the features are pairs: these kinds, and the block statistics.
    """
    batches = []
    for split, views_per_epoch, seed in (
        ("train", params.views_per_epoch, params.seed),
        ("validation", "all", None),
    ):
        features = examples.open(split, *kinds)
        labels = examples.classes(split).astype(np.float32)
        blocks = examples.open(split, "blocks") if has_blocks else None
        batch = (features, labels, params.batch_size, views_per_epoch)
        batches.append(Batches(*batch, seed=seed, blocks=blocks))
    return Data(*batches)


def compile_model(model: keras.Model, params: Epochs, from_logits: bool) -> None:
    """Set the optimizer, loss and metric. Call this after every change of `trainable`.

    Targets are class indices. For two classes, the single output unit stands for the second class.
    """
    optimizer = keras.optimizers.get(params.optimizer)
    optimizer.learning_rate = params.learning_rate
    optimizer.build(model.trainable_variables)  # needed for saving, even without epochs
    if model.output_shape[-1] == 1:
        loss = keras.losses.BinaryCrossentropy(from_logits)
        metric = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0 if from_logits else 0.5)
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        metric = keras.metrics.SparseCategoricalAccuracy("accuracy")
    model.compile(optimizer, loss=loss, metrics=[metric])


def optimizer_of(model: keras.Model) -> keras.Optimizer:
    """Return the optimizer without the wrapper that scales losses in float16."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def fit_epochs(
    model: keras.Model, data: Data, phase: Phase
) -> tuple[pd.DataFrame, "KeepBest | None"]:
    """Train, and return the HISTORY table with one row per epoch, and the KeepBest callback.

    Epochs count from 1. Raises InputError if the loss is not finite.
    """
    train, validation = data
    params = phase.params
    progress = EpochProgress(train, phase)
    keeper = KeepBest(validation) if params.keep_best else None
    callbacks = [progress, keeper] if keeper else [progress]
    if params.early_stopping:
        callbacks.append(keras.callbacks.EarlyStopping(**dict(params.early_stopping)))
    if params.reduce_lr_on_plateau:
        callbacks.append(keras.callbacks.ReduceLROnPlateau(**dict(params.reduce_lr_on_plateau)))
    callbacks.append(keras.callbacks.TerminateOnNaN())
    model.fit(
        train,
        validation_data=validation,
        epochs=params.number,
        class_weight=balanced_weights(train.labels) if phase.is_balanced else None,
        callbacks=callbacks,
        shuffle=False,  # Batches shuffles images, not just batches
        verbose=0,  # EpochProgress shows a bar instead
    )
    history = pd.DataFrame(progress.rows, columns=list(HISTORY))
    _require_finite(history, phase)
    kept_epoch = keeper.best_epoch if keeper else history["epoch"].max()
    history["kept"] = history["epoch"] == kept_epoch
    return history, keeper


def _require_finite(history: pd.DataFrame, phase: Phase) -> None:
    if np.isfinite(history[["loss", "validation_loss"]].astype(float)).all(axis=None):
        return
    raise InputError(
        f"{phase.section}.epochs: expected a learning_rate at which training converges. Received: "
        f"{phase.params.learning_rate:g}, but the loss is not finite after epoch "
        f"{history['epoch'].iloc[-1]}. Lower the learning rate."
    )


class EpochProgress(keras.callbacks.Callback):
    """Starts each epoch of `train`, sets the learning rate if it decays, and records HISTORY.

    It also shows a progress bar with the losses of the last epoch. A Keras schedule is not used,
    because it would be saved with the optimizer, with a rate of 0 after the last step.
    """

    def __init__(self, train: Batches, phase: Phase) -> None:
        super().__init__()
        self.train = train
        self.phase = phase
        self.rows: list[dict] = []
        decays = phase.params.learning_rate_decay == "cosine"
        self.rates = cosine_decay(phase.params, len(train)).tolist() if decays else []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Start the bar."""
        total = self.phase.params.number * len(self.train)
        self.bar = track(None, self.phase.section, total, "batch")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Choose the views for the epoch."""
        self.train.start_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the learning rate for the step."""
        self.bar.update()
        if self.rates:
            step = self.train.epoch * len(self.train) + batch
            optimizer_of(self.model).learning_rate = self.rates[step]

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Record the epoch."""
        losses = {"loss": logs["loss"], "validation_loss": logs["val_loss"]}
        self.bar.set_postfix({"epoch": epoch + 1} | losses, refresh=False)
        metrics = {name.replace("val_", "validation_"): value for name, value in logs.items()}
        rate = float(keras.ops.convert_to_numpy(optimizer_of(self.model).learning_rate))
        self.rows.append(metrics | {"epoch": epoch + 1, "learning_rate": rate, "kept": False})

    def on_train_end(self, logs: dict | None = None) -> None:
        """Close the bar and restore the learning rate from the params."""
        self.bar.close()
        if self.rates:
            optimizer_of(self.model).learning_rate = self.phase.params.learning_rate


class KeepBest(keras.callbacks.Callback):
    """Ends training with the weights that had the lowest validation loss, without penalties.

    An epoch only counts if its validation accuracy is at least as high as before training, because
    lower confidence alone can reduce the loss. If no epoch counts, the weights from before training
    are kept and `best_epoch` is None. `before` contains their validation metrics, and `best` the
    metrics of the weights that are kept.
    """

    def __init__(self, validation: Batches) -> None:
        super().__init__()
        self.validation = validation
        self.best_epoch: int | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Measure the model before training."""
        self.best_weights = self.model.get_weights()
        self.before = self.best = validate(self.model, self.validation)

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """Remember the weights if this epoch is the best so far."""
        metrics = _exact(self.model, self.validation, logs["val_loss"], logs["val_accuracy"])
        if metrics["loss"] < self.best["loss"] and metrics["accuracy"] >= self.before["accuracy"]:
            self.best_epoch = epoch + 1
            self.best_weights = self.model.get_weights()
            self.best = metrics

    def on_train_end(self, logs: dict | None = None) -> None:
        """Restore the best weights."""
        self.model.set_weights(self.best_weights)


def cosine_decay(params: Epochs, steps: int) -> np.ndarray:
    """Return the learning rate of each step, `(epochs * steps,)`, with `steps` per epoch.

    It increases linearly from 0 to `learning_rate` over half an epoch, and then decreases along
    half a cosine to almost 0. See Goyal et al., Accurate, Large Minibatch SGD, 2017
    (https://arxiv.org/abs/1706.02677), and Loshchilov and Hutter, SGDR, 2017
    (https://arxiv.org/abs/1608.03983).
    """
    step = np.arange(params.number * steps)
    warmup = steps // 2
    turn = np.pi * (step - warmup) / (len(step) - warmup)
    decrease = (1 + np.cos(turn)) / 2
    return params.learning_rate * np.where(step < warmup, step / max(warmup, 1), decrease)


def validate(model: keras.Model, batches: Batches) -> dict[str, float]:
    """Return the cross-entropy without weight penalties, and the accuracy."""
    return _exact(model, batches, **model.evaluate(batches, verbose=0, return_dict=True))


def _exact(model: keras.Model, batches: Batches, loss: float, accuracy: float) -> dict[str, float]:
    images = len(batches.image)  # Keras computes the accuracy in float32
    penalty = float(sum(model.losses))
    return {"loss": loss - penalty, "accuracy": round(accuracy * images) / images}


def train_head(
    head: keras.Model, data: Data, phase: Phase
) -> tuple[list[np.ndarray], dict, pd.DataFrame]:
    """Train a new head on pooled features.

    Returns its arrays, the validation metrics, and the history.
    """
    inputs = keras.Input(data.train.features.shape[2:])
    model = keras.Model(inputs, head(inputs))
    with computing_in(phase.precision, [model, *head.layers[:-1]]):
        compile_model(model, phase.params, keras_model.gives_logits(head))
        history, _ = fit_epochs(model, data, phase)
        final = validate(model, data.validation)
    return head.get_weights(), final, history


def fine_tune(
    whole: keras.Model, first: int, data: Data, phase: Phase
) -> tuple[keras.Optimizer, pd.DataFrame, KeepBest | None]:
    """Train the head and the layers of the backbone from `first` on, in place.

    The backbone stays in inference mode even inside `fit`: dropout is set to 0, and batch
    normalization keeps its weights (https://keras.io/guides/transfer_learning/, docs/decisions/01).
    The data are the feature maps at the cut and, for a backbone `with_blocks`, the statistics of
    all blocks. The head uses the statistics of the blocks that are not trained. Returns the
    optimizer, and what `fit` returns.
    """
    _, backbone, pooling, head = keras_model.parts(whole)
    backbone.trainable = True
    for index, layer in enumerate(backbone.layers):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= first and not is_normalization
        # `fit` overrides `training=False` below.
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    blocks = backbone.outputs[:-1]
    tail, frozen = keras_model.split_before(backbone, first)
    inputs = at_cut = keras.Input(tail.input_shape[1:])
    features = keras_model.pool(tail(at_cut, training=False), pooling)
    if blocks:
        widths = [STATISTICS * maps.shape[-1] for maps in blocks]
        statistics = keras.Input((sum(widths),))
        inputs = at_cut, statistics
        features = keras.ops.concatenate([statistics[:, : sum(widths[:frozen])], features], axis=-1)
    model = keras.Model(inputs, head(features))
    with computing_in(phase.precision, [model, *tail.layers, pooling, *head.layers[:-1]]):
        compile_model(model, phase.params, keras_model.gives_logits(head))
        history, keeper = fit_epochs(model, data, phase)
    return optimizer_of(model), history, keeper


def trained_layers(whole: keras.Model, first: int) -> keras.Model:
    """Return the backbone layers that `fine_tune` trains, as a network.

    It takes the maps at the cut, and returns the features for the head, `(batch, features)`, and
    the means of the last maps, `(batch, channels)`.
    """
    _, backbone, pooling, _ = keras_model.parts(whole)
    tail, _ = keras_model.split_before(backbone, first)
    at_cut = keras.Input(tail.input_shape[1:])
    maps = tail(at_cut, training=False)
    means = keras.layers.GlobalAveragePooling2D()(keras.tree.flatten(maps)[-1])
    return keras.Model(at_cut, [keras_model.pool(maps, pooling), means])


def describe_kept(history: pd.DataFrame, keeper: KeepBest | None) -> str:
    """Describe the epoch that fine-tuning keeps and, if a keeper chose it, the head alone."""
    if keeper is None:
        last = history.iloc[-1]
        metrics = _describe(last["validation_accuracy"], last["validation_loss"])
        return f"epoch {last['epoch']} is kept: {metrics}"
    before = _describe(**keeper.before)
    if keeper.best_epoch is None:
        return (
            f"the head alone is kept: {before}; no epoch has a lower loss without a lower accuracy"
        )
    best = _describe(**keeper.best)
    return f"epoch {keeper.best_epoch} is kept: {best}; the head alone: {before}"


def _describe(accuracy: float, loss: float) -> str:
    return f"validation accuracy {accuracy:.4f}, loss {loss:.4f}"
