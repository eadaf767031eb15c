#!/usr/bin/env bash
# Surprise: a training that is interrupted and resumed with Keras' `BackupAndRestore` replaces the best model
# in the file of `ModelCheckpoint(save_best_only=True)` by the first one after the interruption.
# Guess: the file holds the best epoch of all, as without the interruption, since the backup restores the
# state of the training.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: weights, optimizer and the number of the epoch are restored,
# and the other callbacks start anew. The best loss of `ModelCheckpoint` is infinite again, and
# `EarlyStopping` restores the best epoch since the interruption. `initial_value_threshold` keeps the file.
# Why it matters: preemptible computers and Colab interrupt long trainings. The best model is lost, nothing
# warns, and the curves of both parts show a better epoch than the file has.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np

LOSSES = [0.9, 0.5, 0.3, 0.6, 0.55, 0.5]  # epoch 2 is the best
photos = np.ones((4, 1), np.float32)


class Losses(keras.callbacks.Callback):
    """Give each epoch its loss, which the weights then contain, too."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = LOSSES[epoch]
        self.model.set_weights([np.full((1, 1), LOSSES[epoch])])


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 4:
            raise KeyboardInterrupt


def train(name, *others, best=None):
    """Train, resuming if there is a backup, and return the losses in the model and in the file."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    callbacks = [
        Losses(),
        keras.callbacks.BackupAndRestore(f"{name}-backup"),
        keras.callbacks.ModelCheckpoint(
            f"{name}.keras",
            monitor="val_loss",
            save_best_only=True,
            initial_value_threshold=best,
        ),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=9, restore_best_weights=True),
        *others,
    ]
    try:
        model.fit(photos, photos, epochs=6, verbose=0, callbacks=callbacks)
    except KeyboardInterrupt:
        pass
    stored = keras.models.load_model(f"{name}.keras")
    return tuple(round(float(network.get_weights()[0][0, 0]), 2) for network in (model, stored))


whole = train("whole")
_, before = train("resumed", Interrupt())
resumed = train("resumed")
train("careful", Interrupt())
careful = train("careful", best=before)
print("without an interruption: loss of the model, and of the file:", whole)
print("interrupted in epoch 4: loss of the file:", before)
print("resumed: loss of the model, and of the file:", resumed)
print("resumed, with initial_value_threshold:", careful)
assert whole == (0.3, 0.3) and before == 0.3
assert resumed == (0.5, 0.5), "the best epoch is restored now"
assert careful == (0.5, 0.3)
PYTHON
