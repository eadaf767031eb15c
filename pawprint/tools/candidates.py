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
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import openvino
import pandas as pd
from scipy.special import stdtr
from sklearn.utils.class_weight import compute_sample_weight
from tqdm import tqdm

from pawprint.classes import SIGNIFICANT, Difference, log_losses
from pawprint.engine.mapping import map_in_threads
from pawprint.errors import InputError
from pawprint.features.rows import row_function
from pawprint.features.shards import ShardComputer, interrupted_shards, tasks
from pawprint.features.store import StoredExamples, count_shards
from pawprint.files import read_arrays, replacing, write_arrays
from pawprint.images.archive import Archive
from pawprint.images.decoder import open_image
from pawprint.images.jpeg import side_for
from pawprint.images.pixels import IDENTITY
from pawprint.network.head_weights import kinds_of
from pawprint.network.new_head import open_examples
from pawprint.network.solved_head import cross_validate
from pawprint.params.model import ONNX
from pawprint.params.section import Resize, checked
from pawprint.params.whole import Params
from pawprint.pipeline.fingerprint import Code
from pawprint.runtime.compiled import CORES
from pawprint.runtime.network_file import output_shapes, read_network, write_network
from pawprint.scores.intervals import holm, mean_by_group

TRIED = Path(".dvc/tmp/pawprint-try")  # not where `features` keeps its rows, and removes them
MAX_IMAGES, MIN_OF_CLASS, GROUPS = 2000, 2, 5
TIMED = 16  # images, for the CPU time of one
SQUARE, MOST = 1.05, 0.95  # of the longer side to the shorter, and of the images
HERE = "pawprint/tools/candidates.py"  # which imports all that decides a result
ROWS = "pawprint/features/rows.py"
TODAY = "today"
SMALL = {
    "model.backbone": "MobileNetV2",
    "model.alpha": 0.35,
    "model.fine_tune_at": "block_11_expand",
}
LARGE = {"model.backbone": "EfficientNetV2B0", "model.alpha": None}
# Those of today's backbone keep its `fine_tune_at`.
PRESETS: dict[str, dict] = {
    "fast": SMALL | {"model.image_size": 160},
    "wide": SMALL | {"model.image_size": 160, "model.alpha": 1.0},
    "good": SMALL | {"model.image_size": 288},
    "best": LARGE | {"model.image_size": 224, "model.fine_tune_at": "block6c_expand_conv"},
}


class Candidate(NamedTuple):
    """`changes` are by section and key, as in params.yaml; `params` has them."""

    name: str
    changes: dict[str, dict]
    params: Params


class Sample(NamedTuple):
    """Images of the table SPLIT, and how a head learns from them."""

    archive: Archive
    images: pd.DataFrame
    labels: list[str]
    class_weight: str | None


class Places(NamedTuple):
    """Where `measure` keeps what belongs to a candidate and a sample."""

    network: Path
    rows: Path
    result: Path


class Measured(NamedTuple):
    """Probabilities as of a CrossValidation, and the cost of the model that would be served.

    `megabytes` are those of the weights of network and head. `fit_seconds` is what the head took.
    """

    probabilities: np.ndarray
    cpu_ms: float
    megabytes: float
    fit_seconds: float


class Scores(NamedTuple):
    """`difference` is the log loss minus that of today; where classes are imbalanced, each class
    counts the same in it. `is_significant` is by Holm's method over all candidates.
    """

    accuracy: float
    mean_recall: float
    loss: float
    difference: Difference
    is_significant: bool


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
        for name, values in PRESETS.items():
            if values["model.backbone"] == model["backbone"] or model["fine_tune_at"] is None:
                values = values | {"model.fine_tune_at": model["fine_tune_at"]}
            wanted[name] = values
        if model["backbone"] != ONNX:  # whose file has one size
            larger = min(32 * round(model["image_size"] / 24), 1024)
            wanted["larger"] = {"model.image_size": larger}
        sides = images[["width", "height"]]
        if (sides.max(axis=1) <= SQUARE * sides.min(axis=1)).mean() < MOST:
            wanted |= {how: {"model.resize": how} for how in get_args(Resize)}
    others = [_candidate(name, values, content) for name, values in wanted.items()]
    return [_candidate(TODAY, {}, content), *(other for other in others if other.changes)]


