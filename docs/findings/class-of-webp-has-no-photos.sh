#!/usr/bin/env bash
# Surprise: Keras' `image_dataset_from_directory` leaves out WebP photos without a word, and a class that
# has no others stays in `class_names`, with no photo.
# Guess: it reads what browsers save, or names the files that it leaves out, or stops at a class without
# photos.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: of 10 JPEG, 10 WebP and 10 TIFF photos in a folder per
# class, it says "Found 10 files belonging to 3 classes."
# Why it matters: photos from the web are WebP, scanners write TIFF. The model gets an output per folder,
# of which some are never trained, and an accuracy that leaves these classes out.
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
from PIL import Image

for label, suffix in (("cat", "jpg"), ("dog", "webp"), ("fox", "tiff")):
    for number in range(10):
        path = Path("photos", label, f"{number}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(path)

photos = keras.utils.image_dataset_from_directory("photos", image_size=(8, 8))
suffixes = {Path(path).suffix for path in photos.file_paths}
print(f"classes: {photos.class_names}, files: {len(photos.file_paths)}, of {sorted(suffixes)}")
assert photos.class_names == ["cat", "dog", "fox"]
assert len(photos.file_paths) == 10 and suffixes == {".jpg"}
PYTHON
