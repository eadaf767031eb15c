"""The `score` command."""

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import IMAGES, METADATA, SPLIT, TRAIN
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.folds import find, join_keys
from pawprint.base.labels import ONE_CLASS, RESERVED, UNKNOWN, UNLABELLED, LabelKind
from pawprint.base.tables import read_table
from pawprint.base.yaml_file import read_mapping
from pawprint.commands import add_format, add_model, align, open_output
from pawprint.data.labels import without_duplicates
from pawprint.data.near_duplicates import near_duplicates
from pawprint.given.decoding.content import perceptual_hash
from pawprint.given.folders import OUTER, folders_of, label_and_split
from pawprint.given.metadata_csv import is_metadata, parse_metadata_csv
from pawprint.given.names import first_split, is_unlabelled
from pawprint.model.metadata import Metadata
from pawprint.model.predictor import (
    Prediction,
    Predictor,
    default_model,
    load_predictor,
    names_below,
    predict_each,
    take_images,
)
from pawprint.pipeline.params.data import Clean, Split
from pawprint.report.pages import describe_score
from pawprint.scores import metrics
from pawprint.scores.calibration import decide
from pawprint.scores.slices import Slice, score_slices

MOST_WRONG = 20  # in a table
NEAR = 8  # distance of near-duplicates without a project, as in new ones
SLICE_COLUMNS = ["photos with", "photos", "right", "same classes elsewhere", "p"]
TRAINED_ON = "in the training images, or near-duplicates of them"


class Scored(NamedTuple):
    """The result of `score`.

    `scores` has the SCORES columns after `split`, and `slices` are from `score_slices`. `wrong` has
    the `path`, `label` and `predicted` class of each photo whose class is not its label. `left_out`
    counts photos by reason, with the words of `clean`. `failed` has the rows of `predict_each` with
    an error. `has_training` says whether photos were compared with the project's training images.
    """

    scores: pd.DataFrame
    wrong: pd.DataFrame
    left_out: dict[str, int]
    failed: list[dict]
    has_training: bool
    slices: list[Slice]


def score(project: Path, predictor: Predictor, folder: Path) -> Scored:
    """Return the scores that `evaluate` computes, for the labelled photos in a folder.

    Copies count once, or not at all if their labels differ. Photos that trained the project's last
    run, and their near-duplicates, are left out. In intervals, photos that are not independent
    count as one, as in a run: near-duplicates, those with the same `group` in metadata.csv or by
    `split.group`, and those of a series that the run has named. Photos labelled UNKNOWN show none
    of the classes. Raises InputError if no photo of a class remains.
    """
    metadata = predictor.metadata
    photos = find_photos(project, folder, metadata.labels, metadata.kind)
    labelled = photos.dropna(subset="label")
    rows = [*predict_each(predictor, [folder / path for path in labelled["path"]], _with_hash)]
    failed = [row for row in rows if row["error"]]
    columns = ["prediction", "pixels_sha256", "perceptual_hash"]
    usable = labelled.join(pd.DataFrame(rows, labelled.index, columns)).dropna(subset=columns)
    images, copies = without_duplicates(usable.assign(archive_split=""))
    has_training = (project / paths.SPLIT_CSV).exists() and (project / paths.IMAGES_CSV).exists()
    is_known = _are_trained_on(images, project) if has_training else pd.Series(False, images.index)
    others = photos.loc[photos["label"].isna(), "named"]
    others = others[~others.isin(["", *RESERVED])]
    names = [_with_likely(name, metadata.labels) for name in sorted({*others})]
    left_out = {UNLABELLED: len(photos) - len(labelled) - len(others)}
    if names:
        not_classes = f"with labels that are not classes of the model ({name_some(names)})"
        left_out[not_classes] = len(others)
    left_out |= copies["reason"].value_counts().to_dict() | {TRAINED_ON: int(is_known.sum())}
    images = _with_groups(images[~is_known], project)
    is_of_class = images["label"] != UNKNOWN
    if not is_of_class.any():
        counts = ", ".join(f"{number:,} {reason}" for reason, number in left_out.items())
        raise InputError(
            f"{printable(str(folder))}: expected photos of {', '.join(metadata.labels)}. Received: "
            f"none, with {len(failed):,} unusable files. Left out: {counts}."
        )
    known, unknown = images[is_of_class], images[~is_of_class]
    predictions = _predictions(known, metadata)
    wrong = known.assign(predicted=predictions.names)[["path", "label", "predicted"]]
    scores = metrics.tabulate_scores(predictions)
    of_known, of_unknown = (_unknown_scores(each) for each in (known, unknown))
    groups = np.append(unknown["group"], predictions.groups)
    rows = metrics.measure_unknown(of_unknown, of_known, metadata.unknown_threshold, groups)
    scores = pd.concat([scores, rows], ignore_index=True) if len(rows) else scores
    every = known.assign(actual=known["label"], wrong=~predictions.is_right)
    cells = [
        (path, *cell) for path, of in zip(known["path"], known["further"]) for cell in of.items()
    ]
    tags = pd.DataFrame(cells, columns=list(METADATA))
    slices = score_slices(tags, every, metadata.kind)
    return Scored(scores, wrong[every["wrong"]], left_out, failed, has_training, slices)


