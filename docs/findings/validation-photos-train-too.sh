#!/usr/bin/env bash
# Surprise: `image_dataset_from_directory` with `shuffle=False` for validation, and the same `seed`,
# `validation_split` and folder as for training, gives validation photos of one class only, most of
# which are training photos, too.
# Guess: `seed` and `validation_split` decide which photos are held out; `shuffle` only decides their
# order, so the two datasets share no photo.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: the list of files is shuffled before it is split, and
# only with `shuffle=True`. Of 60 validation photos, all are of the last of three classes, and about
# 80% are for training. With `shuffle=True` in both calls, or with `subset="both"`, none is.
# Why it matters: notebooks switch shuffling off for validation to compare `predict` with the labels
# in a confusion matrix. Their validation accuracy is measured on training photos. Nothing is printed
# but the number of files, which is right.
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

for label in ("cat", "dog", "fox"):
    for number in range(100):
        path = Path("photos", label, f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def photos(**options):
    options |= {"validation_split": 0.2, "seed": 1, "image_size": (8, 8)}
    return keras.utils.image_dataset_from_directory("photos", **options)


training = set(photos(subset="training").file_paths)
shuffled = set(photos(subset="validation").file_paths)
ordered = set(photos(subset="validation", shuffle=False).file_paths)
of_both = [set(dataset.file_paths) for dataset in photos(subset="both")]
classes = {Path(path).parent.name for path in ordered}
print(f"shuffle=True: {len(shuffled & training)} of {len(shuffled)} validation photos train")
print(f"subset='both': {len(set.intersection(*of_both))} of {len(of_both[1])}")
print(f"shuffle=False: {len(ordered & training)} of {len(ordered)}, of the classes {sorted(classes)}")
assert not shuffled & training and not set.intersection(*of_both)
assert len(ordered & training) > 40 and classes == {"fox"}
PYTHON
