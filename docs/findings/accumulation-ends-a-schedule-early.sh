#!/usr/bin/env bash
# Surprise: with `gradient_accumulation_steps=4`, Keras' learning rate schedules count batches, while
# `optimizer.iterations` counts updates. A decay over all updates ends after a quarter of the training, and
# the other three quarters change no weight.
# Guess: a schedule is called with `optimizer.iterations`, the number of updates.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0 for `CosineDecay`: 32 batches are 8 updates, of which the last
# six have the rate 0. With `decay_steps` in batches, all have a rate. Weight decay is applied once per update.
# Why it matters: accumulation replaces a batch of 128 by four of 32, with the same updates, and so with the
# same `decay_steps` and `warmup_steps`. The loss curve is flat, as if the network had converged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np

features = np.random.default_rng(0).normal(size=(1024, 4)).astype(np.float32)
labels = (features[:, :1] > 0).astype(np.float32)


def updates(batch, accumulated, decay_steps):
    """Train for an epoch, and return how much each update changes the weights."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])
    schedule = keras.optimizers.schedules.CosineDecay(1.0, decay_steps)
    optimizer = keras.optimizers.SGD(schedule, gradient_accumulation_steps=accumulated)
    network.compile(optimizer, "binary_crossentropy")
    weights = [network.get_weights()[0]]

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, number, logs=None):
            if (number + 1) % (accumulated or 1) == 0:
                weights.append(network.get_weights()[0])

    network.fit(
        features, labels, batch_size=batch, shuffle=False, verbose=0, callbacks=[Record()]
    )
    assert int(optimizer.iterations) == len(weights) - 1 == 8
    changes = [float(np.abs(after - before).max()) for before, after in zip(weights, weights[1:])]
    print(
        f"batches of {batch}, accumulated: {accumulated}, decay_steps: {decay_steps}:"
        f" {[round(change, 4) for change in changes]}"
    )
    return changes


large = updates(batch=128, accumulated=None, decay_steps=8)
small = updates(batch=32, accumulated=4, decay_steps=8)
counted = updates(batch=32, accumulated=4, decay_steps=32)
assert min(large) > 0 and min(counted) > 0
assert min(small[:2]) > 0 and max(small[2:]) == 0, "schedules count updates now"
PYTHON
