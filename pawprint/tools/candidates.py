"""Candidates for the backbone and its images, measured on training images.

A candidate is params in place of those of today. A cross-validated head, as in `train_extract`, is
fitted to the features of one view of each image. Networks, features and results stay in TRIED, so
that a second call computes nothing twice.
"""

import functools
import hashlib
import itertools
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import openvino
import pandas as pd

from pawprint.errors import InputError, NoWeightsError
from pawprint.features.rows import row_function
from pawprint.features.shards import (
    ShardComputer,
    interrupted_shards,
    tasks,
    training_views,
    write_shards,
)
from pawprint.features.store import StoredExamples, count_shards
from pawprint.files import read_arrays, read_text, replacing, write_arrays, write_text
from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image
from pawprint.images.formats import IDENTITY, side_for
from pawprint.network.cross_validation import cross_validate, open_examples
from pawprint.network.heads import kinds_of
from pawprint.params.model import AUTO, ONNX, PACKAGES, Params
from pawprint.params.section import Resize, check_content
from pawprint.pipeline.fingerprint import Code
from pawprint.runtime import CORES, output_shapes, read_network, write_network

TRIED = Path(".dvc/tmp/pawprint-try")  # not where `features` keeps its rows, and removes them
MAX_IMAGES, MIN_OF_CLASS = 2000, 2
# What a candidate takes: to build its network, and CPU time for an image.
START_SECONDS, MS_OF_DECODING, MS_AT_224 = 4, 3, 10
TIMED, ROUNDS = 8, 5  # images, and how often each, for the CPU time of one
SQUARE, MOST = 1.05, 0.95  # of the longer side to the shorter, and of the images
TODAY = "today"
FAST, WIDE = ({"model.backbone": "MobileNetV2", "model.alpha": alpha} for alpha in (0.35, 1.0))
LITE, LITE2, DEEP = (
    {"model.backbone": backbone, "model.alpha": None}
    for backbone in ("EfficientNetLite0", "EfficientNetLite2", "EfficientNetV2B0")
)
PRESETS: dict[str, dict] = {
    "fast": FAST | {"model.image_size": 160},
    "wide": WIDE | {"model.image_size": 160},
    "default": WIDE | {"model.image_size": 224},  # of `pawprint init`
    "lite": LITE | {"model.image_size": 224},
}
# One of these is tried, too: the first if its package is installed, or else what Keras downloads.
DEAREST = {"lite2": LITE2 | {"model.image_size": 260}, "deep": DEEP | {"model.image_size": 224}}


class Candidate(NamedTuple):
    """`changes` are by key, such as `model.alpha`; `params` has them."""

    name: str
    changes: dict[str, object]
    params: Params


class Sample(NamedTuple):
    """Images of the table SPLIT, and how a head learns from them."""

    archive: Archive
    images: pd.DataFrame
    labels: list[str]
    class_weight: str | None


class Measurement(NamedTuple):
    """Probabilities as of a CrossValidation, and what of the network would be served.

    `megabytes` are those of the weights of network and head. `fit_seconds` are CPU seconds of the
    head.
    """

    probabilities: np.ndarray
    megabytes: float
    fit_seconds: float
    has_blocks: bool


def candidates(content: dict, choices: Mapping[str, list], images: pd.DataFrame) -> list[Candidate]:
    """Today's params, then each combination of `choices`, or the default candidates.

    `content` is that of params.yaml; choices are values by key, such as `model.image_size`.
    `images` has `width` and `height`: of square ones every `model.resize` gives the same. Raises
    InputError for wrong choices.
    """
    model, wanted = content["model"], {}
    if choices:
        shown = [key for key, values in choices.items() if len(values) > 1] or list(choices)
        for values in itertools.product(*choices.values()):
            params = dict(zip(choices, values))
            wanted[",".join(f"{key.split('.')[-1]}={params[key]}" for key in shown)] = params
    else:
        is_there = any(distributions(name=PACKAGES["EfficientNetLite2"]))
        dearest = "lite2" if is_there else "deep"
        wanted |= PRESETS | {dearest: DEAREST[dearest]}
        if model["backbone"] != ONNX:  # whose file has one size
            larger = min(32 * round(model["image_size"] / 24), 1024)
            wanted["larger"] = {"model.image_size": larger}
        sides = images[["width", "height"]]
        if (sides.max(axis=1) <= SQUARE * sides.min(axis=1)).mean() < MOST:
            wanted |= {how: {"model.resize": how} for how in get_args(Resize)}
    found = [_candidate(TODAY, {}, content)]
    for name, values in wanted.items():
        candidate = _candidate(name, values, content)
        if all(candidate.changes != other.changes for other in found):
            found.append(candidate)
    return found


