#!/usr/bin/env bash
# Surprise: a JPEG that has been turned upright, reduced to 64 px, or whose background has been painted over is
# saved as JPEG XL as it was before.
# Guess: `image.save("photo.jxl")` writes the pixels that the image has, as for every other format.
# Seen with pillow-jxl-plugin 1.3.8 and Pillow 13.0.0: as long as an image's `format` is JPEG, the plug-in opens
# the file that the image came from, and recompresses it. ImageDraw, `thumbnail` and `exif_transpose(in_place=True)`
# change an image and keep its format. The only warning mentions a lossless image. Edits are saved for a
# copy, because it has no format, and with `save(…, lossless_jpeg=False)`.
# Why it matters: JPEG XL stores the same JPEGs in less space. The network trains on other photos than those
# that were prepared, with the background from which it should not learn.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  pillow-jxl-plugin==1.3.8 pillow==13.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import pillow_jxl  # noqa: F401, registers the format
from PIL import Image, ImageDraw, ImageOps

SIZE = (256, 192)
turned = Image.Exif()
turned[0x0112] = 6  # Orientation: turn by 90 degrees
noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
Image.fromarray(noise).resize(SIZE).save("photo.jpg", exif=turned)


def paint(image):
    ImageDraw.Draw(image).rectangle((0, 0, *SIZE), fill="black")


def turn(image):
    ImageOps.exif_transpose(image, in_place=True)


def reduce(image):
    image.thumbnail((64, 64))


def saved(edit, name="photo.jpg", **options):
    """Save a photo after an edit; return the edited one, and what the file contains."""
    image = Image.open(name)
    edit(image)
    image.save("photo.jxl", **options)
    return image, Image.open("photo.jxl")


def differ(*images):
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        return True
    first, second = (np.asarray(image, dtype=int) for image in images)
    return np.abs(first - second).mean() > 10


Image.open("photo.jpg").save("photo.png")
original = Image.open("photo.jpg")
for edit in (paint, turn, reduce):
    image, file = saved(edit)
    print(f"{edit.__name__}: {image.size}, saved: {file.size}, mean grey {np.mean(image):.0f},"
          f" saved: {np.mean(file):.0f}")
    assert differ(image, file) and not differ(original, file), "the edit is saved now"
    assert not differ(*saved(edit, lossless_jpeg=False))
    assert not differ(*saved(edit, "photo.png"))
copy = original.copy()
paint(copy)
copy.save("copy.jxl")
assert not differ(copy, Image.open("copy.jxl"))
PYTHON
