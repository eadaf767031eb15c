"""Copy photos or a model out of DVC's cache, or out of a folder that is a remote, without DVC.

dvc.lock and `photos.dvc` have the MD5 of each file and folder of the commit. A file lies under its
MD5, as `files/md5/ab/cdef…`; a folder is a list of its files and their MD5s, as JSON.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import yaml


def recorded(project: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the MD5 of each output of a stage or of `dvc add`."""
    parts = [yaml.safe_load(path.read_text("utf-8")) for path in project.glob("[!.]*.dvc")]
    parts += yaml.safe_load((project / "dvc.lock").read_text("utf-8"))["stages"].values()
    for part in parts:
        yield from ((out["path"], out["md5"]) for out in part.get("outs", []))


def read(store: Path, md5: str) -> bytes:
    content = (store / "files" / "md5" / md5[:2] / md5[2:]).read_bytes()
    if hashlib.md5(content).hexdigest() != md5.removesuffix(".dir"):
        raise SystemExit(f"{md5}: damaged")
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path, help="DVC's cache, .dvc/cache, or the remote's folder")
    parser.add_argument("project", type=Path, help="a clone, with dvc.lock")
    parser.add_argument("path", help="an output, such as photos or models/served")
    parser.add_argument("to", type=Path, help="a new folder")
    arguments = parser.parse_args()
    outputs = dict(recorded(arguments.project))
    if arguments.path not in outputs:
        raise SystemExit(f"{arguments.path}: expected one of {', '.join(outputs)}")
    md5 = outputs[arguments.path]
    files = [{"relpath": Path(arguments.path).name, "md5": md5}]
    if md5.endswith(".dir"):
        files = json.loads(read(arguments.store, md5))
    arguments.to.mkdir(parents=True)  # an existing folder is an error: nothing is overwritten
    for file in files:
        path = arguments.to / file["relpath"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read(arguments.store, file["md5"]))


if __name__ == "__main__":
    main()