def _candidate(name: str, wanted: dict[str, object], content: dict) -> Candidate:
    """Another network has the published weights, unless others are wanted.

    Another backbone has no layer of the name in `fine_tune_at`, so that is AUTO there.
    """
    model = content["model"]
    is_new = [wanted.get(f"model.{key}", model[key]) != model[key] for key in ("backbone", "alpha")]
    if is_new[0] and model["fine_tune_at"] is not None:
        wanted = {"model.fine_tune_at": AUTO} | wanted
    if any(is_new) and "weights.source" not in wanted:
        weights = {"weights.source": "imagenet", "weights.sha256": None, "model.onnx": None}
        wanted = weights | wanted
    merged = {section: dict(values) for section, values in content.items()}
    changes = {}
    for key, value in wanted.items():
        section, _, inner = key.partition(".")
        if content[section].get(inner) != value:
            changes[key] = value
        merged[section][inner] = value
    return Candidate(name, changes, check_content(Params, merged, Path(name), []))


def draw(images: pd.DataFrame) -> pd.DataFrame:
    """About MAX_IMAGES of these images, the same fraction of each class.

    Few change when an image is added, because the hashes of their pixels decide.
    """
    if len(images) <= MAX_IMAGES:
        return images
    numbers = images["label"].value_counts()
    wanted = (numbers * MAX_IMAGES / len(images)).astype(int).clip(lower=MIN_OF_CLASS)
    place = images.groupby("label")["pixels_sha256"].rank(method="first")
    return images[place <= images["label"].map(wanted)]


def describe_params(candidate: Candidate) -> str:
    """Such as "alpha=0.35 image_size=160"."""
    values = {key: "null" if value is None else value for key, value in candidate.changes.items()}
    return " ".join(f"{key.split('.')[1]}={value}" for key, value in values.items())


def measure(
    options: list[Candidate], sample: Sample, minutes: float
) -> Iterator[tuple[Candidate, Measurement | InputError]]:
    """Each candidate, measured, or why it is not.

    Raises InputError for the first, but for one without weights.

    After the first, one that is expected to take longer than what is left of `minutes` is not. With
    0 minutes, none is that is not stored. A line on stderr says before how long it takes, others
    when a candidate begins.
    """
    if minutes:
        _prune()
        seconds, images = _expected_seconds(options, sample), len(sample.images)
        print(
            f"try: {len(options)} candidates on {images:,} images: about {seconds:,.0f} s, at most "
            f"about {minutes:g} minutes (--minutes)",
            file=sys.stderr,
        )
    end, fit_seconds = time.monotonic() + 60 * minutes, 0.0
    for number, candidate in enumerate(options):
        if minutes:
            words = dict.fromkeys([candidate.name, describe_params(candidate)])  # of -S, equal
            begun = f"{number + 1} of {len(options)}: {' '.join(words)}"
            print(f"try: {begun.rstrip()}", file=sys.stderr)
        left = end - time.monotonic() if number or not minutes else math.inf
        try:
            measured = _measure(candidate.params, sample, left, fit_seconds)
            fit_seconds = float(measured.fit_seconds)
            yield candidate, measured
        except InputError as error:
            if not number and not isinstance(error, NoWeightsError):
                raise  # the others are compared with it
            yield candidate, error


def _expected_seconds(options: Sequence[Candidate], sample: Sample) -> float:
    """Return about how long those take that are not stored, if networks cost what PRESETS do."""
    seconds = 0.0
    for candidate in options:
        *_, result = _places(candidate.params, sample)
        if not result.exists():
            cpu_ms = MS_OF_DECODING + MS_AT_224 * (candidate.params.model.image_size / 224) ** 2
            seconds += START_SECONDS + len(sample.images) * cpu_ms / CORES / 1000
    return seconds


@functools.cache
def _tried() -> Path:
    """The folder in TRIED for all code that decides a result: this module imports it."""
    return TRIED / _hash(Code().fingerprint("pawprint/tools/candidates.py"))


def _prune() -> None:
    """Remove what other code has measured: an earlier version, or this one before an edit."""
    for path in TRIED.iterdir() if TRIED.exists() else ():
        if path != _tried():
            shutil.rmtree(path)


def _places(params: Params, sample: Sample) -> tuple[Path, Path, Path]:
    """Where the network of these params, the rows of its features and the result are kept."""
    model = params.model
    built = model.model_dump(exclude={"resize", "features"}), params.weights.model_dump()
    network = _hash(built)
    rows = _hash(network, model.resize, params.clean.bits)
    drawn = sample.images.to_csv(), sample.labels, sample.class_weight
    tried = _tried()
    result = tried / "results" / f"{_hash(rows, model.features, drawn)}.npz"
    return tried / "networks" / network / "network.xml", tried / "features" / rows, result


