"""Fail if the committed results are not those of this code, these params and pinned packages.

Compares params, code and files with dvc.lock, without data. The exit status is 1 if one differs, or
if an installed package is not the version that requirements.txt pins.
"""

import argparse
from collections.abc import Iterator

from dvc.exceptions import DvcException
from dvc.repo import Repo

from pawprint.core.errors import InputError
from pawprint.core.fingerprint import Code
from pawprint.core.pins import not_as_pinned
from pawprint.core.recorded import Recorded

MAX_CHANGES = 5  # in an error message


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> None:
    lines = {line for each in require_reproduced().values() for line in each.splitlines()}
    if found := not_as_pinned(sorted(line for line in lines if "==" in line)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(found)}. Run "
            "`pip install -r requirements.txt`."
        )
    print("check: the results are those of this code, these params and these packages")


def require_reproduced(*stages: str) -> dict[str, str]:
    """Raise InputError if params, code or results of these stages differ from dvc.lock.

    Those of the stages before them count, too; without names, all stages do. Returns the
    fingerprint of each that counts, without `code`.
    """
    try:
        with Repo() as repo:
            status = repo.status(targets=list(stages) or None, with_deps=bool(stages))
            collected = [repo.stage.collect(each, with_deps=True) for each in stages or (None,)]
    except DvcException as error:
        raise InputError(f"workspace: expected a DVC project. Received: {error}") from None
    # The stage `code` differs after a changed comment; what counts are the fingerprints.
    status.pop("code", None)
    found = {name for changes in status.values() for name in changed(changes)}
    names = {stage.name for each in collected for stage in each} - {"code"}
    code = Code()
    fingerprints = {name: code.fingerprint(f"stages/{name}.py") for name in names}
    recorded = Recorded()
    of_code = {name for name in names if not recorded.has_code(name, fingerprints[name])}
    found = sorted(found | {f"code of {name}" for name in of_code})
    if found:
        more = f" and {len(found) - MAX_CHANGES} more" if found[MAX_CHANGES:] else ""
        raise InputError(
            "workspace: expected the results of its params and code. Received: changes since the "
            f"last run: {', '.join(found[:MAX_CHANGES])}{more}. Run `dvc repro`."
        )
    return fingerprints


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
