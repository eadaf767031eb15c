#!/usr/bin/env bash
# Surprise: adding a column to a dataset of photos can compress every JPEG again, at quality 75.
# Guess: `map(lambda row: {**row, "sharp": True})` leaves the column `image` as it is, since the
# function does not change it.
# Seen with datasets 5.2.0 and Pillow 12.0.0: a row that names `image` decodes it, and the image is
# encoded anew, as JPEG with Pillow's default quality. Bytes and pixels change. A photo
# that EXIF turns becomes a PNG. Returning only the new column keeps all bytes.
# Why it matters: photos from Parquet or the Hub lose quality in a step that only counts or filters.
# Hashes of files no longer find duplicates, and a model is trained on other pixels than it will see.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==12.0.0
cd "$folder"
HF_HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PYTHON'
import io

import numpy as np
from datasets import Dataset, Features, Image
from PIL import Image as pillow

noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
upright = pillow.Exif()
turned = pillow.Exif()
turned[0x0112] = 6  # Orientation: turn by 90 degrees


def photo(exif):
    file = io.BytesIO()
    pillow.fromarray(noise).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def stored(dataset):
    return dataset.cast_column("image", Image(decode=False))[0]["image"]["bytes"]


def dataset(data):
    rows = {"image": [{"bytes": data, "path": None}]}
    return Dataset.from_dict(rows, features=Features({"image": Image()}))


def pixels(data):
    return np.asarray(pillow.open(io.BytesIO(data)), dtype=int)


before = photo(upright)
column = stored(dataset(before).map(lambda row: {"sharp": True}))
row = stored(dataset(before).map(lambda row: {**row, "sharp": True}))
batch = stored(dataset(before).map(lambda rows: {"image": rows["image"]}, batched=True))
change = np.abs(pixels(row) - pixels(before)).mean()
print(f"a JPEG of {len(before)} bytes; only the new column returned: {len(column)} bytes")
print(f"the row returned: {len(row)} bytes; a batch returned: {len(batch)} bytes")
print(f"pixels change by {change:.1f} of 255 on average")
kind = pillow.open(io.BytesIO(stored(dataset(photo(turned)).map(lambda row: {**row})))).format
print(f"a photo that EXIF turns: {kind}")
assert column == before
assert row != before and batch == row and change > 1, "the bytes are kept now"
assert kind == "PNG"
PYTHON
