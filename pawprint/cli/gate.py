"""Fail if the results of the workspace are significantly worse than those of a commit.

The test is the one of `compare`, on the test split and on the validation split. Results on
different images cannot be compared, and fail too, as do results that are not of the present params
and code. The exit status is 1 if the gate fails.
"""

import argparse
from collections.abc import Iterator

from dvc.exceptions import DvcException
from dvc.repo import Repo

from pawprint.cli.compare import SPLITS, WORKSPACE, compare_revisions, describe
from pawprint.core.errors import InputError
from pawprint.core.params import load_params

MAX_CHANGES = 5  # in an error message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("against", metavar="REV", help="commit, branch or tag")


def run(arguments: argparse.Namespace) -> int:
    confidence = load_params().evaluate.confidence
    require_reproduced()
    verdicts = []
    for split in SPLITS:
        (compared,) = compare_revisions(arguments.against, [WORKSPACE], split, confidence)
        print(describe(arguments.against, WORKSPACE, split, compared))
        verdicts.append(compared.verdict)
    return int("worse" in verdicts)


def require_reproduced() -> None:
    """Raise InputError if params, code or results differ from dvc.lock, up to `evaluate`."""
    try:
        with Repo() as repo:
            status = repo.status(targets=["evaluate"], with_deps=True)
    except DvcException as error:
        raise InputError(f"workspace: expected a DVC project. Received: {error}") from None
    found = sorted({name for changes in status.values() for name in changed(changes)})
    if found:
        more = f" and {len(found) - MAX_CHANGES} more" if found[MAX_CHANGES:] else ""
        raise InputError(
            "workspace: expected the results of its params and code. Received: changes since the "
            f"last run: {', '.join(found[:MAX_CHANGES])}{more}. Run `dvc repro`."
        )


def changed(changes: list[dict | str]) -> Iterator[str]:
    """The names of what differs, from the status of a stage. Missing data does not differ."""
    for change in changes:
        if isinstance(change, str):  # such as "changed command"
            yield change
            continue
        for path, state in (pair for each in change.values() for pair in each.items()):
            if isinstance(state, dict):
                yield from (f"{path} {key}" for key in state)
            elif state in ("modified", "new"):
                yield path
