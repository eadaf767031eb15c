#!/usr/bin/env bash
# Surprise: of one 16-bit grey PNG, Keras trains on a nearly black photo and predicts from a white one.
# Guess: `load_img` and `image_dataset_from_directory` both keep the upper eight bits.
# Seen with Keras 3.15.1, TensorFlow 2.21.0 and Pillow 13.0.0 (also 12.0.0): `image_dataset_from_directory`
# decodes with TensorFlow, which keeps the upper byte. `load_img` opens with Pillow, which makes 255 of all
# values above 255 when it converts to RGB. Of 12-bit values, as cameras and X-ray devices write them, the
# first has at most 15 of 255 levels, and in the second, 94% of the pixels are white. Values of the full 16
# bits are right in the first, and white in the second. With `color_mode="grayscale"`, `load_img`
# returns the values of the file, up to 65,535.
# Why it matters: `evaluate` on a folder looks fine, and the notebook's cell for one photo sees a blank page.
# Convert such files to 8 bits, by a known maximum, before training.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 pillow==13.0.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
from pathlib import Path

import keras
import numpy as np
from PIL import Image

ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
for bits, values in ((16, ramp), (12, ramp >> 4)):
    for label in ("cat", "dog"):
        path = Path(f"{bits} bits", label, "photo.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
white = {}
for bits in (16, 12):
    folder = f"{bits} bits"
    photos = keras.utils.image_dataset_from_directory(
        folder, image_size=(16, 16), shuffle=False, verbose=False
    )
    trained = np.asarray(next(iter(photos))[0])[0]
    predicted = keras.utils.img_to_array(keras.utils.load_img(f"{folder}/cat/photo.png"))
    grey = keras.utils.img_to_array(
        keras.utils.load_img(f"{folder}/cat/photo.png", color_mode="grayscale")
    )
    white[bits] = (predicted == 255).mean()
    print(f"{folder}: dataset: {trained.min():.0f} to {trained.max():.0f}, mean {trained.mean():.1f}")
    print(f"{folder}: load_img: mean {predicted.mean():.1f}, {white[bits]:.1%} of the pixels are white")
    print(f"{folder}: load_img in grey: {grey.min():.0f} to {grey.max():.0f}")
    assert trained.max() == 2**bits // 256 - 1 and grey.max() == 2**bits - 1
assert white[16] > 0.99 and white[12] > 0.93, "load_img keeps the upper bits now"
PYTHON