def _with_likely(name: str, labels: list[str]) -> str:
    near = difflib.get_close_matches(name, labels, n=1)
    return f"{name}: did you mean {near[0]}?" if near else name


def find_photos(
    project: Path, folder: Path, labels: list[str], kind: LabelKind = ONE_CLASS
) -> pd.DataFrame:
    """Return the images in a folder and its subfolders, sorted by path.

    The columns are `path`, relative to the folder; `label`, which is one of the model's `labels`,
    UNKNOWN or None; `named`, the label in metadata.csv, the folder in its place, or ""; `group`,
    from metadata.csv or the image alone; and `further`, a dict of its other cells. Folders of
    classes have the names in `clean.labels` of the project, or are named after the labels. With
    several labels, a label is a cell of them, in metadata.csv. Raises InputError without the
    folder, or if no image has a label.
    """
    if not folder.is_dir():
        raise InputError(f"{printable(str(folder))}: no such folder. Check the path.")
    params = project / paths.PARAMS
    clean = Clean.load(path=params) if params.exists() else None
    folder_names = clean.labels if clean else "auto"
    named = folder_names if isinstance(folder_names, dict) else {}
    folder_of = {name.lower(): label for label in labels for name in (label, *named.get(label, ()))}
    names = sorted(name for name in names_below(folder) if (folder / name).is_file())
    rows = parse_metadata_csv(str(folder), names, lambda name: (folder / name).read_bytes())
    listed = rows or {}
    images = take_images(folder, [name for name in names if not is_metadata(name)], listed)
    is_outer = folder_names == OUTER
    folders = [folders_of(name, rows) for name in images]
    places = [label_and_split(each, folder_of, is_outer) for each in folders]
    photos = pd.DataFrame({"path": images, "label": [place.label or None for place in places]})
    photos["named"] = [_named(each, is_outer) for each in folders]
    photos["group"] = [(name in listed and listed[name].group) or f"/{name}" for name in images]
    photos["further"] = [listed[name].further if name in listed else {} for name in images]
    known = ", ".join(labels)
    expected = f"images in folders named {known}, or a metadata.csv with these labels"
    if not kind.exclusive:
        cells = [listed[name].label if name in listed else "" for name in images]
        not_asked = {*clean.not_asked} & {*labels} if clean else set()
        cells = [kind.complete(cell, not_asked) for cell in cells]
        photos["label"] = [_known_cell(cell, labels, kind) for cell in cells]
        expected = f"a metadata.csv with the labels {known}"
    if photos["label"].isna().all():
        raise InputError(
            f"{printable(str(folder))}: expected {expected}. Received: {len(images):,} images "
            "without them."
        )
    return photos


def _known_cell(cell: str, labels: list[str], kind: LabelKind) -> str | None:
    states = kind.states_in(cell)
    is_open = [*states.values()].count(-1) == len(labels)
    is_of_model = states.keys() <= {*labels} and not is_open
    return kind.written(states) if is_of_model or {*states} == {UNKNOWN} else None


def _named(folders: list[str], is_outer: bool) -> str:
    """Return the label that these folders, innermost first, name in this reading, or ""."""
    names = [name for name in folders if not first_split([name])]
    if not names or any(map(is_unlabelled, names)):
        return ""
    return names[-1 if is_outer else 0]


def _with_hash(image: Image.Image, prediction: Prediction) -> dict:
    return {"prediction": prediction, "perceptual_hash": perceptual_hash(np.asarray(image))}


def _are_trained_on(images: pd.DataFrame, project: Path) -> pd.Series:
    """Return whether each image has the pixels of a training image, or looks like one, as bool."""
    split = read_table(project / paths.SPLIT_CSV, SPLIT)
    hashes = read_table(project / paths.IMAGES_CSV, IMAGES).set_index("path")["perceptual_hash"]
    training = split[split["split"] == TRAIN]
    known = training["path"].map(hashes)
    new = images["perceptual_hash"].drop_duplicates()
    distance = Split.load(path=project / paths.PARAMS).near_duplicate_distance
    pairs = near_duplicates(pd.concat([known, new]), distance) - len(known)
    near = new.iloc[pairs.loc[(pairs["first"] < 0) & (pairs["second"] >= 0), "second"]]
    is_known = images["pixels_sha256"].isin(training["pixels_sha256"])
    return is_known | images["perceptual_hash"].isin(near)


