"""Rank candidates for the backbone and the image size on training images.

`candidates_of` lists the candidates with the params that each one changes, `measure_each` measures
them, and `choose` picks one. The caller writes the chosen changes with `set_params` in
commands/params_file.py.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import IMAGES, SPLIT
from pawprint.base.errors import InputError, NoWeightsError
from pawprint.base.files import read_json
from pawprint.base.package import python_in, require_current
from pawprint.base.tables import read_table, training_images
from pawprint.base.yaml_file import read_mapping
from pawprint.given.archive import open_archive
from pawprint.network import trials
from pawprint.pipeline.params.model import AUTO, PACKAGES, WIDTHS, Params
from pawprint.pipeline.params.section import Resize, check_content
from pawprint.scores.series import with_groups
from pawprint.scores.verdict import ModelComparison, compare, pair_probabilities

MAX_IMAGES = 2000
SQUARE = 1.05  # maximum ratio of the longer to the shorter side
MOST = 0.95  # with more square images, resizing methods are not tried
CHEAPER = 0.9  # maximum ratio to the current run time
MARGIN = 0.01  # maximum distance from the lowest log loss
LARGER = 3  # number of larger image sizes; each takes nearly twice as long as the one before
MAX_SIZE = 1024
TODAY = "today"
VIEWS = "augment.views"
MORE_VIEWS = 4  # `pawprint init` sets a single view; see docs/decisions/37
# Either lite2 or deep is tried: lite2 if its package is installed, otherwise a download from Keras.
PRESETS = {
    "fast": ("MobileNetV2", 0.35, 160),
    "wide": ("MobileNetV2", 1.0, 160),
    "full": ("MobileNetV2", 1.0, 224),
    "lite0": ("EfficientNetLite0", None, 224),  # as in `pawprint init`
    "lite2": ("EfficientNetLite2", None, 260),
    "deep": ("EfficientNetV2B0", None, 224),
}


class Candidate(NamedTuple):
    """Params, and their `changes` keyed by param, such as `model.alpha`."""

    name: str
    changes: dict[str, object]
    params: Params


def candidates_of(folder: Path, choices: Mapping[str, list]) -> list[Candidate]:
    """Return a project's current params, then each combination of `choices` or the defaults.

    `choices` maps keys, such as `model.image_size`, to values. Raises InputError if they are wrong.
    """
    content = read_mapping(folder / paths.PARAMS)
    found = [_candidate(TODAY, {}, content, folder)]
    today = found[0].params
    images = read_table(folder / paths.IMAGES_CSV, IMAGES)
    wanted = _combinations(choices) if choices else _defaults(today, images)
    for name, values in wanted.items():
        candidate = _candidate(name, values, content, folder)
        if all(candidate.changes != other.changes for other in found):
            found.append(candidate)
    return found


def _combinations(choices: Mapping[str, list]) -> dict[str, dict]:
    shown = [key for key, values in choices.items() if len(values) > 1] or list(choices)
    combined = [dict(zip(choices, values)) for values in itertools.product(*choices.values())]
    texts = [[f"{key.split('.')[-1]}={params[key]}" for key in shown] for params in combined]
    return {",".join(text): params for text, params in zip(texts, combined)}


def _defaults(today: Params, images: pd.DataFrame) -> dict[str, dict]:
    """Return the changes of each default candidate, given the images' `width` and `height`.

    On square images, all methods of `model.resize` have the same effect.
    """
    model = today.model
    has_lite2 = any(distributions(name=PACKAGES["EfficientNetLite2"]))
    keys = ("model.backbone", "model.alpha", "model.image_size")
    wanted = {name: dict(zip(keys, values)) for name, values in PRESETS.items()}
    del wanted["deep" if has_lite2 else "lite2"]
    sides = images[["width", "height"]]
    if (sides.max(axis=1) <= SQUARE * sides.min(axis=1)).mean() < MOST:
        wanted |= {resize: {"model.resize": resize} for resize in get_args(Resize)}
    if model.onnx is None:  # an ONNX file has a fixed size
        wanted |= {f"{size}px": {"model.image_size": size} for size in _larger(model.image_size)}
    if not trials.is_solved(today):
        return wanted
    # Other networks use one view, as in a new project, because four views take four times as long.
    wanted = {name: values | {VIEWS: 1} for name, values in wanted.items()}
    return {"views": {VIEWS: MORE_VIEWS if today.augment.views == 1 else 1}} | wanted


def _larger(size: int) -> list[int]:
    """Return larger image sizes, each by about a third, in multiples of 32."""
    sizes = [size]
    while len(sizes) <= LARGER and sizes[-1] < MAX_SIZE:
        sizes.append(min(32 * round(sizes[-1] / 24), MAX_SIZE))
    return sizes[1:]


def _candidate(name: str, wanted: dict[str, object], content: dict, folder: Path) -> Candidate:
    """Return a candidate. Another network uses its published weights, unless `weights` are set.

    For another backbone, `fine_tune_at` is set to AUTO unless it is null, and `alpha` to the full
    width if the backbone lacks the current one.
    """
    model = content["model"]
    is_new = [wanted.get(f"model.{key}", model[key]) != model[key] for key in ("backbone", "alpha")]
    if is_new[0]:
        backbone = str(wanted["model.backbone"])
        if model["fine_tune_at"] is not None:
            wanted = {"model.fine_tune_at": AUTO} | wanted
        if model["alpha"] not in WIDTHS.get(backbone, (None,)):
            wanted = {"model.alpha": 1.0 if backbone in WIDTHS else None} | wanted
    if any(is_new) and "weights.source" not in wanted:
        wanted = {"weights.source": "imagenet", "weights.sha256": None, "model.onnx": None} | wanted
    merged = {section: dict(values) for section, values in content.items()}
    changes = {}
    for key, value in wanted.items():
        section, _, inner = key.partition(".")
        if content[section].get(inner) != value:
            changes[key] = value
        merged[section][inner] = value
    params = check_content(Params, merged, Path(name), [])
    weights = params.weights.in_folder(folder)
    return Candidate(name, changes, params.model_copy(update={"weights": weights}))


def require_images(folder: Path) -> None:
    """Run `dvc repro split` in a project if its images are missing.

    Raises InputError if this fails, or if an earlier version made the project.
    """
    require_current(folder)
    needed = [folder / path for path in (paths.SPLIT_CSV, paths.IMAGES_CSV, paths.RAW_ARCHIVES)]
    if all(path.exists() for path in needed):
        return
    command = [*python_in(folder), "-m", "dvc", "repro", "split"]
    is_failed = subprocess.run(command, cwd=folder, stdout=sys.stderr).returncode
    if is_failed or not all(path.exists() for path in needed):
        raise InputError(f"{needed[0]}: expected images. In a clone, run `dvc pull` first.")


def draw_sample(folder: Path, params: Params) -> trials.Sample:
    """Return at most MAX_IMAGES training images of a project with these params."""
    labels: list[str] = read_json(folder / paths.LABELS_JSON)
    kind = params.clean.kind
    if problem := kind.problem_of_labels(labels):
        raise InputError(
            f"cannot try candidates: labels are missing: {problem}. Label photos with `pawprint "
            "app`."
        )
    split = read_table(folder / paths.SPLIT_CSV, SPLIT)
    of_training = split.loc[split["split"] == "train", "label"]
    weight = params.train_extract.weight_for(of_training) if kind.exclusive else None
    images = training_images(split, MAX_IMAGES).sort_index()
    training = int((split["split"] == "train").sum())
    path = folder / paths.CROSS_VALIDATION_JSON
    choices = read_mapping(path) if path.exists() else {}
    sizes = training, len(split) - training
    return trials.Sample(folder, images, labels, weight, sizes, choices, kind)


class Measured(NamedTuple):
    """A candidate with its scores, on the images that both it and the first row predict.

    `probabilities` are `(images, classes)`, with NaN for images without a prediction. `cpu_ms` is
    the CPU time per image over all cores, and `seconds` is a run's feature extraction time for all
    images. `comparison` compares the candidate with the first row, and is None for the first row
    itself.
    """

    candidate: Candidate
    probabilities: np.ndarray
    cpu_ms: float
    seconds: float
    accuracy: float
    loss: float
    comparison: ModelComparison | None

    @property
    def verdict(self) -> str:
        """The verdict of the comparison, or "" for the first row."""
        return self.comparison.verdict if self.comparison else ""


def measure_each(
    options: Sequence[Candidate], sample: trials.Sample, minutes: float, level: float
) -> Iterator[tuple[Candidate, Measured | InputError]]:
    """Yield each candidate with its row or, without one, the reason: no time left, or an error.

    Each is tested at this level. Raises InputError if the first candidate fails for any reason
    other than missing weights. The start of each candidate is reported on stderr.
    """
    end = time.monotonic() + 60 * minutes
    cpu_ms: dict[str, float] = {}
    first = None
    with open_archive(sample.folder / paths.RAW_ARCHIVES, options[0].params.clean.bits) as archive:
        for number, option in enumerate(options):
            print(f"try: {number + 1} of {len(options)}: {option.name}", file=sys.stderr)
            left = end - time.monotonic() if number else float("inf")
            try:
                measured = trials.measure(option.params, sample, archive, left, cpu_ms)
            except InputError as error:
                if not number and not isinstance(error, NoWeightsError):
                    raise
                yield option, error
                continue
            row = row_of(option, measured, first, sample, level)
            first = first or row
            yield option, row


def row_of(
    candidate: Candidate,
    measured: tuple[np.ndarray, float, float],
    first: Measured | None,
    sample: trials.Sample,
    level: float,
) -> Measured:
    """Return a candidate's row, compared with the first row, if any, at a given level."""
    new, cpu_ms, seconds = measured
    actual = sample.kind.encode(sample.images["label"], sample.labels)
    both = (first.probabilities if first else new), new
    groups = with_groups(sample.images, sample.choices)["group"].to_numpy()
    pairs = pair_probabilities(actual, both, groups)
    compared = compare([{"images": pairs}], 1 - level, sample.kind) if first else [None]
    scores = (pairs["predicted"] == pairs["actual"]).mean(), pairs["loss"].to_numpy().mean()
    return Measured(candidate, new, cpu_ms, seconds, *scores, compared[0])


def choose(rows: Sequence[Measured]) -> Measured:
    """Return the row to use: the cheapest with a log loss within MARGIN of the lowest.

    A row must be significantly better than the first, or take at most CHEAPER of its time.
    """
    first = rows[0]
    others = [r for r in rows[1:] if r.verdict == "better" or r.seconds <= CHEAPER * first.seconds]
    considered = [first, *others]
    highest = min(row.loss for row in considered) + MARGIN
    good = [row for row in considered if row.loss <= highest]
    return min(good, key=lambda row: (row.seconds, row.loss))
