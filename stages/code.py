"""Check params.yaml as a whole, and write what each stage's code does, as one file per stage.

Every other stage depends on its file, so that an edit runs the stages that it reaches, and a
comment runs none. Reads the package, stages/ and requirements.txt. Params: all. Writes data/code/.
Run: `python -m stages.code`
"""

import compileall
import os
import sys
from itertools import chain
from pathlib import Path
from py_compile import PycInvalidationMode

from pawprint import project
from pawprint.dataset.sources import require_utf8
from pawprint.files import replacing, write_text
from pawprint.package import STAGES, folders_of_code, script_of
from pawprint.params.whole import load_params
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.fingerprint import Code, describe_changes
from pawprint.pipeline.recorded import Recorded
from pawprint.templates.files import require_stages

# Rows of features are reused as long as what this module does stays the same.
FEATURE_ROW = "pawprint/features/rows.py"
CHECKED_HASH = PycInvalidationMode.CHECKED_HASH


def main() -> None:
    folders = folders_of_code()
    source = Path(load_params().fetch.source)
    recorded = Recorded()
    if not source.exists():
        todo = "correct fetch.source"
        if Path(f"{source}.dvc").is_file():
            todo = f"`dvc checkout {source}.dvc` or `dvc pull {source}.dvc` restores it"
        elif recorded.hash_of("fetch", source, "deps"):
            todo = "with --allow-missing, DVC takes the images of the last run"
        print(f"code: {source} does not exist: {todo}")
    entries = os.walk(source)
    require_utf8(Path(parent, name) for parent, *names in entries for name in chain(*names))
    if "pawprint/stages" in folders:  # of an installed package
        require_stages(project.PIPELINE)
    code = Code()
    scripts = {path.stem for folder in (STAGES, Path("stages")) for path in folder.glob("*.py")}
    scripts = {stage: script_of(stage) for stage in sorted(scripts - {"__init__", "code"})}
    before, after = {}, {}
    with replacing(project.CODE) as folder:
        folder.mkdir()
        write_text(folder / project.FEATURE_ROW_CODE.name, code.fingerprint(FEATURE_ROW))
        for stage, script in scripts.items():
            after[stage] = code.fingerprint(script)
            write_text(folder / f"{stage}.txt", after[stage])
            if recorded.has_code(stage, after[stage]):  # also where the cache lacks the text
                before[stage] = after[stage]
            else:
                md5 = recorded.hash_of(stage, project.CODE / f"{stage}.txt", "deps")
                before[stage] = recorded.text(md5)
    if not sys.dont_write_bytecode:
        # By default Python knows a compiled module by size and time in seconds of its source, so
        # that it runs an earlier module in place of one with both.
        for folder in folders.values():
            compileall.compile_dir(folder, force=True, quiet=2, invalidation_mode=CHECKED_HASH)
    for line in describe_changes(before, after) or ["the code of no stage changed"]:
        print(f"code: {line}")


if __name__ == "__main__":
    run_stage(main)
