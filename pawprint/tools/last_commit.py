"""What differs from the last commit, in words; Keep and Discard, in Git and DVC."""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dvc.exceptions import CheckoutError, DvcException
from dvc.repo import Repo

from pawprint import project
from pawprint.errors import InputError, name_some, printable, without_secrets
from pawprint.files import read_text
from pawprint.git import git, try_git
from pawprint.params.data import Fetch
from pawprint.pipeline.recorded import Recorded
from pawprint.templates.files import flat
from pawprint.tools.projects import describe_changes
from pawprint.tools.running import alone

# What a run reads, but for photos and the tables of the user.
INPUTS = (project.PARAMS, project.PIPELINE, project.REQUIREMENTS)
TABLES = (project.LABELS_CSV, project.SPLITS_CSV)


def has_commit() -> bool:
    return try_git("rev-parse", "--verify", "HEAD") is not None


def has_run() -> bool:
    """Whether the last commit has a run."""
    return has_commit() and bool(git("ls-tree", "HEAD", "--", project.LOCK.name))


def describe() -> str:
    """Such as `HEAD (1a2b3c4 Classify hotdogs)`."""
    return printable(git("log", "-1", "--format=HEAD (%h %s)").strip())


def has_author() -> bool:
    return try_git("var", "GIT_COMMITTER_IDENT") is not None


def results() -> list[Path]:
    """dvc.lock, and what the stages of the last commit and of the last run write."""
    committed = git("show", f"HEAD:./{project.LOCK}") if has_run() else ""
    outs = map(Path, outputs(Recorded()) | outputs(Recorded(committed)))
    return [project.LOCK, *sorted(out for out in outs if not out.anchor and ".." not in out.parts)]


def outputs(recorded: Recorded) -> set[str]:
    return {out for stage in recorded.stages for out in recorded.hashes(stage)}


def changed_files(paths: Iterable[Path]) -> list[str]:
    """The files that differ from the last commit, by their name from the top of the repository."""
    files = (f":(literal){path}" for path in paths)
    options = ("--porcelain", "--no-renames", "--untracked-files=all", "-z")
    listed = git("status", *options, "--", *files)
    return [entry[3:] for entry in listed.split("\0") if entry]


def to_keep() -> list[str]:
    """The files of a commit: of a first one all, as in README, or else what a run reads and writes.

    As `changed_files` names them.
    """
    source = Path(f"{Fetch.load().source}.dvc")
    paths = (*results(), *INPUTS, *TABLES, *[source] * source.exists())
    return changed_files(paths if has_commit() else [Path()])


def to_discard() -> list[str]:
    """The files to restore, or to remove where the last commit has none, as `changed_files`.

    Photos, the file with which DVC tracks them, labels and splits are not among them. Raises
    InputError without a commit of the project: what it lacks would be removed.
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
    """A commit of `to_keep`. Raises InputError during a run, or if Git fails.

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
        # Both name all outputs of stages that the commit has not run: the warnings and the error.
        logging.getLogger("dvc_data").setLevel(logging.ERROR)
        try:
            with Repo() as repo:
                repo.checkout([project.PIPELINE.name], force=True)
        except CheckoutError as error:
            if lacking := sorted(outputs(Recorded()).intersection(error.target_infos)):
                raise InputError(
                    f"discard: {name_some(lacking)}: expected the results of the last commit in "
                    f"DVC's cache. Received: none. Run `dvc pull {project.PIPELINE}`, or `dvc "
                    "repro` to make them again."
                ) from None
        except DvcException as error:
            raise InputError(
                f"dvc checkout: expected success. Received: {_text_of(error)}. Run `dvc repro`."
            ) from None


def diff_of_inputs() -> str:
    """What Git has as the changes of INPUTS since the last commit, without secrets."""
    options = ("--no-color", "--no-ext-diff", "--unified=0", "--irreversible-delete")
    text = git("diff", *options, "HEAD", "--", *map(str, INPUTS))
    return "".join(f"{printable(without_secrets(line))}\n" for line in text.splitlines())


def _text_of(error: DvcException) -> str:
    return printable(" ".join(str(error).split()))


def describe_since_commit() -> tuple[list[str], list[str], list[str]]:
    """What differs from the last commit, in words, and the stages that DVC would run.

    First what Discard leaves, then what it restores.
    Stages after these run, too, where their inputs change. Raises InputError.
    """
    source = Fetch.load().source
    is_tracked, photos = has_commit() and Path(f"{source}.dvc").exists(), {}
    try:
        with Repo() as repo:
            status = repo.status()
            if is_tracked:
                photos = repo.diff(targets=[source])
    except DvcException as error:
        raise InputError(f"dvc status: expected success. Received: {_text_of(error)}") from None
    stages = [name for name in status if name != "code" and not name.endswith(".dvc")]
    if not has_commit():
        return [], [], stages
    before = flat(git("show", f"HEAD:./{project.PARAMS}"))
    params = describe_changes(before, flat(read_text(project.PARAMS)))
    lost = [*_lines(project.PIPELINE, project.REQUIREMENTS), *params]
    return [*_photos(photos), *_lines(*TABLES)], lost, stages


def _photos(files: dict[str, list[dict]]) -> Iterable[str]:
    """Such as "12 photos of cat added", from what `dvc diff` has of them."""
    for kind in ("added", "deleted", "modified", "renamed"):
        paths = [file["path"] for file in files.get(kind, ())]
        names = [path if isinstance(path, str) else path["new"] for path in paths]
        folders = Counter(PurePosixPath(name).parent.name for name in names if name[-1] != "/")
        for folder, number in sorted(folders.items()):
            yield f"{number:,} photo{'s' * (number > 1)} of {folder} {kind}"


def _lines(*paths: Path) -> Iterable[str]:
    for line in git("diff", "--numstat", "HEAD", "--", *map(str, paths)).splitlines():
        added, removed, name = line.split("\t")
        yield f"{name}, lines changed: {max(int(added), int(removed))}"
