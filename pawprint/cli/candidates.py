"""The command `try`."""

import argparse
import textwrap
from collections.abc import Sequence

from pawprint.errors import InputError
from pawprint.files import parse_yaml
from pawprint.tools.candidates import Candidate, describe_params
from pawprint.tools.ranking import describe_ranking, rank, use_candidate

SECTIONS = ("model", "weights")
WIDTH = 120  # of a line of a candidate that is not measured
WIDTHS = {"difference": 28, "verdict": 19, "CPU ms": 6, "run s": 6, "MB": 6}  # of columns, or more
BEST = ""  # of --use without a name


def add_try(parser: argparse.ArgumentParser) -> None:
    choice = "values to try in place of the default candidates; all combinations of several -S"
    parser.add_argument("-S", action="append", default=[], metavar="KEY=VALUE[,…]", help=choice)
    minutes = "candidates that would take longer are left out; default: %(default)s"
    parser.add_argument("--minutes", type=float, default=5, metavar="M", help=minutes)
    named = "write the params of the best candidate, or of this one, into params.yaml"
    parser.add_argument("--use", nargs="?", const=BEST, metavar="NAME", help=named)


def run_try(arguments: argparse.Namespace) -> None:
    """Rank other params of the backbone and its images by what they give on your training images.

    A sample of at most 2,000 training images is taken; validation and test images are not looked
    at. Each candidate gets a cross-validated head; its row is printed when it is measured, that of
    the params of today first. `difference` is its log loss minus that of the first row, with its
    interval; it is better or worse if it is significant over all candidates. CPU ms are those of
    one image, MB those of the weights; `run s` are the seconds that a first `dvc repro` takes for
    decoding, features, predictions and head. Times within 10% are printed as equal. Networks,
    features and results stay in .dvc/tmp/pawprint-try, which you may delete.

    Examples:
      pawprint try --use
      pawprint try -S model.image_size=160,224 -S model.resize=crop,pad
      pawprint try --use fast
    """
    ranking = rank(_choices(arguments), arguments.minutes, arguments.use, _print_row)
    best = ranking.rows[ranking.best].candidate
    print(describe_ranking(ranking))
    if arguments.use is None:
        if best.changes:
            command = "".join(["pawprint try", *(f" -S {choice}" for choice in arguments.S)])
            print(f"`{command} --use {best.name}` sets {describe_params(best)}")
        return
    for line in use_candidate(best) if best.changes else ["as it is"]:
        print(f"params.yaml: {line}")
    print("Now run `dvc repro`.")


def _print_row(
    options: Sequence[Candidate],
    candidate: Candidate,
    result: dict[str, str] | InputError,
    is_first: bool,
) -> None:
    """Print the row of a candidate as soon as it is measured, or why it is not.

    Titles stand above the first row.
    """
    name = candidate.name
    if isinstance(result, InputError):
        print(textwrap.shorten(f"{name}: {result}", WIDTH, placeholder=" …"), flush=True)
        return
    longest = max(len(option.name) for option in options)
    widths = {title: max(len(title), len(cell)) for title, cell in result.items()} | WIDTHS
    widths["candidate"] = max(longest, len("candidate"))
    rows = [dict(zip(result, result)), result] if is_first else [result]
    for row in rows:
        cells = (f"{cell:<{widths[title]}}" for title, cell in row.items())
        print("  ".join(cells).rstrip(), flush=True)


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
