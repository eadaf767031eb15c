"""Paths of the artifacts before training, relative to the project root, as in `dvc.yaml`.

Paths are in three modules, so that a new one of a result does not run the training again.
"""

from pathlib import Path

LABELS = Path("labels.csv")
FEATURE_ROW_CODE = Path("data/code/feature_row.txt")
RAW_ARCHIVES = Path("data/raw/archives")
RAW_IMAGES = RAW_ARCHIVES / "images.zip"  # or images-001.zip and so on
CLEAN_IMAGES = Path("data/clean/images.csv")
CLEAN_UNKNOWN = Path("data/clean/unknown.csv")
CLEAN_REJECTED = Path("data/clean/rejected.csv")
SPLIT_IMAGES = Path("data/split/images.csv")
NEAR_DUPLICATES = Path("data/split/near_duplicates.csv")
FEATURES = Path("data/features")
FEATURES_ORIGIN = Path("data/features.json")
# Outside of the outputs, because DVC deletes those before a stage runs.
INTERRUPTED_FEATURES = Path(".dvc/tmp/pawprint")
EXTRACTOR = Path("models/extractor/network.xml")
CLEAN_METRICS = Path("metrics/clean.json")
SPLIT_METRICS = Path("metrics/split.json")