def _with_groups(images: pd.DataFrame, project: Path) -> pd.DataFrame:
    """Return the images with a `group` that is the same if they are not independent."""
    distance, expressions = NEAR, []
    if (project / paths.PARAMS).exists():
        params = Split.load(path=project / paths.PARAMS)
        distance, expressions = params.near_duplicate_distance, [params.group]
    if (project / paths.CROSS_VALIDATION_JSON).exists():
        choices = read_mapping(project / paths.CROSS_VALIDATION_JSON)
        if choices.get("series") in ("series", "finer_series"):  # those that paths tell
            expressions.append(str(choices["series_from"]))
    joined = list(range(len(images)))
    for first, second, _ in near_duplicates(images["perceptual_hash"], distance).to_numpy():
        joined[find(joined, second)] = find(joined, first)
    near = [find(joined, place) for place in range(len(images))]
    groups = join_keys(images["group"], images["path"].iloc[near].set_axis(images.index))
    for expression in filter(None, expressions):
        matched = images["path"].str.extract(expression, expand=False)
        groups = join_keys(groups, matched.fillna(""))
    return images.assign(group=groups)


def _unknown_scores(images: pd.DataFrame) -> np.ndarray:
    return np.array([prediction.unknown_score for prediction in images["prediction"]], float)


def _predictions(images: pd.DataFrame, metadata: Metadata) -> metrics.Predictions:
    """Return the predictions for images with a `prediction` and a label."""
    actual = metadata.kind.encode(images["label"], metadata.labels)
    probabilities = np.array([prediction.probabilities for prediction in images["prediction"]])
    groups = images["group"].to_numpy()
    return decide(metadata, actual, probabilities, _unknown_scores(images), groups)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="score these labelled photos")
    add_format(parser, ("table", "json"))
    add_model(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score the served model on labelled photos, such as photos from production.

    The photos are in folders named after the classes, or listed in a metadata.csv. The scores and
    their intervals are computed like those of a run, which are in plots/scores.csv. The training
    images of the project in the current folder and their near-duplicates are left out, and copies
    count once; stderr has the numbers. In intervals, near-duplicates of each other, a group and a
    series count as one, as in a run. Photos with each value in a further column of metadata.csv,
    such as site, are compared with the same classes elsewhere. The table ends with the first photos
    whose class is wrong; JSON has all of them.

    Files that cannot be used are listed on stderr, and the exit status is 1.

    Examples:
      pawprint score ../may_labelled
      pawprint score ../may_labelled --model ../new/models/served --format json
    """
    predictor = load_predictor(arguments.model or default_model())
    scored = score(Path(), predictor, arguments.folder)
    for row in scored.failed:
        print(f"score: {row['path']}: {row['error']}", file=sys.stderr)
    for reason, photos in scored.left_out.items():
        if photos:
            print(f"score: photos left out: {photos:,} {reason}", file=sys.stderr)
    if not scored.has_training:
        print("score: training images are included, because none are here", file=sys.stderr)
    if predictor.metadata.crop_rule:
        print("score: the model was trained on crops; see `pawprint crop`", file=sys.stderr)
    with open_output(arguments.output, arguments.format) as file:
        print(_json(scored) if arguments.format == "json" else _table(scored), file=file)
    return int(bool(scored.failed))


def _table(scored: Scored) -> str:
    scores = scored.scores
    titles = scores["score"].str.replace("_", " ") + " " + scores["label"]
    table = align(zip(titles, scores.apply(describe_score, axis=1)))
    if scored.slices:
        table += f"\n\n{align([SLICE_COLUMNS, *map(_slice_row, scored.slices)])}"
    if scored.wrong.empty:
        return table
    shown = scored.wrong.head(MOST_WRONG).map(printable)
    photos = counted(len(scored.wrong), "photo")
    rows = align([[*shown], *shown.to_numpy()])
    return f"{table}\n\n{photos} with a wrong prediction (--format json has all):\n{rows}"


def _slice_row(each: Slice) -> list[str]:
    interval = f"{each.right:.1%}, {each.low:.1%} to {each.high:.1%}"
    elsewhere = "" if np.isnan(each.elsewhere) else f"{each.elsewhere:.1%}"
    name = printable(f"{each.column}: {each.value}")
    return [name, str(each.photos), interval, elsewhere, f"{each.p_value:.3f}"]


def _json(scored: Scored) -> str:
    scores = scored.scores.astype(object)
    errors = [{"path": row["path"], "error": row["error"]} for row in scored.failed]
    record = {"scores": scores.where(scores.notna(), None).to_dict("records"), "errors": errors}
    record |= {"left_out": scored.left_out, "wrong": scored.wrong.to_dict("records")}
    slices = pd.DataFrame(scored.slices, columns=Slice._fields).astype(object)
    record["slices"] = slices.where(slices.notna(), None).to_dict("records")
    return json.dumps(record, indent=2)
