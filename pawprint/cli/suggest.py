"""Rank images without a label by how much a label would help.

First come images of which the model is uncertain, and which are unlike the training images and
unlike the images before them in the list. Near-duplicates of labelled images, and of images before
them in the list, are left out. Files that give no label come last, with the reason, and the exit
status is 1.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import csr_array

from pawprint.cli import sheet
from pawprint.cli.predict import (
    FORMATS,
    add_format_and_model,
    default_model,
    find_images,
    predict,
    read_again,
)
from pawprint.core import data_paths
from pawprint.core.data_tables import IMAGES, SPLIT
from pawprint.core.errors import InputError, printable
from pawprint.core.labels import UNKNOWN
from pawprint.core.params.section import PARAMS
from pawprint.core.params.split import Split
from pawprint.core.tables import read_table
from pawprint.dataset.cleaning import perceptual_hash
from pawprint.dataset.near_duplicates import near_duplicates
from pawprint.images.archive import open_archive
from pawprint.serving.predictor import Prediction, Predictor, load_predictor, predict_members
from pawprint.serving.suggestion import choose, uncertainty
from pawprint.serving.unknown import training_images, unit_length

DISTANCE = 8  # of near-duplicates where there is no params.yaml
MEASURED = ("hash", "features", "uncertainty")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of images, also in subfolders")
    number = "number of images; default: %(default)s"
    parser.add_argument("-n", "--number", type=int, default=50, metavar="N", help=number)
    unknown = "at most so many of them that the model calls unknown: most show no class, and all "
    unknown += "are far from the others, so they would come first; default: %(default)s"
    parser.add_argument("--unknown", type=int, default=0, metavar="N", help=unknown)
    sheet.add_argument(parser, "also write a page with the photos")
    add_format_and_model(parser)


def run(arguments: argparse.Namespace) -> int:
    for name, value, least in (("-n", arguments.number, 1), ("--unknown", arguments.unknown, 0)):
        if value < least:
            arguments.error(f"argument {name}: expected {least} or more. Received: {value}")
    predictor = load_predictor(arguments.model or default_model())
    found = rank(predictor, arguments.folder, arguments.number, arguments.unknown)
    rows = [row for _, row in found]
    FORMATS[arguments.format](rows, predictor.metadata.labels, None)
    if arguments.sheet:
        write_sheet(arguments.sheet, found)
    return int(any(row["error"] for row in rows))


def rank(predictor: Predictor, folder: Path, number: int, unknown: int) -> list[tuple[Path, dict]]:
    """The images to label first with their rows of `predict`, then the files with an error.

    Of at most `number` images at most `unknown` are unknown. A line on stderr says how many images
    are left out. Raises InputError if the folder has no images, or the model gives no features.
    """
    size = predictor.metadata.image_size
    if "features" not in predictor.run(np.zeros((size, size, 3), np.uint8)):
        raise InputError(
            f"{predictor.folder}: expected a served model with the output features. Received: an "
            "export, or a model of an earlier version. Run `dvc repro` for models/served."
        )
    images = find_images([folder])
    if images == [folder]:
        raise InputError(f"{printable(str(folder))}: expected a folder of images. Received: none.")
    known, labelled = _labelled(predictor)
    pairs = list(zip(images, predict(predictor, images, _measured)))
    measured = pd.DataFrame(
        {name: [row.pop(name, None) for _, row in pairs] for name in MEASURED}, dtype=object
    )
    usable = measured.dropna()
    new = usable.drop_duplicates("hash")
    is_near, alike = _compare(known, new["hash"])
    rest, alike = new[~is_near], alike[~is_near][:, ~is_near]
    is_unknown = np.array([pairs[index][1]["label"] == UNKNOWN for index in rest.index], bool)
    chosen = choose(
        np.array(rest["features"].tolist(), np.float32),
        rest["uncertainty"].to_numpy(float),
        labelled,
        alike,
        number,
        is_unknown,
        unknown,
    )
    like_chosen = rest["hash"].iloc[[*chosen, *alike[chosen].indices]]
    is_left_out = usable["hash"].isin([*new["hash"][is_near], *like_chosen])
    print(
        f"suggest: left out {is_left_out.sum() - len(chosen):,} near-duplicates of labelled or "
        f"suggested images, and {is_unknown.sum() - is_unknown[chosen].sum():,} unknown images",
        file=sys.stderr,
    )
    failed = measured.index.difference(usable.index)
    return [pairs[index] for index in (*rest.index[chosen], *failed)]


def _measured(image: Image.Image, predicted: Prediction) -> dict:
    features = unit_length(predicted.features).astype(np.float32)
    values = perceptual_hash(image), features, uncertainty(predicted.probabilities)
    return dict(zip(MEASURED, values))


def _labelled(predictor: Predictor) -> tuple[pd.Series, np.ndarray]:
    """The perceptual hashes of labelled images, and features of training images, float32.

    Both are empty without the images of the last run; a line on stderr says so.
    """
    for path in (data_paths.CLEAN_IMAGES, data_paths.SPLIT_IMAGES, data_paths.RAW_ARCHIVES):
        if not path.exists():
            line = f"{path} does not exist: the images are not compared with labelled ones"
            print(line, file=sys.stderr)
            return pd.Series(dtype=str), np.empty((0, 0), np.float32)
    paths = training_images(read_table(data_paths.SPLIT_IMAGES, SPLIT))
    with open_archive(data_paths.RAW_ARCHIVES) as archive:
        features = predict_members(
            lambda image: predictor.predict(image).features, archive, paths, "training images"
        )
    hashes = read_table(data_paths.CLEAN_IMAGES, IMAGES)["perceptual_hash"]
    return hashes, unit_length(features).astype(np.float32)


def _compare(known: pd.Series, new: pd.Series) -> tuple[np.ndarray, csr_array]:
    """Whether each new hash is near a known one, bool `(new,)`; which are near, `(new, new)`.

    The new ones differ from each other.
    """
    distance = Split.load().near_duplicate_distance if PARAMS.exists() else DISTANCE
    found = near_duplicates(pd.concat([known, new]), distance)
    pairs = found[["first", "second"]].to_numpy() - len(known)
    is_near = np.isin(np.arange(len(new)), pairs[pairs[:, 0] < 0, 1])
    pairs = pairs[pairs[:, 0] >= 0]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return is_near, csr_array((np.ones(len(both), bool), both.T), (len(new), len(new)))


def write_sheet(path: Path, ranked: list[tuple[Path, dict]]) -> None:
    """Write a page with the photos that `rank` chose."""
    photos = []
    for image, row in ranked:
        if row["error"]:
            continue
        picture = sheet.embedded(read_again(image, row["path"]))
        probability = row["probabilities"].get(row["label"])  # none of unknown
        text = "" if probability is None else f"{probability:.1%}"
        photos.append(sheet.Photo(picture, row["path"], row["label"], text))
    sheet.write_sheet(path, "Images to label first", {"": photos})
