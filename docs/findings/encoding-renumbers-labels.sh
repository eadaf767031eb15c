#!/usr/bin/env bash
# Surprise: `class_encode_column("label")` of labels that are numbers gives photos of class 2 the number 4,
# as soon as there are more than ten classes.
# Guess: the numbers 0 to 11 stay as they are, since they already are what a ClassLabel stores.
# Seen with datasets 5.2.0: numbers become names, which are sorted as text: 0, 1, 10, 11, 2. With ten
# classes, all numbers stay. `cast_column("label", ClassLabel(num_classes=12))` keeps them always.
# Why it matters: `train_test_split(stratify_by_column="label")` refuses a column of numbers, and this
# method makes the column that it asks for. Right predictions of 12 classes then have an accuracy of a sixth,
# and a network that is trained on the new numbers is served with the old list of names.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$folder"
HF_HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PYTHON'
from datasets import ClassLabel, Dataset


def photos(classes):
    """Return 10 photos of each class, and the right prediction for each."""
    labels = list(range(classes)) * 10
    return Dataset.from_dict({"label": labels, "predicted": labels})


def accuracy(dataset):
    return sum(row["label"] == row["predicted"] for row in dataset) / len(dataset)


try:
    photos(12).train_test_split(0.5, stratify_by_column="label")
except ValueError as error:
    print("train_test_split:", error)
encoded = {classes: photos(classes).class_encode_column("label") for classes in (10, 12)}
cast = photos(12).cast_column("label", ClassLabel(num_classes=12))
test = encoded[12].train_test_split(0.5, stratify_by_column="label", seed=1)["test"]
print("names of the numbers 0 to 11:", encoded[12].features["label"].names)
print("accuracy of right predictions, 10 classes:", accuracy(encoded[10]))
print(f"12 classes: {accuracy(encoded[12]):.3f}, in the stratified test set {accuracy(test):.3f}")
print("12 classes, with cast_column:", accuracy(cast))
assert accuracy(photos(12)) == accuracy(encoded[10]) == accuracy(cast) == 1
assert encoded[12]["label"][:12] == [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 2, 3], "numbers stay now"
assert accuracy(encoded[12]) == accuracy(test) == 2 / 12
PYTHON
