"""The command `discard`: what differs from the last commit; Keep and Discard, in Git and DVC."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pawprint import project
from pawprint.commands.recipes import describe_param_changes, flat
from pawprint.errors import InputError, name_some, printable, without_secrets
from pawprint.files import read_text
from pawprint.git import git, try_git
from pawprint.params.data import Fetch
from pawprint.pipeline.dvc import check_out, find_changed_files, find_stages_to_run
from pawprint.pipeline.recorded import Recorded
from pawprint.pipeline.runs import alone

# What a run reads, but for photos and the tables of the user.
INPUTS = (project.PARAMS, project.PIPELINE, project.REQUIREMENTS)
TABLES = (project.LABELS_CSV, project.SPLITS_CSV)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--yes", action="store_true", help="no question before files change")


def run(arguments: argparse.Namespace) -> int:
    """Go back to the run of the last commit, and to its params.

    What the stages write, dvc.lock, params.yaml, dvc.yaml and requirements.txt become as in the
    last commit. What is lost is shown first: your changes as a diff, and the names of the files.
    Photos, the file with which DVC tracks them, labels.csv and splits.csv stay as they are. The
    exit status is 1 if the answer is no.

    Examples:
      pawprint discard
      pawprint discard --yes
    """
    with alone():  # raises InputError during a run
        names = to_discard()
    if names and not arguments.yes:
        if not sys.stdin.isatty():
            raise InputError(
                f"discard: expected an answer for {len(names)} files, from a terminal. Received: "
                "none. Add --yes."
            )
        print(diff_of_inputs(), end="")
        print(f"These files become those of {describe()}:")
        print("\n".join(f"  {printable(name)}" for name in names))
        print("So does what DVC keeps of the run. Photos, labels.csv and splits.csv stay.")
        try:
            answer = input("Discard the run and these changes? [y/N] ")
        except EOFError:  # Ctrl-D
            answer = ""
            print()
        if answer.strip().lower() not in ("y", "yes"):
            print("discard: nothing is changed")
            return 1
    discard()
    print(f"discard: the run and the params are those of {describe()}")
    return 0


def has_commit() -> bool:
    """Return whether there is a commit."""
    return try_git("rev-parse", "--verify", "HEAD") is not None


def has_run() -> bool:
    """Return whether the last commit has a run."""
    return has_commit() and bool(git("ls-tree", "HEAD", "--", project.LOCK.name))


def describe() -> str:
    """Return such as `HEAD (1a2b3c4 Classify hotdogs)`."""
    return printable(git("log", "-1", "--format=HEAD (%h %s)").strip())


def has_author() -> bool:
    """Return whether Git knows who commits."""
    return try_git("var", "GIT_COMMITTER_IDENT") is not None


def results() -> list[Path]:
    """Return dvc.lock, and what the stages of the last commit and of the last run write."""
    committed = git("show", f"HEAD:./{project.LOCK}") if has_run() else ""
    outs = map(Path, outputs(Recorded()) | outputs(Recorded(committed)))
    return [project.LOCK, *sorted(out for out in outs if not out.anchor and ".." not in out.parts)]


def outputs(recorded: Recorded) -> set[str]:
    """Return the paths of the outputs of all stages."""
    return {out for stage in recorded.stages for out in recorded.hashes(stage)}


def changed_files(paths: Iterable[Path]) -> list[str]:
    """Return the files that differ from the last commit, as named from the repository's top."""
    files = (f":(literal){path}" for path in paths)
    options = ("--porcelain", "--no-renames", "--untracked-files=all", "-z")
    listed = git("status", *options, "--", *files)
    return [entry[3:] for entry in listed.split("\0") if entry]


def to_keep() -> list[str]:
    """Return the files to commit, as `changed_files` names them.

    For a first commit these are all files, or else what a run reads and writes.
    """
    if not has_commit():
        return changed_files([Path()])
    paths = [*results(), *INPUTS, *TABLES]
    source = Path(f"{Fetch.load().source}.dvc")
    return changed_files([*paths, source] if source.exists() else paths)


