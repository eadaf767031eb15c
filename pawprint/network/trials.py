"""Measure params on training images: the predictions of a head, and what it costs to use them.

As in `train_extract`, a cross-validated head is fitted to the features of each image. If the head
is a logistic regression and nothing is fine-tuned, it uses all views, and otherwise a single view.
Only the features are kept, where the `features` stage finds them.
"""

import functools
import tempfile
import time
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import TRAIN
from pawprint.base.errors import InputError
from pawprint.base.labels import ONE_CLASS, LabelKind
from pawprint.base.runtime import CORES, output_shapes, read_network, write_network
from pawprint.given.archive import Archive
from pawprint.network import feature_reuse
from pawprint.network.cross_validation import cross_validate, open_examples
from pawprint.network.extractor import load_extractor, needs_keras
from pawprint.network.rows import row_function
from pawprint.network.store import StoredExamples, count_shards
from pawprint.network.views import IDENTITY
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code
from pawprint.pipeline.params.model import Params
from pawprint.pipeline.recorded import stored_features

ROUNDS = 20  # number of timings per image


class Sample(NamedTuple):
    """Training images from a project's table SPLIT, and how to fit a head to them.

    `sizes` contains the total number of training images and of other images. `choices` is the
    content of data/cross_validation.json, if there is one: its series count in the comparison.
    """

    folder: Path
    images: pd.DataFrame
    labels: list[str]
    class_weight: str | None
    sizes: tuple[int, int]
    choices: Mapping = {}
    kind: LabelKind = ONE_CLASS


def is_solved(params: Params) -> bool:
    """Return whether the views of images are only used to fit a head."""
    return params.train_extract.epochs is None and not params.model.tunes


def measure(
    params: Params, sample: Sample, archive: Archive, left: float, cpu_ms: dict[str, float]
) -> tuple[np.ndarray, float, float]:
    """Return probabilities, CPU time per image, and the feature extraction time for all images.

    `cpu_ms` caches the times of networks, so that each one is measured only once.
    """
    model = params.model
    images = sample.images
    if left <= 0:
        raise InputError("no time left to measure it; see --minutes")
    if needs_keras(model, params.weights):
        # Importing this module starts TensorFlow, which takes seconds.
        from pawprint.network.hardware import keras

        # This hides progress bars, which would appear between the lines.
        keras.config.disable_interactive_logging()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / paths.EXTRACTOR.name
        extractor = load_extractor(model, params.weights)
        # This writes the same bytes as the `backbone` stage.
        write_network(extractor.network, path, extractor.outputs)
        code = Code(sample.folder).fingerprint(FEATURE_ROW)
        network = read_network(path)
        origin = feature_reuse.origin_of(path, model.resize, code)
    compute = row_function(network, model.resize)
    key = str(origin["network"])
    if key not in cpu_ms:
        cpu_ms[key] = _time(compute, model.image_size)
    augment = params.augment
    one = augment.model_copy(update={"views": 1, "keep_original": True})
    learned = augment if is_solved(params) else one
    seconds = cpu_ms[key] * learned.views * len(images) / CORES / 1000
    if seconds > left:
        raise InputError(
            f"it would take {seconds:,.0f} s, but only {left:,.0f} s are left; see --minutes"
        )
    rows = feature_reuse.place_of_rows(sample.folder / paths.INTERRUPTED_FEATURES, origin)
    place = rows / "try" / str(count_shards(len(images)))
    views_here = functools.partial(feature_reuse.views_of, learned, model.image_size, ())
    computer = feature_reuse.ShardComputer(archive, compute, output_shapes(network), views_here)
    earlier = feature_reuse.earlier_shards(origin, stored_features(sample.folder))
    feature_reuse.write_shards(computer, feature_reuse.tasks(images, TRAIN, place, earlier))
    store = StoredExamples({TRAIN: place}, images, sample.labels, sample.kind)
    examples = open_examples(store, model.features, sample.class_weight)
    training, others = sample.sizes
    passes = augment.views * training + (2 if augment.mirrors(augment.views) else 1) * others
    run_seconds = cpu_ms[key] * passes / CORES / 1000
    return cross_validate(examples).probabilities, cpu_ms[key], run_seconds


def _time(compute: Callable, size: int) -> float:
    """Return the lowest CPU milliseconds per image, because other programs can only add time."""
    image = Image.new("RGB", (size, size))
    once = functools.partial(compute, lambda side: image, [IDENTITY])
    return 1000 * min(timeit.repeat(once, timer=time.process_time, repeat=ROUNDS, number=1))
