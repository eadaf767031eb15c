"""Measure what a fitted head gains from more views: `python -m bench.views FOLDER`.

FOLDER contains clones of the repositories of PUBLIC and SOLAR_CELLS, as OWNER/NAME. From each of
eleven data sets, 300 and 1,500 random images are used, all of them for training. For each network,
the features of five views are computed once: the image, its mirror image, and three augmented views
as in the `augment` section of `pawprint init`. C and the kinds of features are those that
cross-validation chooses for a single view. The log loss is computed over five folds that keep
groups together. Predictions use either the image alone or, like a served model that mirrors, the
mean logits of the image and its mirror image.

The first table contains, for each data set, the log loss with one view and the image alone, the
change from a mirrored prediction, and the changes from additional views with a mirrored prediction.
The second table contains ratios to the log loss of three augmented views with a mirrored
prediction: the mean, in parentheses the mean without data sets below FEW_ERRORS, and the maximum.
CPU seconds are given for the features (decoding and running the network) and for the head
(cross-validation, a second one if there are several views, and the final fit). MB is the size of
the stored rows. Run this after `dvc repro fetch`. With --store, a second run reuses all rows.

With --held-out, it prints another table instead: heads fitted to 300 images predict the others, up
to 1,500, except those in groups with training images. It compares the defaults of `pawprint init`
before and after docs/decisions/37: MobileNetV2 with three augmented views, if cross-validation
keeps them, and a mirrored prediction; and EfficientNet-Lite0 with one view and the image alone.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from bench.datasets import PUBLIC, Images, params_of, photos, public
from pawprint import paths
from pawprint.classes import Difference, log_losses
from pawprint.columns import SPLIT
from pawprint.engine.mapping import map_in_threads
from pawprint.features.augmentation import draw_view
from pawprint.features.rows import row_function
from pawprint.features.views import IDENTITY, mirrored
from pawprint.files import pack, read_json
from pawprint.images.archive import open_archive
from pawprint.images.reading import open_image
from pawprint.network.class_weights import sample_weights
from pawprint.network.cross_validation import (
    FOLDS,
    Examples,
    cross_validate,
    standardise,
)
from pawprint.network.extractor import load_extractor
from pawprint.network.heads import Standardisation
from pawprint.network.logistic_regression import Regression, fit_regressions
from pawprint.params.file import overlay
from pawprint.params.model import load_params
from pawprint.recipes.demo import prepare, run_dvc
from pawprint.runtime import read_network, write_network
from pawprint.tables import read_table

SIZES = (300, 1500)
SPARE = 1.1  # ratio of images drawn to images needed, because of duplicates
NETWORKS = {
    "MobileNetV2": "model: {backbone: MobileNetV2, alpha: 1.0, image_size: 224}",
    "Lite0": "model: {backbone: EfficientNetLite0, alpha: null, image_size: 224}",
    "Lite2": "model: {backbone: EfficientNetLite2, alpha: null, image_size: 260}",
}
DRAWN = 3  # augmented views, besides the image and its mirror image
SAME, OTHERS = "image", "drawn"  # two parts of the views
BASE = "MobileNetV2"
ONE, MOST = "one", "three drawn"
# The views that are used in a fit.
VIEWS = {
    ONE: (0,),
    "mirror image": (0, 1),
    "one drawn": (0, 2),
    MOST: (0, 2, 3, 4),
}
SOLAR_CELLS = "zae-bayern/elpv-dataset"


FEW_ERRORS = 0.05  # log loss below which a single image out of 300 makes the difference

Key = tuple[str, str, int]  # a data set, a network and the number of images


class Rows(NamedTuple):
    """Features of images, float16 `(images, views, …)`, and the CPU seconds to compute them."""

    blocks: np.ndarray
    top: np.ndarray
    seconds: np.ndarray


class Judged(NamedTuple):
    """The result for some views: losses of the scored images, and whether they are correct.

    `losses_alone` are the losses of predictions without the mirror image.
    """

    losses: np.ndarray
    losses_alone: np.ndarray
    right: np.ndarray
    feature_seconds: float
    head_seconds: float
    stored: int


def solar_cells(clone: Path) -> Images:
    """Return the cells that a table of probabilities lists as certainly functional or defective."""
    folder = clone / "src" / "elpv_dataset" / "data"
    table = pd.read_csv(folder / "labels.csv", sep=r"\s+", names=["path", "probability", "kind"])
    for label, probability in (("functional", 0), ("defective", 1)):
        for path in table["path"][table["probability"] == probability]:
            yield f"{label}/{Path(path).name}", (folder / path).read_bytes()


def sets(clones: Path) -> dict[str, tuple[Images, str]]:
    """Return the images of each data set, and changes to its params."""
    auto = "clean: {labels: auto}\n"
    images_of = {
        "cats and dogs": (photos(), ""),
        "solar cells": (solar_cells(clones / SOLAR_CELLS), auto),
    }
    for name, (clone, files, taken, changes) in PUBLIC.items():
        if "without" not in name:
            images_of[name] = public(clones / clone, files, taken), auto + changes
    return images_of


def make_project(images: Images, changes: str, workspace: Path) -> None:
    """Make a project from random images of a data set and run it up to `split`."""
    if (workspace / paths.SPLIT_CSV).exists():
        return
    workspace.mkdir(parents=True, exist_ok=True)
    archive = workspace / "images.zip"
    files = list(images)
    taken = random.Random(1).sample(files, min(round(max(SIZES) * SPARE), len(files)))
    pack(archive, iter(sorted(taken)))
    prepare(workspace, params_of(archive.absolute(), 1, changes))
    run_dvc(workspace, "repro", "--quiet", "split")


def compute(workspace: Path, network: str, images: pd.DataFrame, part: str) -> Rows:
    """Compute the rows for one part of the views, like the stages `backbone` and `features`."""
    changed = workspace / f"{network}-{part}.yaml"
    changed.write_text(overlay((workspace / "params.yaml").read_text(), NETWORKS[network]))
    model, augment = (params := load_params(changed)).model, params.augment
    path = workspace.parent / f"{network}.xml"
    if not path.exists():
        extractor = load_extractor(model, params.weights)
        write_network(extractor.network, path, extractor.outputs)
    rows_of = row_function(read_network(path), model.resize)
    same = [IDENTITY, mirrored(model.image_size)]
    views = [
        same
        if part == SAME
        else [draw_view(augment, sha256, view, model.image_size) for view in range(1, DRAWN + 1)]
        for sha256 in images["pixels_sha256"]
    ]
    with open_archive(workspace / paths.RAW_ARCHIVES) as archive:
        reads = [partial(open_image, archive, path) for path in images["path"]]
        start = time.process_time()
        rows = list(map_in_threads(lambda task: rows_of(*task), zip(reads, views)))
        seconds = np.array(time.process_time() - start)
    blocks, top = (
        np.stack([[row[kind] for row in of_image] for of_image in rows]).astype(np.float16)
        for kind in (0, 1)
    )
    return Rows(blocks, top, seconds)


def stored_rows(workspace: Path, network: str, images: pd.DataFrame, part: str) -> Rows:
    """Return the rows of images, reusing those of earlier runs; files end at each of SIZES."""
    files = []
    for start, end in zip((0, *SIZES), SIZES):
        path = workspace / f"{network}-{part}-{end}.npz"
        chosen = images[start:end]
        if not len(chosen):
            break
        if not path.exists():
            np.savez(path, **compute(workspace, network, chosen, part)._asdict())
        with np.load(path) as arrays:
            files.append(Rows(**arrays))
    blocks, top = (np.concatenate(arrays) for arrays in list(zip(*files))[:2])
    return Rows(blocks, top, np.sum([rows.seconds for rows in files]))


def judge(rows: Rows, examples: Examples, passes: tuple[float, float]) -> dict[str, Judged]:
    """Score each of VIEWS that is available, with the C and features chosen for one view.

    `passes` are the CPU seconds for decoding with the first view, and for each further view.
    """
    start = time.process_time()
    settings = cross_validate(examples)
    chosen = time.process_time() - start
    features = np.concatenate([rows.blocks, rows.top], axis=2) if settings.has_blocks else rows.top
    judged = {}
    for name, views in VIEWS.items():
        if max(views) >= features.shape[1]:
            continue
        start = time.process_time()
        by_view = predict_folds(features, views, examples, settings.C)
        in_folds = time.process_time() - start
        fit(features, views, np.arange(len(features)), examples, settings.C)
        last = time.process_time() - start - in_folds
        is_judged = ~np.isnan(by_view[0, :, 0])
        actual = examples.actual[is_judged]
        weights = sample_weights(examples.class_weight, actual)
        alone = by_view[0, is_judged]
        both = mean_of_views(by_view[:, is_judged])
        judged[name] = Judged(
            weights * log_losses(actual, both),
            weights * log_losses(actual, alone),
            both.argmax(axis=1) == actual,
            passes[0] + passes[1] * (len(views) - 1),
            chosen + last + (0 if name == ONE else in_folds),
            len(features) * len(views) * 2 * (rows.blocks.shape[2] + rows.top.shape[2]),
        )
    return judged


def mean_of_views(probabilities: np.ndarray) -> np.ndarray:
    """Return `(images, classes)` for the mean of the logits of each view, the first axis."""
    mean = probabilities.prod(axis=0) ** (1 / len(probabilities))
    return mean / mean.sum(axis=1, keepdims=True)


def predict_folds(
    features: np.ndarray, views: tuple[int, ...], examples: Examples, c: float
) -> np.ndarray:
    """Predict each image and its mirror image with a fit that excludes its group.

    The result is `(2, images, classes)`. It is NaN for images of a class that the other folds lack.
    """
    actual = examples.actual
    probabilities = np.full((2, len(actual), examples.classes), np.nan)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for learned, held_out in folds.split(actual, actual, examples.groups):
        model, standardisation = fit(features, views, learned, examples, c)
        images = held_out[np.isin(actual[held_out], model.classes)]
        for view in (0, 1):
            rows = features[images, view].astype(np.float32)
            standardisation.apply(rows)
            probabilities[view, images] = 0
            probabilities[view, images[:, None], model.classes] = model.predict(rows)
    return probabilities


def fit(
    features: np.ndarray, views: tuple[int, ...], images: np.ndarray, examples: Examples, c: float
) -> tuple[Regression, Standardisation]:
    """Fit a head to several views of images, which together weigh as much as one image."""
    with threadpool_limits(1):
        rows = np.concatenate([features[images, view] for view in views]).astype(np.float32)
        standardisation = standardise(rows)
        targets = np.tile(examples.actual[images], len(views))
        weights = sample_weights(examples.class_weight, targets) / len(views)
        (model,) = fit_regressions(rows, targets, weights, (c,))
    return model, standardisation


def measure(
    workspace: Path, network: str, number: int, parts: tuple[str, ...] = (SAME, OTHERS)
) -> dict[str, Judged] | None:
    """Score the views on this number of images, or return None if a data set has too few."""
    images = read_table(workspace / paths.SPLIT_CSV, SPLIT).sample(frac=1, random_state=1)
    if number > min(SIZES) and len(images) <= 2 * min(SIZES):
        return None
    images = images[:number]
    stored = [stored_rows(workspace, network, images, part) for part in parts]
    blocks, top = (np.concatenate(arrays, axis=1) for arrays in list(zip(*stored))[:2])
    least = images[: min(SIZES)]
    both = (stored_rows(workspace, network, least, part) for part in (SAME, OTHERS))
    same, others = (float(rows.seconds) for rows in both)
    each = others - same  # per pass; the parts have two and three views
    passes = tuple(seconds * len(images) / len(least) for seconds in (same - each, each))
    rows = Rows(blocks, top, np.array(0))
    first = Rows(blocks[:, :1], top[:, :1], np.array(0))
    return judge(rows, examples_of(workspace, images, first), passes)


def examples_of(workspace: Path, images: pd.DataFrame, rows: Rows) -> Examples:
    """Return the examples for these images, whose rows are in the same order."""
    labels: list[str] = read_json(workspace / paths.LABELS_JSON)
    return Examples(
        {False: rows.top, True: np.concatenate([rows.blocks, rows.top], axis=2)},
        pd.Index(labels).get_indexer(images["label"]),
        images["group"].to_numpy(),
        images["pixels_sha256"].to_numpy(),
        labels,
        load_params(workspace / "params.yaml").train_extract.weight_for(images["label"]),
    )


def held_out_losses(workspace: Path, network: str, *, has_views: bool) -> tuple[np.ndarray, ...]:
    """Return log losses of held-out images, and whether they are correct.

    With `has_views`, there are three augmented views, and predictions are mirrored.
    """
    number = min(SIZES)
    images = read_table(workspace / paths.SPLIT_CSV, SPLIT).sample(frac=1, random_state=1)
    images = images[: max(SIZES)]
    same = stored_rows(workspace, network, images, SAME)
    views = [[kind[:number, :1] for kind in same[:2]]]
    if has_views:
        others = stored_rows(workspace, network, images[:number], OTHERS)
        views.append([*others[:2]])
    rows = Rows(*(np.concatenate(kinds, axis=1) for kinds in zip(*views)), np.array(0))
    examples = examples_of(workspace, images[:number], rows)
    settings = cross_validate(examples)
    features = examples.features[settings.has_blocks]
    model, standardisation = fit(
        features, (*range(settings.views),), np.arange(number), examples, settings.C
    )
    is_apart = ~images["group"].isin(images["group"][:number]).to_numpy()
    is_apart &= images["label"].isin(images["label"][:number]).to_numpy()
    actual = pd.Index(examples.labels).get_indexer(images["label"][is_apart])
    held_out = np.concatenate(same[:2], axis=2) if settings.has_blocks else same.top
    probabilities = np.zeros((1 + has_views, len(actual), examples.classes))
    for view, of_view in enumerate(probabilities):
        seen = held_out[is_apart, view].astype(np.float32)
        standardisation.apply(seen)
        of_view[:, model.classes] = model.predict(seen)
    mean = mean_of_views(probabilities)
    return log_losses(actual, mean), mean.argmax(axis=1) == actual


def compare_held_out(names: Iterable[str], store: Path) -> Iterator[str]:
    """Yield Markdown lines: scores of held-out images with the defaults of before, and now."""
    yield "| images of | number | accuracy before | now | change | log loss before | now | change |"
    yield "|---" * 8 + "|"
    for name in names:
        old, old_right = held_out_losses(store / name, BASE, has_views=True)
        new, new_right = held_out_losses(store / name, "Lite0", has_views=False)
        points = Difference.of(100.0 * new_right, 100.0 * old_right)
        accuracy = f"{old_right.mean():.1%} | {new_right.mean():.1%}"
        change = f"{points.mean:+.1f} ± {points.error:.1f} points"
        losses = f"{old.mean():.4f} | {new.mean():.4f} | {Difference.of(new, old)}"
        yield f"| {name} | {len(old):,} | {accuracy} | {change} | {losses} |"


def tabulate(found: dict[Key, dict[str, Judged]], number: int) -> list[str]:
    """Return Markdown lines: log loss and accuracy with one view, and changes from more views."""
    titles = ["images of", "network", "log loss", "accuracy", "mirrored prediction"]
    titles += [*[*VIEWS][1:], f"minus that of {BASE}"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name, network in [key[:2] for key in found if key[2] == number]:
        judged = found[name, network, number]
        one = judged[ONE]
        cells = [name, network, f"{one.losses_alone.mean():.4f}", f"{one.right.mean():.1%}"]
        cells.append(str(Difference.of(one.losses, one.losses_alone)))
        for views in [*VIEWS][1:]:
            more = judged.get(views)
            cells.append(str(Difference.of(more.losses, one.losses_alone)) if more else "")
        other = found.get((name, BASE, number))
        if network != BASE and other:
            cells.append(str(Difference.of(one.losses_alone, other[ONE].losses_alone)))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def ratio(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Format the mean ratio of losses, that without data sets with few errors, and the maximum."""
    ratios = np.array([new.mean() / old.mean() for new, old in pairs])
    has_errors = np.array([old.mean() >= FEW_ERRORS for _, old in pairs])
    return f"{ratios.mean():.3f} ({ratios[has_errors].mean():.3f}; {ratios.max():.2f})"


