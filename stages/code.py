"""Check params.yaml as a whole, and write what each stage's code does, as one file per stage.

Every other stage depends on its file, so that an edit runs the stages that it reaches, and a
comment runs none. Reads pawprint/, stages/ and requirements.txt. Params: all. Writes data/code/.
Run: `python -m stages.code`
"""

from pathlib import Path

from pawprint.core import data_paths
from pawprint.core.entry import CODE, run
from pawprint.core.files import replacing, write_text
from pawprint.core.fingerprint import Code, describe_changes
from pawprint.core.params.whole import load_params
from pawprint.core.recorded import Recorded

# Rows of features are reused as long as what this module does stays the same.
FEATURE_ROW = "pawprint/features/rows.py"


def main() -> None:
    load_params()
    code = Code()
    scripts = {path.stem: path.as_posix() for path in sorted(Path("stages").glob("*.py"))}
    del scripts["__init__"], scripts["code"]  # that depends on the folders
    recorded, before, after = Recorded(), {}, {}
    with replacing(CODE) as folder:
        folder.mkdir()
        write_text(folder / data_paths.FEATURE_ROW_CODE.name, code.fingerprint(FEATURE_ROW))
        for stage, script in scripts.items():
            after[stage] = code.fingerprint(script)
            write_text(folder / f"{stage}.txt", after[stage])
            if recorded.has_code(stage, after[stage]):  # also where the cache lacks the text
                before[stage] = after[stage]
            else:
                known = recorded.hash_of(stage, CODE / f"{stage}.txt", "deps")
                before[stage] = recorded.text(known)
    for line in describe_changes(before, after) or ["no stage changed"]:
        print(f"code: {line}")


if __name__ == "__main__":
    run(main)
