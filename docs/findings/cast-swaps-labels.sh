#!/usr/bin/env bash
# Surprise: casting a column of labels to the same names in another order relabels every photo.
# Guess: `cast_column("label", ClassLabel(names=["dog", "cat"]))` renumbers the labels by name,
# or refuses.
# Seen with datasets 5.2.0: it keeps the numbers and exchanges the names, without a warning, so that
# cat.jpg is a dog. `concatenate_datasets` refuses two such datasets. `align_labels_with_mapping` renumbers by name.
# Why it matters: the order of classes that a trained model expects is forced on a new dataset with
# this line, and every metric is computed with wrong labels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0
cd "$folder"
HF_HOME="$folder" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PYTHON'
from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets


def dataset(names):
    features = Features({"file": Value("string"), "label": ClassLabel(names=names)})
    rows = {"file": ["cat.jpg", "dog.jpg"], "label": [names.index("cat"), names.index("dog")]}
    return Dataset.from_dict(rows, features=features)


def labels(photos):
    name = photos.features["label"].int2str
    return {photo["file"]: name(photo["label"]) for photo in photos}


ours, theirs = ["cat", "dog"], ["dog", "cat"]
right = {"cat.jpg": "cat", "dog.jpg": "dog"}
assert labels(dataset(ours)) == labels(dataset(theirs)) == right
try:
    concatenate_datasets([dataset(theirs), dataset(ours)])
except ValueError as error:
    print("concatenate_datasets:", str(error)[:60] + "…")
cast = dataset(ours).cast_column("label", ClassLabel(names=theirs))
print("cast_column:", labels(cast))
numbers = {name: number for number, name in enumerate(theirs)}
aligned = dataset(ours).align_labels_with_mapping(numbers, "label")
print("align_labels_with_mapping:", labels(aligned))
assert labels(cast) == {"cat.jpg": "dog", "dog.jpg": "cat"}, "the cast goes by name now"
assert labels(aligned) == right and aligned.features["label"].names == theirs
PYTHON
