"""The command `try`."""

import argparse
from collections import Counter

import yaml

from pawprint import project
from pawprint.classes import are_imbalanced
from pawprint.cli import aligned, require_committed
from pawprint.columns import IMAGES, SPLIT
from pawprint.errors import InputError
from pawprint.files import parse_yaml, read_json, read_yaml, write_text
from pawprint.images.archive import open_archive
from pawprint.params.whole import load_params
from pawprint.recipes.overlay import overlay
from pawprint.tables import read_table
from pawprint.tools.candidates import (
    Candidate,
    Measured,
    Sample,
    Scores,
    candidates,
    draw,
    is_measured,
    measure,
    score,
    winner,
)

SECTIONS = ("model", "weights")


def add_try(parser: argparse.ArgumentParser) -> None:
    choice = "values to try in place of the default candidates; all combinations of several -S"
    parser.add_argument("-S", action="append", default=[], metavar="KEY=VALUE[,…]", help=choice)
    minutes = "candidates that would take longer are left out; default: %(default)s"
    parser.add_argument("--minutes", type=float, default=5, metavar="M", help=minutes)
    use = "write the params of this candidate into params.yaml, and measure nothing"
    parser.add_argument("--use", metavar="NAME", help=use)


def run_try(arguments: argparse.Namespace) -> None:
    """Rank other params of the backbone and its images by what they give on your training images.

    A sample of at most 2,000 training images is taken; validation and test images are not looked
    at. Each candidate gets a cross-validated head. `difference` is its log loss minus that of the
    params of today, with the standard error; it is called better or worse if it is significant
    over all candidates (Holm's method). CPU ms are those of one image, MB those of the weights.
    Networks, features and results stay in .dvc/tmp/pawprint-try, which you may delete.

    Examples:
      pawprint try
      pawprint try -S model.image_size=160,224 -S model.resize=crop,pad
      pawprint try --use fast
    """
    params, content = load_params(), read_yaml(project.PARAMS)
    for path in (project.SPLIT_CSV, project.IMAGES_CSV, project.RAW_ARCHIVES):
        if not path.exists():
            raise InputError(
                f"{path}: expected this file. Received: none. Run `dvc pull`, or `dvc repro split`."
            )
    split = read_table(project.SPLIT_CSV, SPLIT)
    train = split[split["split"] == "train"]
    images, labels = draw(train), read_json(project.LABELS_JSON)
    sizes = read_table(project.IMAGES_CSV, IMAGES)
    sizes = sizes[sizes["path"].isin(train["path"])]
    options = candidates(content, _choices(arguments), sizes)
    command = "".join(["pawprint try", *(f" -S {choice}" for choice in arguments.S)])
    with open_archive(project.RAW_ARCHIVES, params.clean.bits) as archive:
        sample = Sample(archive, images, labels, params.train_extract.weight_for(train["label"]))
        if arguments.use:
            return _use(options[1:], arguments.use, sample, command)
        print(f"try: {len(images):,} of {len(train):,} training images, {len(options)} candidates")
        tried = list(measure(options, sample, arguments.minutes))
    failed = [(option.name, error) for option, error in tried if isinstance(error, InputError)]
    pairs = [pair for pair in tried if isinstance(pair[1], Measured)]
    scores = score([measured for _, measured in pairs], sample)
    print(_table(pairs, scores, are_imbalanced(Counter(images["label"]).values())))
    for name, error in failed:
        print(f"{name}: not measured: {error}")
    best = winner(scores)
    if not best:
        left = f"; {len(failed)} were not measured" if failed else ""
        print(f"No candidate is significantly better: keep the params of today{left}.")
        return
    candidate = pairs[best][0]
    print(f"{candidate.name} is best. `{command} --use {candidate.name}` sets:")
    print(yaml.safe_dump(candidate.changes, sort_keys=False), end="")


def _choices(arguments: argparse.Namespace) -> dict[str, list]:
    choices: dict[str, list] = {}
    for text in arguments.S:
        key, is_given, values = text.partition("=")
        if not is_given or key.partition(".")[0] not in SECTIONS:
            arguments.error(
                f"argument -S: expected model.KEY=VALUE or weights.KEY. Received: {text}"
            )
        choices[key] = [parse_yaml(value, "-S") for value in values.split(",")]
    return choices


def _table(pairs: list[tuple[Candidate, Measured]], scores: list[Scores], has_recall: bool) -> str:
    header = ["candidate", "accuracy", "log loss", "difference", "", "CPU ms", "MB", "params"]
    rows = [header + ["mean recall"] * has_recall]
    for (candidate, measured), result in zip(pairs, scores):
        lower = "better" if result.difference.mean < 0 else "worse"
        changes = candidate.changes.values()
        row = [candidate.name, f"{result.accuracy:.2%}", f"{result.loss:.4f}"]
        row += [str(result.difference) if changes else "", lower if result.is_significant else ""]
        row += [f"{measured.cpu_ms:.1f}", f"{measured.megabytes:.1f}"]
        params = (pair for part in changes for pair in part.items())
        row.append(" ".join(f"{key}={'null' if value is None else value}" for key, value in params))
        rows.append(row + [f"{result.mean_recall:.2%}"] * has_recall)
    return aligned([*row[:2], *row[8:], *row[2:8]] for row in rows)


def _use(options: list[Candidate], name: str, sample: Sample, command: str) -> None:
    candidate = next((option for option in options if option.name == name), None)
    if candidate is None:
        names = ", ".join(option.name for option in options)
        raise InputError(
            f"--use: expected one of {names}. Received: {name}. Give the same -S, too."
        )
    if not is_measured(candidate, sample):
        raise InputError(
            f"--use: expected a candidate with a result. Received: {name}, which is not measured "
            f"on these training images by this version. Run `{command}`, which may say why."
        )
    text = project.PARAMS.read_text(encoding="utf-8")
    require_committed()
    write_text(project.PARAMS, overlay(text, yaml.safe_dump(candidate.changes)))
    print(f"params.yaml: {name}. Now run `dvc repro`.")
