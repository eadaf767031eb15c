#!/usr/bin/env bash
# Surprise: Keras' `F1Score()` of a network with one sigmoid output is 0.667 for a perfect network, for one
# that is always wrong, and for chance, if half of the photos are dogs.
# Guess: it counts a photo as a dog from 0.5 on, as `Precision()` and `Recall()` do.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: without a threshold, the highest of the outputs is the
# predicted class, and the only output is always the highest, so every photo is a dog. The score is
# 2p / (1 + p) for a share p of dogs. `F1Score(threshold=0.5)` is right.
# Why it matters: the notebook for two classes ends with `Dense(1, "sigmoid")`. A curve that is flat, but not
# zero, looks like a network that does not learn, and `EarlyStopping` on it keeps the first epoch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np

rng = np.random.default_rng(0)


def score(metric, labels, outputs):
    metric.update_state(labels, outputs)
    return float(np.squeeze(metric.result()))


def scores(share):
    """Return F1 scores without and with a threshold for `share` dogs, and print them."""
    labels = (np.arange(100) < 100 * share).astype(np.float32)[:, np.newaxis]
    networks = {
        "perfect": 0.1 + 0.8 * labels,
        "always wrong": 0.9 - 0.8 * labels,
        "chance": rng.random((100, 1)),
        "all cats": np.full((100, 1), 0.2),
    }
    found = []
    for name, outputs in networks.items():
        default, half = keras.metrics.F1Score(), keras.metrics.F1Score(threshold=0.5)
        found.append((score(default, labels, outputs), score(half, labels, outputs)))
        precision = score(keras.metrics.Precision(), labels, outputs)
        print(
            f"{share:.0%} dogs, {name}: F1 {found[-1][0]:.3f}, with a threshold {found[-1][1]:.3f},"
            f" precision {precision:.3f}"
        )
    return found


for share in (0.5, 0.1):
    expected = 2 * share / (1 + share)
    perfect, wrong, chance, cats = scores(share)
    for default, _ in (perfect, wrong, chance, cats):
        assert abs(default - expected) < 1e-6, "the score depends on the network now"
    assert perfect[1] > 0.999 and wrong[1] == cats[1] == 0
PYTHON
