#!/usr/bin/env bash
# Surprise: Keras' `load_img(path, target_size=…)`, with which notebooks predict, gives other pixels than
# `image_dataset_from_directory(image_size=…)`, with which they train, for one photo and one size.
# Guess: both resize bilinearly, as is documented for the second, so they agree up to rounding.
# Seen with Keras 3.15.1, TensorFlow 2.21.0 and Pillow 12.0.0, for noise of 1,024 px whose amplitude falls
# with the frequency as in photos, which differ less: by default, `load_img` takes the nearest pixels, and
# the result differs by 9 of 255 levels on average. With `interpolation="bilinear"` it differs by 16, and
# by 2 if the image has 256 px, because Pillow averages over all pixels that become one, and TensorFlow
# interpolates between four of them, however many there are.
# Why it matters: the model is used on other pixels than it was trained and tested on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 pillow==12.0.0
mkdir -p "$folder/photos/cat"
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np
from PIL import Image

SIZE = (224, 224)


def noise(side):
    """Return noise whose amplitude falls with the frequency, as in photos."""
    white = np.fft.fft2(np.random.default_rng(0).normal(size=(side, side)))
    frequency = np.hypot(np.fft.fftfreq(side)[:, np.newaxis], np.fft.fftfreq(side))
    frequency[0, 0] = np.inf
    grey = np.fft.ifft2(white / frequency).real
    return np.clip(128 + 50 * grey / grey.std(), 0, 255).astype(np.uint8)


def differences(side):
    """Return the mean difference from the pixels in training, by the arguments of `load_img`."""
    Image.fromarray(noise(side)).convert("RGB").save("photos/cat/1.png")
    dataset = keras.utils.image_dataset_from_directory("photos", image_size=SIZE, verbose=False)
    ((trained,),) = (batch.numpy() for batch, _ in dataset)
    found = {}
    for name in ("default", "nearest", "bilinear"):
        options = {} if name == "default" else {"interpolation": name}
        image = keras.utils.load_img("photos/cat/1.png", target_size=SIZE, **options)
        found[name] = np.abs(keras.utils.img_to_array(image) - trained).mean()
        print(f"{side} px, load_img, {name}: {found[name]:.1f} of 255 levels")
    return found


small, large = differences(256), differences(1024)
assert large["default"] == large["nearest"] > 3
assert large["bilinear"] > large["default"]
assert small["bilinear"] < 3
PYTHON
