#!/usr/bin/env bash
# Surprise: of a folder with the classes beaker, flask and test_tube, `load_dataset("imagefolder")` reads
# the test tubes only, without labels. One photo named `eval 3.png` in a folder of cats and dogs is
# enough to lose all others.
# Guess: folders are classes, and only folders named `train`, `test` or `validation` at the top are splits.
# Seen with datasets 5.2.0: a word such as train, test, val, valid, dev or eval between separators (`_`,
# `-`, a dot, a space or a digit) in the name of any file or folder makes it a split, and files outside all
# splits are left out, without a warning. With `data_files={"train": "**"}`, all photos and labels are read.
# Why it matters: trains, dev boards and test strips are classes, and photos are called `test 2.jpg`. Of the
# classes car, dev_board and train, the trains become the training set, with the label None, the dev boards
# the validation set, and the cars are in neither.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
cd "$folder"
HF_HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PYTHON'
from pathlib import Path

from datasets import load_dataset
from PIL import Image

FOLDERS = {
    "plain": ["beaker", "flask", "tube"],
    "laboratory": ["beaker", "flask", "test_tube"],
    "toys": ["car", "dev_board", "train"],
    "pets": ["cat", "dog"],
}
for name, classes in FOLDERS.items():
    for label in classes:
        for number in range(10):
            path = Path(name, label, f"{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
Path("pets/dog/3.png").rename("pets/dog/eval 3.png")


def read(name, **options):
    """Return the photos of each split, and the classes."""
    splits = load_dataset("imagefolder", data_dir=name, **options)
    features = next(iter(splits.values())).features
    names = features["label"].names if "label" in features else None
    print(f"{name}: {splits.num_rows}, classes: {names}")
    return splits.num_rows, names


assert read("plain") == ({"train": 30}, FOLDERS["plain"])
assert read("laboratory") == ({"test": 10}, None), "folders are classes now"
assert read("toys") == ({"train": 10, "validation": 10}, ["dev_board", "train"])
assert read("pets") == ({"test": 1}, None)
toys = load_dataset("imagefolder", data_dir="toys")
assert {photo["label"] for photo in toys["train"]} == {None}
assert {photo["label"] for photo in toys["validation"]} == {0}  # dev_board
for name, classes in FOLDERS.items():
    photos = {"train": 10 * len(classes)}
    assert read(name, data_files={"train": "**"}) == (photos, classes)
PYTHON
