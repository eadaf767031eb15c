"""The `check` command."""

import argparse
from pathlib import Path

from pawprint.base.errors import InputError, name_some
from pawprint.base.package import require_current, script_of
from pawprint.base.paths import PARAMS
from pawprint.pipeline.dvc import find_changed
from pawprint.pipeline.fingerprint import Code
from pawprint.pipeline.recorded import Recorded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments, because the command checks the project in the current folder."""


def run(arguments: argparse.Namespace) -> None:
    """Check that the results were produced with the current code, params and packages.

    This compares params, files, code, and the installed versions of the packages that the code
    imports with dvc.lock; the data are not required. The exit status is 1 if there is a difference.

    Examples:
      pawprint check
    """
    require_reproduced(Path())
    print("check: the results match the code, the params and the packages")


def require_reproduced(folder: Path, *stages: str) -> None:
    """Raise InputError if params, code or results of a project's stages differ from dvc.lock.

    The stages before the named ones are included; without names, all stages are checked. Also
    raises InputError if a named stage never ran, or, without names, if no stage did, and if an
    earlier version made the project.
    """
    require_current(folder)
    recorded = Recorded(folder=folder)
    if not (recorded.stages.keys() >= set(stages) and recorded.stages):
        raise InputError("workspace: results are missing. Run `dvc repro`.")
    changed = find_changed(folder, stages)
    # Even a changed comment affects the `code` stage, so only fingerprints are compared.
    changed.pop("code", None)
    code = Code(folder)
    # Photos tracked by DVC, and a user's own stages, have no fingerprint.
    scripts = {name: script_of(name, folder) for name in changed}
    fingerprints = {
        name: code.fingerprint(script)
        for name, script in scripts.items()
        if code.path_of(script).is_file()
    }
    of_code = {name for name, text in fingerprints.items() if not recorded.has_code(name, text)}
    names = set().union(*changed.values(), (f"code of {name}" for name in of_code))
    # Stages may read a section, such as params.yaml model, or one of its params.
    sections = {name for name in names if name.startswith(f"{PARAMS} ")}
    names -= {name for name in sections for other in names if other.startswith(f"{name}.")}
    if names:
        raise InputError(
            "workspace: the results are out of date, because these changed since the last run: "
            f"{name_some(sorted(names))}. Run `dvc repro`."
        )
