#!/usr/bin/env bash
# Surprise: Keras' `RandomContrast(0.2)` raises the contrast of every image and lowers it of none.
# Guess, which is also what Keras documents: for a single number, the factor lies between 0.8 and 1.2.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: in 1,000 draws, the factor lies between 1.0 and 1.2, with
# a mean of 1.1. `RandomContrast((0.2, 0.2))`, which means the same, draws from 0.8 to 1.2.
# Why it matters: the training images have more contrast than the images that the model sees later, by a
# tenth on average: the shift that augmentation was meant to absorb. A pipeline with another library's
# layer of the same name and number trains on other images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np

# Grey levels from 108 to 148: with a factor of up to 1.2, none is cut off.
image = np.random.default_rng(0).uniform(108, 148, (8, 8, 3)).astype(np.float32)


def factors(limits):
    """Return the ratio of the deviations of 1,000 images after and before the layer."""
    layer = keras.layers.RandomContrast(limits, seed=1)
    images = np.asarray(layer(np.repeat(image[np.newaxis], 1000, axis=0), training=True))
    drawn = images[..., 0].std(axis=(1, 2)) / image[..., 0].std()
    print(f"RandomContrast({limits}): {drawn.min():.3f} to {drawn.max():.3f}, mean {drawn.mean():.3f}")
    return drawn


of_number, of_pair = factors(0.2), factors((0.2, 0.2))
assert of_number.min() > 0.999 and 1.19 < of_number.max() < 1.201
assert of_pair.min() < 0.81 and of_pair.max() > 1.19
PYTHON