def summarise(found: dict[Key, dict[str, Judged]], number: int) -> list[str]:
    """Return Markdown lines: ratios of log losses for data sets with all views, and costs."""
    titles = ["network", "views", "of the image", "with its mirror image", f"one, to {BASE}"]
    titles += ["CPU s of features", "of the head", "MB", "sets"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    networks = dict.fromkeys(key[1] for key in found if key[2] == number)
    for network, views in product(networks, VIEWS):
        cells = [each for key, each in found.items() if key[1:] == (network, number)]
        cells = [each for each in cells if MOST in each]
        if not cells:
            continue
        texts = [network, views]
        texts.append(ratio([(each[views].losses_alone, each[MOST].losses) for each in cells]))
        texts.append(ratio([(each[views].losses, each[MOST].losses) for each in cells]))
        pairs = [
            (each[ONE].losses_alone, found[name, BASE, number][ONE].losses_alone)
            for (name, of, size), each in found.items()
            if (of, size) == (network, number) and (name, BASE, number) in found
        ]
        texts.append(ratio(pairs) if views == ONE and network != BASE else "")
        columns = zip(*(each[views][3:] for each in cells))
        features, head, stored = (np.mean(column) for column in columns)
        texts += [f"{features:.1f}", f"{head:.1f}", f"{stored / 1e6:.1f}", str(len(cells))]
        lines.append(f"| {' | '.join(texts)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.views")
    parser.add_argument("clones", type=Path, metavar="FOLDER", help="of clones: OWNER/NAME")
    parser.add_argument("--store", type=Path, help="where rows are kept for another run")
    default = [BASE, "Lite0"]
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=default)
    parser.add_argument("--images", nargs="+", type=int, choices=SIZES, default=SIZES)
    parser.add_argument("--held-out", action="store_true", help="compare on held-out images")
    arguments = parser.parse_args()
    found: dict[Key, dict[str, Judged]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        store = arguments.store or Path(scratch)
        names = sets(arguments.clones)
        for name, (images, changes) in names.items():
            make_project(images, changes, store / name)
        if arguments.held_out:
            for line in compare_held_out(names, store):
                print(line, flush=True)
            return
        for number in arguments.images:
            for name, network in product(names, arguments.networks):
                if judged := measure(store / name, network, number):
                    found[name, network, number] = judged
            print(f"\n{number:,} images\n")
            print("\n".join([*tabulate(found, number), "", *summarise(found, number)]), flush=True)


if __name__ == "__main__":
    main()
