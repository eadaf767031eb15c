"""The `try` command: print candidates for the network; with --use, write one to params.yaml.

`candidates.py` measures and chooses, this module prints, and `set_params` in `params_file.py`
writes.
"""

import argparse
import contextlib
import itertools
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pawprint.base.errors import InputError, NoWeightsError, counted
from pawprint.base.package import install_command
from pawprint.base.yaml_file import parse_yaml
from pawprint.commands import candidates
from pawprint.commands.params_file import set_params
from pawprint.network import trials
from pawprint.pipeline.dvc import require_idle
from pawprint.scores.intervals import SIGNIFICANT
from pawprint.scores.verdict import describe_difference, describe_verdict

TITLES = ("candidate", "accuracy", "log loss", "difference", "verdict", "CPU ms", "run s", "params")
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
    the log loss of the first row, with its interval, if there are enough groups. A candidate is
    only called better or worse if the difference is significant, taking the number of candidates
    into account. The log loss is `cross_validated_loss` of a run, if there are at most
    2,000 training images. `CPU ms` is the CPU time per image. `run s` is the time that the next run
    needs for feature extraction if no features are stored. Both times exclude decoding. The
    features are kept for the next `dvc repro`.

    Examples:
      pawprint try --use
      pawprint try -S model.image_size=160,224 -S model.resize=crop,pad
      pawprint try --use fast
    """
    folder = Path()
    candidates.require_images(folder)
    options = candidates.candidates_of(folder, _choices(arguments))
    require_idle(folder)  # `features` deletes the folder in which this command writes
    level = SIGNIFICANT / max(len(options) - 1, 1)  # a candidate of --use was chosen from them
    if arguments.use:
        options = [options[0], _named(arguments.use, options)]
    sample = candidates.draw_sample(folder, options[0].params)
    about = f"{counted(len(options), 'candidate')} on {len(sample.images):,} images"
    print(f"try: {about}, at most about {arguments.minutes:g} min", file=sys.stderr)
    is_table = arguments.format == "table"
    # Only a single line of JSON is written to standard output.
    with contextlib.nullcontext() if is_table else contextlib.redirect_stdout(sys.stderr):
        rows, failed = _measure(options, sample, level, arguments)
        best = rows[-1] if arguments.use else candidates.choose(rows)
        print(describe_choice(best, rows, arguments.S))
        _use(folder, arguments, best.candidate)
    if not is_table:
        print(json.dumps(tabulate(options, rows, failed, best)))


def _measure(
    options: Sequence[candidates.Candidate],
    sample: trials.Sample,
    level: float,
    arguments: argparse.Namespace,
) -> tuple[list[candidates.Measured], dict[str, InputError]]:
    """Measure and print the candidates; return the rows, and the errors of the others by name."""
    rows: list[candidates.Measured] = []
    failed: dict[str, InputError] = {}
    for option, row in candidates.measure_each(options, sample, arguments.minutes, level):
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
        print(f"no weights on this computer: {', '.join(missing)}")
    if any(option.name == "deep" for option in options):  # in place of lite2
        print(f"not tried: lite2. To try it, run `{install_command('lite')}`.")
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
    named = {option.name: option for option in options[1:]}
    if name in named:
        return named[name]
    raise InputError(f"--use: expected one of {', '.join(named)}. Received: {name}. Repeat -S.")


def _print_row(
    row: candidates.Measured, options: Sequence[candidates.Candidate], has_titles: bool
) -> None:
    test = row.comparison and row.comparison.test
    difference = describe_difference(test.difference, test.low, test.high) if test else ""
    texts = [row.candidate.name, f"{row.accuracy:.2%}", f"{row.loss:.4f}", difference]
    texts += [row.verdict, f"{row.cpu_ms:.1f}", f"{row.seconds:,.0f}"]
    texts.append(describe_params(row.candidate))
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
        command = use_command(best.name, arguments.S)
        print(f"`{command}` sets {describe_params(best)}")


def describe_params(candidate: candidates.Candidate) -> str:
    """Return text such as "alpha=0.35 image_size=160"."""
    values = {key: "null" if value is None else value for key, value in candidate.changes.items()}
    return " ".join(f"{key.split('.')[1]}={value}" for key, value in values.items())


def use_command(name: str, choices: Sequence[str]) -> str:
    """Return the command that writes a candidate's params, given the `-S` options of this one."""
    options = [("-S", choice) for choice in choices]
    return shlex.join(("pawprint", "try", *itertools.chain(*options), "--use", name))


def describe_choice(
    best: candidates.Measured, rows: Sequence[candidates.Measured], choices: Sequence[str] = ()
) -> str:
    """Explain which candidate to use, and why, given the `-S` options of the command."""
    first = rows[0]
    name = best.candidate.name
    base = first.candidate.name
    if best.comparison:
        verdict = describe_verdict(base, name, best.comparison, "training images (in folds)")
        if best.verdict != "better" and candidates.choose(rows) is best:
            loss = f"its log loss is at most {candidates.MARGIN} higher"
            verdict += f" {name} is chosen because it is faster, and {loss}."
        return (
            f"{verdict} CPU time per image: {best.cpu_ms:.1f} ms, was {first.cpu_ms:.1f}; "
            f"feature extraction for all images: {best.seconds:,.0f} s, was {first.seconds:,.0f}."
        )
    if base != candidates.TODAY:
        return f"Use {name}: the current network's weights are not available."
    lowest = min(rows, key=lambda row: row.loss)
    lower = first.loss - lowest.loss
    if lower <= candidates.MARGIN:
        return "Keep the current params."
    name = lowest.candidate.name
    return (
        f"{name}: log loss {lower:.3f} lower, not shown with {len(best.probabilities):,} photos; "
        f"`{use_command(name, choices)}` writes it."
    )


def tabulate(
    options: Sequence[candidates.Candidate],
    rows: Sequence[candidates.Measured],
    failed: Mapping[str, InputError],
    best: candidates.Measured,
) -> list[dict]:
    """Return a row for each candidate, for JSON and for the printed table.

    Without scores, numbers are None and `error` is the message in `failed`, keyed by name. The
    first row of all has no `difference`. With too few groups, `low` and `high` are None. `chosen`
    marks the candidate of `best`.
    """
    row_of_name = {row.candidate.name: row for row in rows}
    table = []
    for option in options:
        row = row_of_name.get(option.name)
        test = row.comparison.test if row and row.comparison else None
        record: dict[str, object] = {"candidate": option.name}
        record["accuracy"] = row and float(row.accuracy)
        record["log_loss"] = row and float(row.loss)
        ends = {key: getattr(test, key, math.nan) for key in ("difference", "low", "high")}
        record |= {key: float(end) if math.isfinite(end) else None for key, end in ends.items()}
        record["verdict"] = row.verdict if row else ""
        record |= {key: row and float(getattr(row, key)) for key in ("cpu_ms", "seconds")}
        record["chosen"] = option is best.candidate
        record["params"] = option.changes
        table.append(record | {"error": str(failed.get(option.name, ""))})
    return table
