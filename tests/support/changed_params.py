"""A changed value for each param of a tiny run, and the stages that this change runs."""

import csv
import statistics
from pathlib import Path

from conftest import SAMPLE_SHA256, SAMPLE_WEIGHTS
from networks import sample_backbone

from pawprint.network.keras_backbone import weights_sha256


def median_probability(workspace: Path) -> float:
    """Return a threshold at which half of the test images are predicted as the second class."""
    with (workspace / "data" / "probabilities.csv").open(encoding="utf-8") as file:
        return statistics.median_high(float(row["probability_dog"]) for row in csv.DictReader(file))


def changed_values(workspace: Path) -> dict:
    """Return changed values by `section.key`, each valid alone except those in TOGETHER_WITH.

    Next to the workspace are images.zip and others.zip. The hash is that of the weights that Keras
    loads.
    """
    return {
        "fetch.source": "../others.zip",
        "weights.source": str(SAMPLE_WEIGHTS),
        "weights.sha256": weights_sha256(sample_backbone()),
        "clean.rule": "jfif",
        "clean.bits": 12,
        "clean.labels": {"cat": ["cat", "cats", "kittens"], "dog": ["dog", "dogs"]},
        "split.seed": 2,
        "split.validation_fraction": 0.3,
        "split.test_fraction": 0.4,
        "split.group": "([0-9]+)[.]jpg",
        "split.date": "taken",
        "split.near_duplicate_distance": 0,
        "split.use_archive_split": False,
        "model.backbone": "MobileNet",
        "model.alpha": 0.5,
        "model.image_size": 128,
        "model.resize": "stretch",
        "model.pooling": "flatten",
        "model.features": "last",
        "model.fine_tune_at": -24,
        "augment.views": 3,
        "augment.keep_original": False,
        "augment.RandomFlip": {"mode": "vertical"},
        "augment.RandomRotation": {"factor": 0.2},
        "augment.RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
        "augment.RandomShear": {"x_factor": 0.1, "y_factor": 0.1},
        "augment.RandomZoom": {"height_factor": 0.1},
        "augment.RandomBrightness": {"factor": 0.2},
        "augment.RandomContrast": {"factor": 0.2},
        "augment.RandomSaturation": {"factor": [0.3, 0.7]},
        "augment.RandomHue": {"factor": 0.1},
        "augment.RandomGrayscale": {"factor": 0.5},
        "augment.RandomErasing": {"factor": 0.5},
        "augment.seed": 2,
        "head.dense": {"units": 4},
        "head.dropout": 0.5,
        "head.output": "logits",
        "hardware.devices": "cpu",
        "hardware.threads": 1,
        "hardware.precision": "mixed_bfloat16",
        "train_extract.class_weight": "balanced",
        "train_extract.epochs": {"number": 4},
        "train_finetune.class_weight": "balanced",
        "train_finetune.epochs": {"number": 3, "learning_rate": 0.01, "seed": 2},
        "calibrate.temperature": False,
        "calibrate.threshold": {"dog": median_probability(workspace)},
        "calibrate.recall": {"dog": 0.1},
        "calibrate.max_error": 0.9,
        "calibrate.unknown_quantile": 0.5,
    }


# With logits, the probabilities are equal up to rounding.
TOGETHER_WITH = {
    "weights.source": {"sha256": SAMPLE_SHA256},
    "model.backbone": {"alpha": 0.5, "fine_tune_at": "conv_pw_9"},
    "head.output": {"dropout": 0.4},
}

LATE = ["evaluate", "plot"]
FINETUNE = ["train_finetune", "predict", *LATE]
EXTRACT = ["train_extract", *FINETUNE]
FEATURES = ["features", *EXTRACT]
SECTIONS = {
    "fetch": ["fetch", "clean", "split", *FEATURES],
    "split": ["split", *FEATURES],
    "model": ["backbone", *FEATURES],
    "augment": FEATURES,
    "head": EXTRACT,
    "hardware": EXTRACT,
    "train_extract": EXTRACT,
    "train_finetune": FINETUNE,
    "calibrate": LATE,
}
# Params read by other stages, or with a changed value that leaves an output unchanged.
EXCEPTIONS = {
    "weights.source": ["backbone", "plot"],  # the same weights
    "weights.sha256": ["backbone", "plot"],
    "clean.rule": ["clean", "plot"],  # every image has a JFIF header
    # every image has 8 bits
    "clean.bits": ["clean", "split", "features", "evaluate", "plot"],
    "clean.labels": ["clean", "plot"],  # adds a folder name that is not in the archive
    "split.near_duplicate_distance": ["split", "plot"],  # no two images look alike
    "model.resize": ["split", *FEATURES],
    "hardware.devices": ["train_extract", "train_finetune", "plot"],  # there is no GPU
    # classes have equal sizes in total but not in each fold
    "train_extract.class_weight": ["train_extract", *LATE],
    "train_finetune.class_weight": ["train_finetune", "plot"],
}


def expected_stages(param: str) -> list[str]:
    """Return the stages that `dvc repro` runs after changing only this param."""
    return EXCEPTIONS.get(param) or SECTIONS[param.split(".")[0]]
