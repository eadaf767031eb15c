"""Hash the files that dvc.lock names, in DVC's cache and in the workspace.

DVC does not hash a read-only file of its cache, so it restores a damaged one. This command removes
damaged files from the cache, and nothing else: `dvc repro` makes them again, `dvc repro --pull`
fetches them. A file of the workspace that differs is named. One that is missing is not damaged. The
exit status is 1 if any file is damaged.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from pawprint.core.errors import InputError, printable
from pawprint.core.files import digest
from pawprint.core.recorded import LOCK, Recorded, is_md5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> None:
    recorded = Recorded()
    outs = [
        (stage, Path(path), md5)
        for stage in recorded.stages
        for path, md5 in recorded.hashes(stage).items()
    ]
    if not outs:
        raise InputError(f"{LOCK}: expected the results of a run. Received: none. Run `dvc repro`.")
    checked, damaged = find_damaged(recorded, [(path, md5) for _, path, md5 in outs])
    # The lists of files of folders: those that are left are undamaged.
    folders = [each for each in outs if is_md5(each[2]) and each[2].endswith(".dir")]
    listed = [
        (path / name, md5)
        for stage, path, _ in folders
        for name, md5 in recorded.files(stage, path).items()
    ]
    unlisted = [path.as_posix() for _, path, md5 in folders if not recorded.file(md5).is_file()]
    files, of_folders = find_damaged(recorded, listed)
    if damaged + of_folders:
        raise InputError("\n".join(damaged + of_folders))
    print(f"verify: {checked + files:,} copies of files have the hash of dvc.lock")
    if unlisted:
        print(f"verify: not in DVC's cache, so not checked: {', '.join(unlisted)}")


def find_damaged(recorded: Recorded, files: list[tuple[Path, object]]) -> tuple[int, list[str]]:
    """The number of copies of files, given with their MD5, and a line for each damaged one.

    Those in the cache are removed. The MD5 of a folder is that of the list of its files, which is
    in the cache only. A path outside of the project, or what is no MD5, is a line, and no file is
    read for it.
    """
    copies, damaged = {}, []
    for path, md5 in files:
        if is_md5(md5) and not path.anchor and ".." not in path.parts:
            copies[path] = copies[recorded.file(md5)] = path, md5
        else:
            damaged.append(
                f"{LOCK}: expected paths in the project, and MD5s of 32 hexadecimal digits. "
                f"Received: {printable(str(path))} with {md5!r}. Restore the file, or run "
                "`dvc repro --force`."
            )
    copies = {copy: known for copy, known in copies.items() if copy.is_file()}
    with tqdm(copies.items(), desc="verify", unit="file", disable=None) as progress:
        for copy, (path, md5) in progress:
            try:
                found = digest(copy, "md5")
                if found == md5.removesuffix(".dir"):
                    continue
                expected = f"{copy}: expected the file {path} with the MD5 {md5}. Received: {found}"
                if copy == path:
                    damaged.append(
                        f"{expected}. If you did not change it, remove it. Run `dvc repro`."
                    )
                elif not copy.resolve().is_relative_to(recorded.cache.resolve()):
                    damaged.append(f"{expected}. A link leads out of DVC's cache. Remove the link.")
                else:
                    copy.unlink()
                    damaged.append(f"{expected}. It is removed from DVC's cache. Run `dvc repro`.")
            except FileNotFoundError:  # removed by a stage that started meanwhile
                continue
            except OSError as error:
                damaged.append(
                    f"{copy}: expected to read it, and to remove it from DVC's cache if it is "
                    f"damaged. Received: {error.strerror}. Check permissions."
                )
    return len(copies), damaged
