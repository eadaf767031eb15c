#!/usr/bin/env bash
# Surprise: OpenCV 5 reads a TIFF that its orientation tag turns from memory (`imdecode`), but not
# from a file: `imread` gives None. JPEG, PNG and WebP with the same tag are fine.
# Guess: of the photos with an orientation, `imread` turns JPEG and PNG, and leaves WebP and TIFF.
# Seen with OpenCV 5.0.0 and Pillow 12.0.0: JPEG, PNG and WebP are turned, also by a WebP's EXIF. The
# TIFF is decoded with turned sides into an array of the sides before turning, so `imread` rejects its
# own result with a message in the log. `imdecode` of the same bytes turns the image correctly.
# Why it matters: a loop that skips what `imread` cannot read
# drops them as if they were damaged, while a service that decodes uploads from memory accepts them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  opencv-python-headless==5.0.0.93 pillow==12.0.0
cd "$folder"
OPENCV_LOG_LEVEL=SILENT venv/bin/python - <<'PYTHON'
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

upright, turned = Image.Exif(), Image.Exif()
turned[0x0112] = 6  # Orientation: turn by 90 degrees
photo = Image.new("RGB", (40, 20), (255, 0, 0))


def sides(array):
    return None if array is None else array.shape[:2]


def read(name, exif):
    photo.save(name, exif=exif)
    flags = (cv2.IMREAD_COLOR, cv2.IMREAD_UNCHANGED)
    from_file = [sides(cv2.imread(name, flag)) for flag in flags]
    data = np.frombuffer(Path(name).read_bytes(), np.uint8)
    from_memory = sides(cv2.imdecode(data, cv2.IMREAD_COLOR))
    print(f"{name}: from the file {from_file}, from memory {from_memory}")
    return *from_file, from_memory


for suffix in ("jpg", "png", "webp"):
    assert read(f"turned.{suffix}", turned) == ((40, 20), (20, 40), (40, 20))
assert read("upright.tif", upright) == ((20, 40), (20, 40), (20, 40))
assert read("turned.tif", turned) == (None, None, (40, 20)), "imread reads it now"
PYTHON
