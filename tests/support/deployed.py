"""A project with a served model and results for its test split, to test its later use."""

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import PROJECT, clean_archive, encode
from networks import GREENNESS, colour_model, write_colour_model
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import (
    IMAGES,
    JUDGED,
    METADATA,
    NEAR_DUPLICATES,
    SERIES,
    SPLIT,
    UNKNOWN_IMAGES,
)
from pawprint.base.files import pack, write_json
from pawprint.base.labels import UNKNOWN
from pawprint.base.runtime import compile_for_cpu
from pawprint.base.tables import write_table
from pawprint.given.archive import open_archive
from pawprint.given.reading import open_image
from pawprint.model.metadata import read_metadata
from pawprint.model.outputs import Logits
from pawprint.network.keras_model import convert
from pawprint.network.views import resize
from stages import evaluate

IMAGES_OF_A_CLASS = 20  # TEST of them are in the test split, and the others in training
TEST = 12


def coloured(label: str, number: int) -> bytes:
    """Return a PNG that looks like no other one. Most dogs are redder than blue."""
    rng = np.random.default_rng((number, label == "dog"))
    red = 120 + (6 if label == "dog" else -6) + rng.normal(0, 12)
    base = np.array([red, 60 + rng.normal(0, 3), 120])
    noise = rng.integers(-40, 41, (8, 8, 1))
    image = Image.fromarray(np.clip(base + noise, 0, 255).astype(np.uint8))
    return encode(image.resize((64, 64), Image.Resampling.NEAREST), "PNG")


def write_deployed(folder: Path, **changes) -> dict[str, bytes]:
    """Write the project, run the `evaluate` stage, and return the images in the test split.

    `changes` apply to the model's metadata.
    """
    write_colour_model(folder / paths.SERVED_MODEL, **changes)
    shutil.copy(PROJECT / paths.PARAMS, folder)
    images = {
        f"pets/{label}s/{number}.png": coloured(label, number)
        for label in ("cat", "dog")
        for number in range(IMAGES_OF_A_CLASS)
    }
    archive = folder / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, images.items())
    kept, *_ = clean_archive(archive)
    numbers = kept["path"].map(lambda path: int(Path(path).stem))
    splits = np.where(numbers < TEST, "test", np.where(numbers % 2, "train", "validation"))
    split = kept.assign(split=splits, group=kept["path"], **dict.fromkeys(SERIES, ""))
    none = pd.DataFrame(columns=list(NEAR_DUPLICATES))
    write_table(folder / paths.NEAR_DUPLICATES_CSV, none, NEAR_DUPLICATES)
    write_table(folder / paths.METADATA_CSV, pd.DataFrame(columns=list(METADATA)), METADATA)
    judged = pd.DataFrame(columns=list(JUDGED))
    write_table(folder / paths.CROSS_VALIDATION_CSV, judged, JUDGED)
    write_json(folder / paths.CROSS_VALIDATION_JSON, {})
    (folder / paths.LABELS_CSV).write_text("path,label,pixels_sha256\n")
    write_table(folder / paths.IMAGES_CSV, kept, IMAGES)
    write_table(folder / paths.UNKNOWN_CSV, kept[:0], UNKNOWN_IMAGES)
    write_table(folder / paths.SPLIT_CSV, split, SPLIT)
    with contextlib.chdir(folder):
        evaluate.write_scores(split, outputs_of(split), read_metadata(paths.SERVED_MODEL))
    return {path: images[path] for path in split.loc[split["split"] == "test", "path"]}


def outputs_of(split: pd.DataFrame) -> dict[str, Logits]:
    """Return what `predict` would write for each split with the network of the served model."""
    metadata = read_metadata(paths.SERVED_MODEL)
    network = convert(colour_model(metadata.image_size, len(metadata.labels)))
    how = metadata.image_size, metadata.resize
    run = compile_for_cpu(network)
    outputs = {}
    with open_archive(paths.RAW_ARCHIVES) as archive:
        for name, rows in split.groupby("split"):
            actual = pd.Index(metadata.labels).get_indexer(rows["label"])
            results = [
                run(resize(open_image(archive, path, metadata.decoded_side), *how))
                for path in rows["path"]
            ]
            logits, features = (np.array(values, np.float64) for values in zip(*results))
            outputs[name] = Logits(actual, logits, GREENNESS.score(features))
    return outputs | {UNKNOWN: Logits(*(array[:0] for array in outputs["test"]))}