def _measure(params: Params, sample: Sample, left: float, fit_seconds: float) -> Measurement:
    model, images = params.model, sample.images
    path, rows, result = _places(params, sample)
    if result.exists():
        return Measurement(*(array[()] for array in read_arrays(result).values()))
    missing = path.with_name("no_weights.txt")
    if left <= 0:
        if missing.exists():  # when they were last asked for
            raise NoWeightsError(read_text(missing))
        raise InputError("no time is left to measure it. See --minutes")
    if not path.exists():
        # TensorFlow starts here, which takes seconds.
        from pawprint.network.backbone import load_extractor
        from pawprint.network.hardware import keras

        keras.config.disable_interactive_logging()  # of downloads, between the lines of a table
        every_kind = model.model_copy(update={"features": "auto"})
        try:
            extractor, outputs, _ = load_extractor(every_kind, params.weights, has_cut=False)
        except NoWeightsError as error:
            write_text(missing, str(error))
            raise
        with replacing(path.parent) as folder:
            folder.mkdir()
            write_network(extractor, folder / path.name, outputs)
    network = read_network(path)
    run, kinds = row_function(network, model.resize), output_shapes(network)
    seconds = (
        _cpu_ms([run], [side_for(model.image_size)], sample, 1).sum() * len(images) / CORES / 1000
        + fit_seconds
    )
    if seconds > left:
        raise InputError(
            f"expected to take {seconds:,.0f} s, of which {left:,.0f} are left. See --minutes"
        )
    folder = rows.absolute() / str(count_shards(len(images)))
    one_view = params.augment.model_copy(update={"views": 1, "keep_original": True})
    views_of = training_views(one_view, model.image_size)
    computer = ShardComputer(sample.archive, run, kinds, views_of)
    write_shards(computer, tasks(images, folder, interrupted_shards(rows.absolute())), folder)
    store = StoredExamples(folder, images, sample.labels)
    examples = open_examples(store, model.features, sample.class_weight)
    start = time.process_time()  # of one thread, which other programs do not make longer
    cross_validation = cross_validate(examples)
    fit_seconds = time.process_time() - start
    has_blocks = cross_validation.has_blocks
    served = _served_part(path, has_blocks)
    weights = sum(node.data.nbytes for node in served.get_ops() if hasattr(node, "data"))
    columns = sum(math.prod(kinds[kind]) for kind in kinds_of(has_blocks))
    weights += 4 * (columns + 1) * (1 if examples.classes == 2 else examples.classes)
    measured = Measurement(cross_validation.probabilities, weights / 1e6, fit_seconds, has_blocks)
    write_arrays(result, **measured._asdict())
    return measured


def _served_part(path: Path, has_blocks: bool) -> openvino.Model:
    """The part of a network that a head takes features of."""
    network = read_network(path)
    if has_blocks:
        return network
    top = network.output("top").get_node().input_value(0)
    return openvino.Model([top], network.get_parameters())


def time_in_turn(
    pairs: Sequence[tuple[Candidate, Measurement]], sample: Sample, *, is_measured: bool
) -> np.ndarray:
    """CPU milliseconds for an image: of decoding, and of each candidate, `(1 + pairs,)`.

    Raises InputError if they are not stored, unless `is_measured`.
    """
    models = [option.params.model for option, _ in pairs]
    how = [(_places(option.params, sample)[0], bool(result.has_blocks)) for option, result in pairs]
    made_of = sample.images.to_csv(), str(how), [model.resize for model in models]
    path = _tried() / "times" / f"{_hash(*made_of)}.npz"
    if not path.exists():
        if not is_measured:
            raise InputError("expected the times of an image, which were not measured")
        runs = [row_function(_served_part(*each), model.resize) for each, model in zip(how, models)]
        sides = [side_for(model.image_size) for model in models]
        write_arrays(path, cpu_ms=_cpu_ms(runs, sides, sample))
    return read_arrays(path)["cpu_ms"]


def _cpu_ms(
    runs: Sequence[Callable], sides: Sequence[int], sample: Sample, rounds: int = ROUNDS
) -> np.ndarray:
    """CPU milliseconds of all cores for an image: of decoding for the first, and of each of `runs`.

    They take turns, and the lowest time of each image counts: another program makes any longer.
    """
    paths = sample.images["path"].iloc[:: -(-len(sample.images) // TIMED)]
    seconds = np.empty((rounds, len(paths), 1 + len(runs)))
    for image, path in enumerate(paths):
        pictures = {side: open_image(sample.archive, path, side) for side in sides}
        for times in seconds[:, image]:
            start = time.process_time()
            open_image(sample.archive, path, sides[0])
            times[0] = time.process_time() - start
            for number, (run, side) in enumerate(zip(runs, sides), 1):
                start = time.process_time()
                run(lambda _, picture=pictures[side]: picture, [IDENTITY])
                times[number] = time.process_time() - start
    return 1000 * seconds.min(axis=0).mean(axis=0)


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
