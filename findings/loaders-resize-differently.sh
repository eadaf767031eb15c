#!/usr/bin/env bash
# Surprise: Keras' `load_img(path, target_size=…)`, with which notebooks predict, gives other pixels than
# `image_dataset_from_directory(image_size=…)`, with which they train, for one photo and one size.
# Guess: both resize bilinearly, as is documented for the second, so they agree up to rounding.
# Seen with Keras 3.15.1, TensorFlow 2.21.0 and Pillow 12.0.0, for an image of 1,024 px with the spectrum
# of photos: by default, `load_img` takes the nearest pixels, which differ by 9 of 255 levels on average.
# With `interpolation="bilinear"` they differ by 16, because Pillow averages over all pixels that become
# one, and TensorFlow interpolates between four of them, however many there are.
# Why it matters: the model is used on other pixels than it was trained and tested on, and the difference
# grows with the size of the photos.
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

# Noise with the spectrum of photos, whose amplitude falls with the frequency.
width, height, size = 1024, 1024, (224, 224)
noise = np.fft.fft2(np.random.default_rng(0).normal(size=(height, width)))
frequency = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width))
frequency[0, 0] = np.inf
grey = np.fft.ifft2(noise / frequency).real
grey = np.clip(128 + 50 * grey / grey.std(), 0, 255).astype(np.uint8)
Image.fromarray(grey).convert("RGB").save("photos/cat/1.png")

dataset = keras.utils.image_dataset_from_directory("photos", image_size=size, verbose=False)
((trained,),) = (batch.numpy() for batch, _ in dataset)
differences = {}
for interpolation in ("nearest", "bilinear"):
    image = keras.utils.load_img("photos/cat/1.png", target_size=size, interpolation=interpolation)
    differences[interpolation] = np.abs(keras.utils.img_to_array(image) - trained).mean()
default = keras.utils.img_to_array(keras.utils.load_img("photos/cat/1.png", target_size=size))
differences["default"] = np.abs(default - trained).mean()
for name, difference in differences.items():
    print(f"load_img, {name}: {difference:.1f} levels of 255 from the pixels in training, on average")
assert differences["default"] == differences["nearest"] > 3
assert differences["bilinear"] > differences["default"]
PYTHON
