#!/usr/bin/env bash
# Surprise: 20 photos named as in Kaggle's dogs-vs-cats (`cat.0.jpg`, `dog.0.jpg`), in a tar file, are
# two samples for WebDataset, and for `datasets.load_dataset("webdataset")`: one per class.
# Guess: the key of a sample is the file name without its suffix, so each photo is a sample with the
# field `jpg`, and the class remains in the key.
# Seen with webdataset 1.0.2 and datasets 5.2.0: the key ends at the first dot of the file name. All
# photos of a class become fields `0.jpg`, `1.jpg` and so on of one sample, without a warning;
# `datasets` makes a table of two rows and a column per photo. With `cat_0.jpg`, both read 20 samples.
# Why it matters: dates, versions and frame numbers bring dots into the names of many photos. The size
# and number of shards look right, but an epoch has a fraction of the samples.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  webdataset==1.0.2 datasets==5.2.0 pillow==12.0.0
cd "$folder"
HF_HOME="$folder/cache" HF_HUB_OFFLINE=1 venv/bin/python - <<'PYTHON'
import io
import tarfile

import datasets
import webdataset
from PIL import Image

datasets.disable_progress_bars()


def samples(pattern):
    """Write ten photos of each class, and return the number of samples that both libraries read."""
    with tarfile.open("shard.tar", "w") as tar:
        for label in ("cat", "dog"):
            for number in range(10):
                photo = io.BytesIO()
                Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(photo, "JPEG")
                member = tarfile.TarInfo(pattern.format(label, number))
                member.size = photo.tell()
                photo.seek(0)
                tar.addfile(member, photo)
    read = list(webdataset.WebDataset("shard.tar", shardshuffle=False))
    table = datasets.load_dataset(
        "webdataset", data_files="shard.tar", split="train", download_mode="force_redownload"
    )
    print(f"{pattern}: {len(read)} samples by webdataset, {table.num_rows} rows by datasets")
    print(f"  fields of the first: {sorted(name for name in read[0] if name[0] != '_')}")
    return len(read), table.num_rows


assert samples("{}_{}.jpg") == (20, 20)
assert samples("{}.{}.jpg") == (2, 2)
PYTHON