def _candidate(name: str, wanted: dict[str, object], content: dict) -> Candidate:
    """Another network has the weights that Keras publishes, unless others are wanted."""
    changes: dict[str, dict] = {}
    for key, value in wanted.items():
        section, _, inner = key.partition(".")
        if inner not in content[section] or content[section][inner] != value:
            changes.setdefault(section, {})[inner] = value
    if {"backbone", "alpha"} & changes.get("model", {}).keys() and "weights.source" not in wanted:
        published = {"weights.source": "imagenet", "weights.sha256": None, "model.onnx": None}
        return _candidate(name, published | wanted, content)
    merged = {section: values | changes.get(section, {}) for section, values in content.items()}
    return Candidate(name, changes, checked(Params, merged, Path(name), []))


def draw(images: pd.DataFrame) -> pd.DataFrame:
    """About MAX_IMAGES of these images, the same fraction of each class.

    Few change when an image is added, because hashes order the groups. Of a class in large groups,
    such as videos, a part of each of GROUPS or more is taken.
    """
    if len(images) <= MAX_IMAGES:
        return images
    of_hash = images["group"].map(lambda group: hashlib.sha256(group.encode()).hexdigest())
    ordered = images.loc[of_hash.sort_values(kind="stable").index]
    numbers = images["label"].value_counts()
    wanted = (numbers * MAX_IMAGES / len(images)).astype(int).clip(lower=MIN_OF_CLASS)
    most = ordered["label"].map(-(-wanted // GROUPS))
    ordered = ordered[ordered.groupby(["label", "group"]).cumcount() < most]
    is_drawn = ordered.groupby("label").cumcount() < ordered["label"].map(wanted)
    return images.loc[images.index.isin(ordered.index[is_drawn])]


def measure(
    options: list[Candidate], sample: Sample, minutes: float
) -> Iterator[tuple[Candidate, Measured | InputError]]:
    """Each candidate, measured, or why it is not. Raises InputError for the first.

    After the first, one that is expected to take longer than what is left of `minutes` is not.
    """
    end, images, fit_seconds = time.monotonic() + 60 * minutes, len(sample.images), 0.0
    with tqdm(total=len(options) * images, unit="image", leave=False, disable=None) as bar:
        for number, candidate in enumerate(options):
            bar.set_description(candidate.name)
            left = end - time.monotonic() if number else math.inf
            try:
                measured = _measure(candidate.params, sample, left, fit_seconds, bar)
                fit_seconds = float(measured.fit_seconds)
                yield candidate, measured
            except InputError as error:
                if not number:  # the others are compared with it
                    raise
                yield candidate, error
            bar.update((number + 1) * images - bar.n)


def is_measured(candidate: Candidate, sample: Sample) -> bool:
    return _places(candidate.params, sample).result.exists()


@functools.cache
def _fingerprint(module: str) -> str:
    return Code().fingerprint(module)


def _places(params: Params, sample: Sample) -> Places:
    model, made_by = params.model, _fingerprint(HERE)
    built = model.model_dump(exclude={"resize", "features"}), params.weights.model_dump()
    network = _hash(built, made_by)
    rows = _hash(network, model.resize, params.clean.bits, _fingerprint(ROWS))
    drawn = sample.images.to_csv(), sample.labels, sample.class_weight
    return Places(
        TRIED / "networks" / network / "network.xml",
        TRIED / "features" / rows,
        TRIED / "results" / f"{_hash(rows, model.features, drawn, made_by)}.npz",
    )


def _measure(
    params: Params, sample: Sample, left: float, fit_seconds: float, bar: tqdm
) -> Measured:
    model, images = params.model, sample.images
    path, rows, result = _places(params, sample)
    if result.exists():
        return Measured(*read_arrays(result).values())
    if not path.exists():
        # TensorFlow starts here, which takes seconds.
        from pawprint.network.extractor import load_extractor
        from pawprint.network.hardware import keras

        keras.config.disable_interactive_logging()  # of downloads, between the lines of a table
        every_kind = model.model_copy(update={"features": "auto"})
        extractor, outputs, _ = load_extractor(every_kind, params.weights, has_cut=False)
        with replacing(path.parent) as folder:
            folder.mkdir()
            write_network(extractor, folder / path.name, outputs)
    network = read_network(path)
    run, kinds = row_function(network, model.resize), output_shapes(network)
    paths, side = images["path"].iloc[:: -(-len(images) // TIMED)], side_for(model.image_size)
    seconds = sum(_cpu_ms(run, sample, paths, side)) * len(images) / CORES / 1000 + fit_seconds
    if seconds > left:
        raise InputError(
            f"expected to take {seconds:,.0f} s, of which {max(left, 0):,.0f} are left. See "
            "--minutes"
        )
    folder = rows / str(count_shards(len(images)))
    folder.mkdir(parents=True, exist_ok=True)
    one_view = params.augment.model_copy(update={"views": 1, "keep_original": True})
    computer = ShardComputer(sample.archive, run, kinds, one_view, model.image_size)
    for done, _ in map_in_threads(computer, tasks(images, folder, interrupted_shards(rows))):
        bar.update(done)
    store = StoredExamples(folder, images, sample.labels)
    examples = open_examples(store, model.features, sample.class_weight)
    start = time.monotonic()
    cross_validation = cross_validate(examples)
    fit_seconds = time.monotonic() - start
    has_blocks = examples.takes_blocks(cross_validation)
    if not has_blocks:
        top = network.output("top").get_node().input_value(0)
        network = openvino.Model([top], network.get_parameters())
        run = row_function(network, model.resize)
    weights = sum(node.data.nbytes for node in network.get_ops() if hasattr(node, "data"))
    columns = sum(math.prod(kinds[kind]) for kind in kinds_of(has_blocks))
    weights += 4 * (columns + 1) * (1 if examples.classes == 2 else examples.classes)
    _, cpu_ms = _cpu_ms(run, sample, paths, side)
    measured = Measured(cross_validation.probabilities, cpu_ms, weights / 1e6, fit_seconds)
    write_arrays(result, **measured._asdict())
    return measured


def _cpu_ms(run: Callable, sample: Sample, paths: Iterable[str], side: int) -> np.ndarray:
    """CPU milliseconds of all cores for an image: of decoding, and of the rest."""
    seconds = []
    for path in paths:
        start = time.process_time()
        picture = open_image(sample.archive, path, side)
        decoded = time.process_time()
        run(lambda _, picture=picture: picture, [IDENTITY])
        seconds.append((decoded - start, time.process_time() - decoded))
    return 1000 * np.mean(seconds, axis=0)


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def score(measured: list[Measured], sample: Sample) -> list[Scores]:
    """The scores of each, the first of which is today's."""
    images = sample.images
    actual = pd.Index(sample.labels).get_indexer(images["label"])
    judged = ~np.isnan([result.probabilities[:, 0] for result in measured]).any(axis=0)
    actual, groups = actual[judged], images["group"].to_numpy()[judged]
    weights = compute_sample_weight(sample.class_weight, actual)
    scores, p_values, today = [], [], None
    for result in measured:
        probabilities = result.probabilities[judged]
        losses = weights * log_losses(actual, probabilities)
        today = losses if today is None else today
        gains = mean_by_group(losses - today, groups)
        difference = Difference.of(gains, np.zeros_like(gains))
        correct = pd.Series(probabilities.argmax(axis=1) == actual)
        recall = correct.groupby(actual).mean().mean()
        scores.append(Scores(correct.mean(), recall, losses.mean(), difference, False))
        t = -abs(difference.mean) / difference.error if difference.error else 0
        p_values.append(float(2 * stdtr(difference.images - 1, t)))
    levels = holm(p_values[1:], SIGNIFICANT)
    significant = [False, *(p < level for p, level in zip(p_values[1:], levels))]
    return [row._replace(is_significant=is_so) for row, is_so in zip(scores, significant)]


def winner(scores: list[Scores]) -> int:
    """The index of the lowest log loss that is significantly lower than today's, or 0, today."""
    better = [n for n, row in enumerate(scores) if row.is_significant and row.difference.mean < 0]
    return min(better, key=lambda index: scores[index].loss, default=0)
