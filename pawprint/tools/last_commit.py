"""What differs from the last commit, in words; Keep and Discard, in Git and DVC."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from dvc.exceptions import DvcException
from dvc.repo import Repo

from pawprint import project
from pawprint.errors import InputError, reason
from pawprint.files import read_text
from pawprint.git import git, try_git
from pawprint.params.data import Fetch
from pawprint.templates.files import flat
from pawprint.tools.projects import describe_changes
from pawprint.tools.running import alone

RESULTS = (project.LOCK, Path("metrics"), project.PLOTS, project.MODEL_CARD)
INPUTS = (project.PARAMS, project.PIPELINE, project.REQUIREMENTS)
TABLES = (project.LABELS_CSV, project.SPLITS_CSV)  # of the user


def has_commit() -> bool:
    return try_git("rev-parse", "--verify", "HEAD") is not None


def has_run() -> bool:
    """Whether the last commit has a run."""
    return has_commit() and bool(git("ls-tree", "HEAD", "--", project.LOCK.name))


def has_author() -> bool:
    return try_git("var", "GIT_COMMITTER_IDENT") is not None


def git_status(paths: Iterable[Path]) -> dict[str, str]:
    """By name from the top of the repository, two letters of Git for each file that differs."""
    listed = git("status", "--porcelain", "--no-renames", "-z", "--", *map(str, paths))
    return {entry[3:]: entry[:2] for entry in listed.split("\0") if entry}


def to_keep() -> dict[str, str]:
    """The files of a commit: of a first one all, as in README, or else what a run reads and writes.

    As `git_status` returns them.
    """
    source = Path(f"{Fetch.load().source}.dvc")
    paths = (*RESULTS, *INPUTS, *TABLES, *[source] * source.exists())
    return git_status(paths if has_commit() else [Path()])


def to_discard() -> list[str]:
    """Files of the last commit to restore. Photos, labels and splits are not among them."""
    return [name for name, state in git_status(RESULTS + INPUTS).items() if state[0] not in "A?"]


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
    """Restore the last commit's run. Raises InputError during a run, or if Git or DVC fails."""
    with alone():
        files = [f":(top,literal){name}" for name in to_discard()]
        git("restore", "--source=HEAD", "--staged", "--worktree", "--", *files)
        try:
            with Repo() as repo:
                repo.checkout([project.PIPELINE.name])
        except DvcException as error:
            raise InputError(
                f"dvc checkout: expected success. Received: {reason(error)}. Press Run."
            ) from None


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
        raise InputError(f"dvc status: expected success. Received: {reason(error)}") from None
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
