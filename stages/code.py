"""Check params.yaml as a whole, and write what each stage's code does, as one file per stage.

Every other stage depends on its file, so that an edit runs the stages that it reaches, and a
comment runs none. Reads pawprint/, stages/ and requirements.txt. Params: all. Writes data/code/.
Run: `python -m stages.code`
"""

import compileall
import sys
from functools import partial
from pathlib import Path
from py_compile import PycInvalidationMode

from pawprint import project
from pawprint.entry import run_stage, stamps, watch
from pawprint.files import replacing, write_text
from pawprint.fingerprint import Code, describe_changes
from pawprint.params.whole import load_params
from pawprint.recorded import Recorded

# Rows of features are reused as long as what this module does stays the same.
FEATURE_ROW = "pawprint/features/rows.py"


def main() -> None:
    for path in (*map(Path, project.FOLDERS), project.PARAMS, project.REQUIREMENTS):
        watch(str(path), partial(stamps_of_sources, path))
    load_params()
    code = Code()
    scripts = {path.stem: path.as_posix() for path in sorted(Path("stages").glob("*.py"))}
    del scripts["__init__"], scripts["code"]  # that depends on the folders
    recorded, before, after = Recorded(), {}, {}
    with replacing(project.CODE) as folder:
        folder.mkdir()
        write_text(folder / project.FEATURE_ROW_CODE.name, code.fingerprint(FEATURE_ROW))
        for stage, script in scripts.items():
            after[stage] = code.fingerprint(script)
            write_text(folder / f"{stage}.txt", after[stage])
            if recorded.has_code(stage, after[stage]):  # also where the cache lacks the text
                before[stage] = after[stage]
            else:
                known = recorded.hash_of(stage, project.CODE / f"{stage}.txt", "deps")
                before[stage] = recorded.text(known)
    if not sys.dont_write_bytecode:
        # From now on Python knows compiled modules by a hash of the source. By default it does by
        # size and time in seconds, so that it runs an earlier module in place of one with both.
        by_hash = PycInvalidationMode.CHECKED_HASH
        for name in project.FOLDERS:
            compileall.compile_dir(name, force=True, quiet=2, invalidation_mode=by_hash)
    for line in describe_changes(before, after) or ["no stage changed"]:
        print(f"code: {line}")


def stamps_of_sources(path: Path) -> dict[Path, tuple[int, int]]:
    """Stamps without those of compiled modules."""
    return {file: stamp for file, stamp in stamps(path).items() if "__pycache__" not in file.parts}


if __name__ == "__main__":
    run_stage(main)
