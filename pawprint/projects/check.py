"""Check that a project's results match its code and params."""

from pathlib import Path

from pawprint.errors import InputError, name_some
from pawprint.package import require_current, script_of
from pawprint.pipeline.dvc import find_changed
from pawprint.pipeline.fingerprint import Code, split_fingerprint
from pawprint.pipeline.lock import not_as_pinned
from pawprint.pipeline.recorded import Recorded


def require_results(folder: Path) -> None:
    """Raise InputError if a project's results come from other code, params or packages."""
    code = Code(folder)
    locked = (code.as_locked(text) for text in require_reproduced(folder).values())
    pins = {pin for text in locked for pin in split_fingerprint(text)[1]}
    if versions := not_as_pinned(sorted(pins)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(versions)}. "
            "Run `pip install -r requirements.txt`."
        )


def require_reproduced(folder: Path, *stages: str) -> dict[str, str]:
    """Raise InputError if params, code or results of a project's stages differ from dvc.lock.

    The stages before the named ones are included; without names, all stages are checked. Returns
    the fingerprint of each of these stages except `code`. Also raises InputError if a named stage
    never ran, or, without names, if no stage did, and if an earlier version made the project.
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
    if names:
        raise InputError(
            "workspace: the results are out of date, because these changed since the last run: "
            f"{name_some(sorted(names))}. Run `dvc repro`."
        )
    return fingerprints
