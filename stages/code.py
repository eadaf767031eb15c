"""Check hand-edited files before anything runs, and fingerprint the code of each stage.

An error in params.yaml, labels.csv or splits.csv is found here, before DVC removes an output of
another stage. Every other stage depends on its file, so that an edit runs the stages that it
reaches, and a comment runs none. Reads the package, stages/, requirements.txt, labels.csv,
splits.csv and names of photos. Params: all. Writes data/code/.
Run: `python -m stages.code`
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pawprint.base import paths
from pawprint.base.errors import InputError, hide_secrets
from pawprint.base.files import md5, replacing, write_text
from pawprint.base.package import (
    STAGES,
    folders_of_code,
    leaves_out,
    require_current,
    require_stages,
    script_of,
)
from pawprint.base.yaml_file import read_mapping, value_at
from pawprint.data.sources import list_files
from pawprint.given.folders import find_layout
from pawprint.given.metadata_csv import parse_metadata_csv
from pawprint.given.user_tables import (
    choices_of,
    classes_given,
    read_corrections,
    read_kept_splits,
)
from pawprint.pipeline import fingerprint
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.model import Params, load_params, problem_of_threshold
from pawprint.pipeline.recorded import Recorded
from pawprint.pipeline.remotes import describe_unverified


def main() -> None:
    """Check hand-edited files, write the fingerprint of each stage, and print what changed."""
    require_current()
    recorded = Recorded()
    params = load_params()
    source = Path(params.fetch.source)
    if not source.exists():
        report("code", [describe_missing(source, recorded)])
    check_tables(params, fetched(source, recorded))
    if "pawprint/stages" in folders_of_code():  # the package is installed
        require_stages(paths.PIPELINE)
    report("code", [*describe(recorded, write_fingerprints()), *describe_unverified()])
    report("code", describe_idle(params, read_mapping(paths.PARAMS), recorded))


def write_fingerprints() -> dict[str, str]:
    """Write data/code/, with all params, and return the fingerprint of each stage."""
    scripts = {path.stem for folder in (STAGES, Path("stages")) for path in folder.glob("*.py")}
    stages = sorted(scripts - {"__init__", "code"})
    rows = {path.stem: module for path, module in fingerprint.ROWS.items()}
    texts = fingerprint.Code().fingerprints({stage: script_of(stage) for stage in stages} | rows)
    with replacing(paths.CODE) as folder:
        folder.mkdir()
        for name, text in texts.items():
            write_text(folder / f"{name}.txt", text)
        # `plot` shows all params. Listed in dvc.lock, they would be a tenth of its lines, which DVC
        # parses and writes again after each stage.
        text = json.dumps(shown_params(), indent=2, ensure_ascii=False)  # not rounded
        write_text(folder / paths.SHOWN_PARAMS.name, f"{text}\n")
    return {stage: texts[stage] for stage in stages}


def shown_params() -> dict:
    """Return the values in params.yaml by section and key, without secrets in URLs."""
    return {name: hide_secrets(section) for name, section in read_mapping(paths.PARAMS).items()}


def describe_missing(source: Path, recorded: Recorded) -> str:
    """Return a line about a missing source, with advice."""
    todo = "correct fetch.source"
    if Path(f"{source}.dvc").is_file():
        todo = f"`dvc checkout {source}.dvc` or `dvc pull {source}.dvc` restores it"
    elif recorded.hash_of("fetch", source, "deps"):
        todo = "with --allow-missing, DVC uses the images of the last run"
    return f"{source} does not exist: {todo}"


def describe(recorded: Recorded, after: dict[str, str]) -> list[str]:
    """Return what changed since the last run; `after` has the fingerprint of each stage.

    Stages that have not run yet do not count as changes.
    """
    if not after.keys() & recorded.stages:
        return ["this is the first run here. At its end, ignore DVC's hints on `git add dvc.lock`"]
    stages: dict[str, list[str]] = {}
    for stage, text in after.items():
        if stage in recorded.stages and not recorded.has_code(stage, text):
            before = recorded.text(recorded.hash_of(stage, paths.CODE / f"{stage}.txt", "deps"))
            reason = fingerprint.describe_difference(before, text)
            stages.setdefault(reason, []).append(stage)
    changes = [f"{', '.join(names)} changed ({reason})" for reason, names in stages.items()]
    return changes or ["no stage's code changed"]


def describe_idle(params: Params, content: Mapping, recorded: Recorded) -> list[str]:
    """Return a line for each param that was edited since the last run, but changes nothing.

    `content` has the params as they are written.
    """
    before = recorded.params("train_finetune")
    idle = {}
    if before and not params.model.tunes:
        idle["train_finetune"] = "model.fine_tune_at is null"
        if params.train_extract.epochs is None:
            idle["head.dropout"] = "train_extract.epochs and model.fine_tune_at are null"
    return [
        f"{name} was edited, but changes nothing, because {reason}"
        for name, reason in idle.items()
        if value_at(before, *name.split(".")) != value_at(content, *name.split("."))
    ]


def fetched(source: Path, recorded: Recorded) -> Path:
    """Return the output of `fetch` for a YAML file with a URL, if any, otherwise the source."""
    is_url = source.is_file() and source.suffix in paths.OF_URLS
    if is_url and recorded.hash_of("fetch", source, "deps") == md5(source):
        return paths.RAW_IMAGES
    return source


def check_tables(params: Params, source: Path) -> None:
    """Raise InputError for an error in splits.csv or labels.csv, as `split` does.

    If the names of the source's files are known, this includes errors in the folders of classes, in
    `clean.labels`, and in the classes of thresholds.
    """
    read_kept_splits(paths.SPLITS_CSV)
    kind = params.clean.kind
    corrections = read_corrections(paths.LABELS_CSV, kind=kind)
    files = list_files(source)
    if files is None:
        return
    names, read = files
    if source.is_dir() and leaves_out(str(source), names):  # they may belong to other classes
        read_corrections(paths.LABELS_CSV, names, kind=kind)
        return
    rows = parse_metadata_csv(str(source), names, read)
    layout = find_layout(names, rows, params.clean.labels, str(source), kind)
    if corrections:
        cells = [place.label for place in layout.places.values()]
        choices = choices_of(cells, layout.classes, params.clean.not_asked, kind)
        read_corrections(paths.LABELS_CSV, names, choices, kind)
    classes = sorted({*layout.classes, *classes_given(corrections, kind)})
    if classes and (problem := problem_of_threshold(params.calibrate, classes, kind)):
        raise InputError(f"{paths.PARAMS}: {problem}")


if __name__ == "__main__":
    run_stage(main)
