#!/usr/bin/env bash
# Surprise: a test set that is split off with `take` and `skip`, as Keras' transfer learning tutorial
# does it, consists of other photos in each pass, which are also validation photos in other passes.
# Guess: `image_dataset_from_directory` shuffles once, so `take(1)` is the same batch each time.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: the dataset is shuffled anew in each pass, also with a
# seed. In ten passes, over 60 of 100 photos belong to a test set of 20. With `shuffle=False`, all
# passes agree.
# Why it matters: the final accuracy of the notebook is not measured on photos that were held out:
# params were chosen on the same photos, and two calls of `evaluate` give different numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 pillow==12.0.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
from pathlib import Path

import keras
import numpy as np
from PIL import Image

for number in range(100):  # the colour of a photo is its number
    path = Path("photos", "cat" if number % 2 else "dog", f"{number}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (number, 0, 0)).save(path)


def numbers(dataset):
    return {int(value) for images, _ in dataset for value in np.asarray(images)[:, 0, 0, 0]}


def passes(**options):
    photos = keras.utils.image_dataset_from_directory(
        "photos", batch_size=20, image_size=(8, 8), verbose=False, **options
    )
    test, validation = photos.take(1), photos.skip(1)
    drawn = [numbers(test) for _ in range(10)]
    return len(set.union(*drawn)), len(set.union(*drawn) & numbers(validation))


seen, shared = passes(seed=1)
print(f"shuffled: {seen} of 100 photos were in the test set of 20 in ten passes")
print(f"shuffled: {shared} of them are validation photos in the next pass")
fixed, overlap = passes(shuffle=False)
print(f"in order: {fixed} photos in the test set, {overlap} of them in the validation set")
assert seen > 60 and shared > 0, "the test set stays the same now"
assert (fixed, overlap) == (20, 0)
PYTHON
