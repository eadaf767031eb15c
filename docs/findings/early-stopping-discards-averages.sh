#!/usr/bin/env bash
# Surprise: `use_ema=True`, with which Keras' optimizers average the weights of all steps, has no effect on
# the trained model once `EarlyStopping(restore_best_weights=True)` is a callback, also if nothing stops.
# Guess: `fit` ends with the averaged weights, as it does without the callback.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: `fit` first puts the averages into the model, then ends
# the callbacks, and `EarlyStopping` puts back the weights of its best epoch, which are not averaged.
# `SwapEMAWeights(swap_on_epoch=True)` before it in the list makes it compare and restore averages. After
# it in the list, the model again has no averages.
# Why it matters: both are meant to improve the model that is kept. The averages take memory and time, and
# no prediction uses them. An experiment with and without them compares a model with itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np

features = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
labels = (features[:, :1] > 0).astype(np.float32)


class Record(keras.callbacks.Callback):
    """Keep the weights and their averages after the last epoch, which is the best one."""

    def on_epoch_end(self, epoch, logs=None):
        self.raw = self.model.get_weights()[0]
        self.average = self.model.optimizer._model_variables_moving_average[0].numpy()


def kept(*callbacks):
    """Train for five epochs, and say which weights the model has."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), "binary_crossentropy")
    record = Record()
    history = model.fit(
        features,
        labels,
        batch_size=16,
        epochs=5,
        validation_data=(features, labels),
        verbose=0,
        callbacks=[record, *callbacks],
    )
    losses = history.history["val_loss"]
    assert losses == sorted(losses, reverse=True) and len(losses) == 5
    weights = model.get_weights()[0]
    assert not np.allclose(record.raw, record.average, atol=0.05)
    for name in ("raw", "average"):
        if np.allclose(weights, getattr(record, name), atol=1e-5):
            return name


def stop():
    return keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)


def swap():
    return keras.callbacks.SwapEMAWeights(swap_on_epoch=True)


weights = {
    "no callback": kept(),
    "EarlyStopping": kept(stop()),
    "SwapEMAWeights, EarlyStopping": kept(swap(), stop()),
    "EarlyStopping, SwapEMAWeights": kept(stop(), swap()),
}
for callbacks, name in weights.items():
    print(f"{callbacks}: {name}")
assert list(weights.values()) == ["average", "raw", "average", "raw"], "averages are kept now"
PYTHON
