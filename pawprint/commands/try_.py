"""The `try` command: print candidates for the network; with --use, write one to params.yaml.

`candidates.py` measures and ranks them, and `set_params` in `params_file.py` writes.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pawprint.base.errors import InputError, NoWeightsError, counted
from pawprint.base.yaml_file import parse_yaml
from pawprint.commands import candidates
from pawprint.commands.params_file import set_params

TITLES = ("candidate", "accuracy", "log loss", "difference", "verdict", "CPU ms", "run s", "params")
NO_DOWNLOAD = "Networks of the extra `lite` come with pip instead."
WIDTHS = (8, 8, 28, 19, 6, 6, 0)  # widths of the columns after the first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    choice = "try these values instead of the default candidates; repeat -S to try all combinations"
    parser.add_argument("-S", action="append", default=[], metavar="KEY=VALUE[,…]", help=choice)
    minutes = "do not start another candidate after M minutes; default: %(default)s"
    parser.add_argument("--minutes", type=float, default=5, metavar="M", help=minutes)
    named = "write a candidate's params into params.yaml; without NAME, the best candidate's"
    output = "print a final line of JSON: a list with one object per candidate"
    parser.add_argument("--format", choices=("table", "json"), default="table", help=output)
    parser.add_argument("--use", nargs="?", const="", metavar="NAME", help=named)


def run(arguments: argparse.Namespace) -> None:
    """Rank other networks, image sizes and resizing methods on your training images.

    The command uses at most 2,000 training images, and no validation or test images. It
    cross-validates a head for each candidate, and prints a row as soon as the candidate has been
    measured. The first row shows the current params. `difference` is the candidate's log loss minus
    the log loss of the first row, with its interval. A candidate is only called better or worse if
    the difference is significant, taking the number of candidates into account. Larger image sizes
    count as one candidate: they are printed together, and tested from the largest down. The log
    loss is `cross_validated_loss` of a run, if there are at most 2,000 training images. `CPU ms` is
    the CPU time per image. `run s` is the time that the next run needs for feature extraction if no
    features are stored. Both times exclude decoding. The features are kept for the next `dvc
    repro`.

    Examples:
      pawprint try --use
      pawprint try -S model.image_size=160,224 -S model.resize=crop,pad
      pawprint try --use fast
    """
    folder = Path()
    candidates.require_images(folder)
    options = candidates.candidates_of(folder, _choices(arguments))
    if arguments.use:
        options = [options[0], _named(arguments.use, options)]
    sample = candidates.draw_sample(folder, options[0].params)
    about = f"{counted(len(options), 'candidate')} on {len(sample.images):,} images"
    print(f"try: {about}, at most about {arguments.minutes:g} min", file=sys.stderr)
    is_table = arguments.format == "table"
    # Only a single line of JSON is written to standard output.
    with contextlib.nullcontext() if is_table else contextlib.redirect_stdout(sys.stderr):
        rows, failed = _measure(options, sample, arguments)
        best = rows[-1] if arguments.use else candidates.choose(rows)
        print(candidates.describe_choice(best, rows, arguments.S))
        _use(folder, arguments, best.candidate)
    if not is_table:
        print(json.dumps(candidates.tabulate(options, rows, failed, best)))


def _measure(
    options: Sequence[candidates.Candidate],
    sample: candidates.Sample,
    arguments: argparse.Namespace,
) -> tuple[list[candidates.Measured], dict[str, InputError]]:
    """Measure and print the candidates; return the rows, and the errors of the others by name."""
    rows: list[candidates.Measured] = []
    failed: dict[str, InputError] = {}
    for option, row in candidates.measure_each(options, sample, arguments.minutes):
        if not isinstance(row, InputError):
            rows.append(row)
            _print_row(row, options, has_titles=len(rows) == 1)
        elif option.name == arguments.use:
            raise row
        else:
            failed[option.name] = row
            if not isinstance(row, NoWeightsError):
                print(f"{option.name}: {row}", flush=True)
    if not rows:
        raise next(iter(failed.values()))
    if missing := [name for name, why in failed.items() if isinstance(why, NoWeightsError)]:
        print(f"no weights on this computer: {', '.join(missing)}. {NO_DOWNLOAD}")
    return rows, failed


def _choices(arguments: argparse.Namespace) -> dict[str, list]:
    choices: dict[str, list] = {}
    for text in arguments.S:
        key, is_given, values = text.partition("=")
        if not is_given or (
            key != candidates.VIEWS and key.partition(".")[0] not in ("model", "weights")
        ):
            arguments.error(
                f"argument -S: expected model.KEY, weights.KEY or {candidates.VIEWS}, each with "
                f"=VALUE. Received: {text}"
            )
        # A comma inside a mapping or list does not separate values.
        parsed = parse_yaml(f"[{values}]", "-S")
        choices[key] = parsed if isinstance(parsed, list) and parsed else [None]
    return choices


def _named(name: str, options: Sequence[candidates.Candidate]) -> candidates.Candidate:
    for option in options[1:]:
        if option.name == name:
            return option
    names = ", ".join(option.name for option in options[1:])
    raise InputError(f"--use: expected one of {names}. Received: {name}. Repeat -S.")


def _print_row(
    row: candidates.Measured, options: Sequence[candidates.Candidate], has_titles: bool
) -> None:
    test = row.comparison and row.comparison.test
    difference = f"{test.difference:+.4f} ({test.low:+.4f} to {test.high:+.4f})" if test else ""
    texts = [row.candidate.name, f"{row.accuracy:.2%}", f"{row.loss:.4f}", difference]
    texts += [row.verdict, f"{row.cpu_ms:.1f}", f"{row.seconds:,.0f}"]
    texts.append(candidates.describe_params(row.candidate))
    first = max(len(TITLES[0]), *(len(option.name) for option in options))
    for cells in [TITLES, texts] if has_titles else [texts]:
        print("  ".join(map(str.ljust, cells, (first, *WIDTHS))).rstrip(), flush=True)


def _use(folder: Path, arguments: argparse.Namespace, best: candidates.Candidate) -> None:
    """Write the params of a candidate if --use is given, or print how to do so."""
    if arguments.use is not None:
        for line in set_params(folder, best.changes) if best.changes else ["unchanged"]:
            print(f"params.yaml: {line}")
        if best.changes:
            print("Now run `dvc repro`.")
    elif best.changes:
        command = candidates.use_command(best.name, arguments.S)
        print(f"`{command}` sets {candidates.describe_params(best)}")