def to_discard() -> list[str]:
    """Return the files to restore, or to remove where the last commit has none.

    They are named as by `changed_files`. Photos, the file with which DVC tracks them, labels and
    splits are not among them. Raises InputError without a commit of the project: what it lacks
    would be removed.
    """
    git("rev-parse", "--git-dir")  # raises InputError with Git's own reason
    committed = git("ls-tree", "HEAD", "--", *map(str, INPUTS)) if has_commit() else ""
    if len(committed.splitlines()) < len(INPUTS):
        raise InputError(
            f"discard: expected a commit to go back to, with {name_some(map(str, INPUTS))}. "
            "Received: none. Run `git add .` and `git commit`, which keep everything."
        )
    # STATE is of the same upgrade as INPUTS.
    return changed_files([*results(), *INPUTS, project.STATE])


def keep(message: str, author: dict[str, str]) -> None:
    """Commit the files of `to_keep`. Raises InputError during a run, or if Git fails.

    `author` has settings of Git that this repository gets first.
    """
    with alone():
        for setting in author.items():
            git("config", *setting)
        files = [f":(top,literal){name}" for name in to_keep()]
        git("add", "--", *files)
        git("commit", "--quiet", "--file=-", "--", *files, text=message)


def discard() -> None:
    """Restore the last commit's run: `to_discard`, and then what DVC keeps of its stages.

    Raises InputError during a run, if Git or DVC fails, or if DVC's cache lacks a result.
    """
    with alone():
        names = to_discard()
        tree = {*git("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD").split("\0")}
        old = [f":(top,literal){name}" for name in names if name in tree]
        new = [f":(top,literal){name}" for name in names if name not in tree]
        if old:
            git("restore", "--source=HEAD", "--staged", "--worktree", "--", *old)
        if new:
            git("rm", "--quiet", "--cached", "--ignore-unmatch", "--", *new)
            git("clean", "--quiet", "--force", "--", *new)
        lacking = outputs(Recorded()) & check_out(project.PIPELINE)
    if lacking:
        raise InputError(
            f"discard: {name_some(sorted(lacking))}: expected the results of the last commit in "
            f"DVC's cache. Received: none. Run `dvc pull {project.PIPELINE}`, or `dvc repro` to "
            "make them again."
        )


def diff_of_inputs() -> str:
    """Return the diff of INPUTS since the last commit, without secrets."""
    options = ("--no-color", "--no-ext-diff", "--unified=0", "--irreversible-delete")
    text = git("diff", *options, "HEAD", "--", *map(str, INPUTS))
    return "".join(f"{printable(without_secrets(line))}\n" for line in text.splitlines())


def describe_since_commit() -> tuple[list[str], list[str], list[str]]:
    """Return what differs from the last commit, in words, and the stages that DVC would run.

    First is what Discard leaves, then what it restores. Stages after these run, too, where their
    inputs change. Raises InputError.
    """
    stages = find_stages_to_run()
    if not has_commit():
        return [], [], stages
    source = Fetch.load().source
    photos = find_changed_files(source) if Path(f"{source}.dvc").exists() else {}
    before = flat(git("show", f"HEAD:./{project.PARAMS}"))
    removed = dict.fromkeys(before)  # such as a layer of `augment`
    params = describe_param_changes(before, removed | flat(read_text(project.PARAMS)))
    lost = [*_lines(project.PIPELINE, project.REQUIREMENTS), *params]
    return [*_photos(photos), *_lines(*TABLES)], lost, stages


def _photos(files: dict[str, list[str]]) -> Iterable[str]:
    """Yield such as "12 photos of cat added", from the paths of changed files by kind."""
    for kind in ("added", "deleted", "modified", "renamed"):
        names = files.get(kind, ())
        folders = Counter(PurePosixPath(name).parent.name for name in names if name[-1] != "/")
        for folder, number in sorted(folders.items()):
            noun = "photo" if number == 1 else "photos"
            yield f"{number:,} {noun} of {folder} {kind}"


def _lines(*paths: Path) -> Iterable[str]:
    """Yield such as "labels.csv, lines changed: 3", for files of text."""
    for line in git("diff", "--numstat", "HEAD", "--", *map(str, paths)).splitlines():
        added, removed, name = line.split("\t")
        yield f"{name}, lines changed: {max(int(added), int(removed))}"
