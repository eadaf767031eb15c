#!/usr/bin/env bash
# Surprise: a list of labels in the sorted order of the photos' paths, which Keras asks for, goes to other
# photos as soon as one folder is called `site` and another `site-2`.
# Guess: `image_dataset_from_directory(labels=…)` takes labels in the order of `sorted(paths)`, since its
# documentation says "sorted according to the alphanumeric order of the image file paths".
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: folders are sorted by their own paths, then the files in
# each, so `site/1.png` comes before `site-2/1.png`. As texts, the paths are in the other order, because `-`
# comes before `/`; so do a space, a dot and a plus. Photos beside a folder come before those in it, too.
# `sorted(Path(…).rglob("*.png"))` has the order of Keras in the first case, and not in the second.
# Why it matters: labels from a table are attached with this argument. Their number is right, so nothing is
# printed, and the network learns wrong labels. Look labels up by `dataset.file_paths`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 pillow==13.0.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import glob
from pathlib import Path

import keras
import numpy as np
from PIL import Image

FOLDERS = {"numbers": ["site1", "site2"], "dashes": ["site", "site-2"], "beside": [".", "a"]}


def wrong(name, paths):
    """Count photos that do not get their label, which is the red of the photo, of labels for `paths`."""
    labels = [Image.open(path).getpixel((0, 0))[0] for path in paths]
    photos = keras.utils.image_dataset_from_directory(
        name, labels=labels, image_size=(8, 8), shuffle=False, verbose=False
    )
    pixels, given = next(iter(photos))
    return int((np.asarray(pixels)[:, 0, 0, 0] != np.asarray(given)).sum())


counts = {}
for name, folders in FOLDERS.items():
    for number, folder in enumerate(folders):
        for photo in range(10):
            path = Path(name, folder, f"photo{photo}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (10 * number + photo, 0, 0)).save(path)
    texts = sorted(glob.glob(f"{name}/**/*.png", recursive=True))
    parts = [str(path) for path in sorted(Path(name).rglob("*.png"))]
    counts[name] = wrong(name, texts), wrong(name, parts)
    print(f"{name}: {counts[name][0]} of 20 labels are wrong, {counts[name][1]} in the order of Path")
assert counts["numbers"] == (0, 0)
assert counts["dashes"] == (20, 0) and counts["beside"] == (20, 20), counts
PYTHON
