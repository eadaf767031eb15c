"""Commands on what dvc.lock records: `data`, `keep-splits`, `check`, `verify`."""

import argparse
from pathlib import Path

from pawprint.cli import aligned
from pawprint.columns import SPLIT, SPLITS
from pawprint.dataset.user_tables import keep_splits, read_kept_splits
from pawprint.errors import InputError, printable
from pawprint.files import md5
from pawprint.pipeline.fingerprint import not_as_pinned
from pawprint.pipeline.recorded import Recorded, find_damaged, is_md5
from pawprint.pipeline.revisions import WORKSPACE, require_reproduced
from pawprint.project import LOCK, SPLIT_CSV, SPLITS_CSV
from pawprint.tables import read_table
from pawprint.tools.changes import CHANGES, count_changes, find_changes, tables_of


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["diff"], metavar="diff")
    parser.add_argument("old", metavar="REV", help="commit, branch, tag or experiment")
    parser.add_argument(
        "new", metavar="REV", nargs="?", default=WORKSPACE, help="default: the workspace"
    )


def run_data(arguments: argparse.Namespace) -> None:
    """List the images that changed between two commits, or between a commit and the workspace.

    `data diff` compares what `clean` and `split` recorded: images added, removed, relabelled, moved
    to another split, and files newly rejected. An image is known by its pixels, so a renamed file
    is no change. For the workspace, run `dvc repro split` first.
    """
    old, new = arguments.old, arguments.new
    changes = find_changes(tables_of(old), tables_of(new))
    if changes.empty:
        first = ". After a change of images or labels, run `dvc repro split` first"
        print(f"{old} and {new} have the same images{first if new == WORKSPACE else ''}")
        return
    print(count_changes(changes).to_string(), end="\n\n")
    rows = changes[CHANGES].assign(path=changes["path"].map(printable))
    print(aligned([CHANGES, *rows.to_numpy()]))


def add_keep_splits(parser: argparse.ArgumentParser) -> None:
    train = "new images are for training, such as those that `pawprint suggest` named"
    parser.add_argument("--train", action="store_true", help=train)


def run_keep_splits(arguments: argparse.Namespace) -> None:
    """Write the splits of the last result into splits.csv, so that all images stay in their split.

    The images of the last `dvc repro split` that the file does not have are added. Run it again
    each time images were added and `dvc repro split` has placed them, before labels are corrected.
    With --train, they become training images, so that validation and test stay as they are: images
    that somebody chose are no sample. You can edit the column `split`.
    """
    recorded = Recorded()
    result = recorded.hash_of("split", SPLIT_CSV)
    if not result:
        raise InputError(
            f"{LOCK}: expected the result of `split`. Received: none. Run `dvc repro split`."
        )
    has_rows = SPLITS_CSV.exists() and read_kept_splits(SPLITS_CSV)
    if arguments.train and not has_rows:
        raise InputError(
            f"{SPLITS_CSV}: expected the splits of the images that were there before. Received: "
            "none. Run `pawprint keep-splits` before you add images."
        )
    if has_rows and recorded.hash_of("split", SPLITS_CSV, "deps") != md5(SPLITS_CSV):
        raise InputError(
            f"{SPLITS_CSV}: expected the file that `split` last read. Received: an edit of it. Run "
            "`dvc repro split`."
        )
    new = keep_splits(SPLITS_CSV, read_table(recorded.file(result), SPLIT), arguments.train)
    counts = new["split"].value_counts().reindex(SPLITS, fill_value=0)
    added = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    print(f"keep-splits: {SPLITS_CSV}: {len(new):,} images added: {added}. Run `dvc repro`.")


def run_check(arguments: argparse.Namespace) -> None:
    """Fail if the committed results are not those of this code, these params and pinned packages.

    Compares params, code and files with dvc.lock, without data. The exit status is 1 if one
    differs, or if an installed package is not the version that requirements.txt pins.
    """
    lines = {line for text in require_reproduced().values() for line in text.splitlines()}
    if versions := not_as_pinned(sorted(line for line in lines if "==" in line)):
        raise InputError(
            f"requirements.txt: expected the installed versions. Received: {', '.join(versions)}. "
            "Run `pip install -r requirements.txt`."
        )
    print("check: the results are those of this code, these params and these packages")


def run_verify(arguments: argparse.Namespace) -> None:
    """Hash the files that dvc.lock names, in DVC's cache and in the workspace.

    DVC does not hash a read-only file of its cache, so it restores a damaged one. This command
    removes damaged files from the cache, and nothing else: `dvc repro` makes them again,
    `dvc repro --pull` fetches them. A file of the workspace that differs is named. One that is
    missing is not damaged. The exit status is 1 if any file is damaged.
    """
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
    folders = [out for out in outs if is_md5(out[2]) and out[2].endswith(".dir")]
    members = [
        (path / name, md5)
        for stage, path, _ in folders
        for name, md5 in recorded.files(stage, path).items()
    ]
    unlisted = [path.as_posix() for _, path, md5 in folders if not recorded.file(md5).is_file()]
    files, of_folders = find_damaged(recorded, members)
    if damaged + of_folders:
        raise InputError("\n".join(damaged + of_folders))
    print(f"verify: {checked + files:,} copies of files have the hash of dvc.lock")
    if unlisted:
        print(f"verify: not in DVC's cache, so not checked: {', '.join(unlisted)}")
