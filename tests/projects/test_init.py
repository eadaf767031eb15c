"""Test `pawprint init` with unusual folders, and with unusual Git and DVC configurations."""

import contextlib
import getpass
import os
import shutil
from pathlib import Path

import pytest
from conftest import commit, git_init, photos_of, refused, succeed, write_files

from pawprint import __main__ as command_line
from pawprint.git import current_commit
from pawprint.pipeline.dvc import read_revision
from pawprint.projects.init import create
from pawprint.projects.recipes import require_committed
from pawprint.projects.upgrade import upgrade
from pawprint.templates import names_in_git, restored_after_failure
from pawprint.yaml_file import read_yaml

# This is not available on Windows.
pwd, resource = pytest.importorskip("pwd"), pytest.importorskip("resource")
RULES = "*.csv\n*.json\n*.png\n*.lock\n*.dvc\n*.yaml\nplots/\n**/docs/**\n.*\n/p/data/\n"


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("given") / "images"
    return write_files(folder, photos_of(["cat/0.jpg", "cat/1.jpg", "dog/2.jpg", "dog/3.jpg"]))


def listing(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file below a folder, except Git's own files."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if ".git/" not in name or name.endswith("index")
    }


def committed(project: Path) -> set[str]:
    """Return the files needed in Git that `git add .` adds."""
    for name in names_in_git("photos"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    succeed("git", "add", ".", cwd=project)
    return set(succeed("git", "ls-files", cwd=project).splitlines())


@pytest.mark.parametrize("place", [".gitignore", ".git/info/exclude", "global"])
def test_files_that_a_rule_of_git_leaves_out_are_taken_back(tmp_path, images, monkeypatch, place):
    """As in treeverse/dvc-bench 255 and treeverse/dvc 10907: the parent's rules are for others."""
    git_init(tmp_path)
    rules = tmp_path / place
    if place == "global":
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
        (tmp_path / "config").write_text(f"[core]\n\texcludesFile = {rules}\n")
    rules.write_text(RULES)
    notes = create(tmp_path / "p", images, None, False)
    assert any(f"{rules}:1: *.csv" in note for note in notes)
    names = committed(tmp_path / "p")
    assert set(names_in_git("photos")) <= names
    assert not any(name.startswith(("photos/", "data/", ".dvc/cache")) for name in names)


def test_rule_that_cannot_be_taken_back_is_named_and_nothing_is_left(tmp_path, images):
    """As in treeverse/dvc 10907, where a parent ignores the whole project."""
    git_init(tmp_path)
    (tmp_path / ".gitignore").write_text("# sandboxes\np/\n")
    before = listing(tmp_path)
    with refused(str(tmp_path / "p"), f"{tmp_path / '.gitignore'}:2: p/", "Change the rule"):
        create(tmp_path / "p", images, None, False)
    assert listing(tmp_path) == before and not (tmp_path / "p").exists()


def test_upgrade_takes_back_what_rules_of_others_leave_out_but_not_the_users_own(tmp_path, images):
    """As in treeverse/dvc-bench 255, for somebody who already has a project."""
    git_init(tmp_path)
    project = tmp_path / "p"
    create(project, images, None, False)
    (tmp_path / ".gitignore").write_text("*.csv\n")
    with (project / ".gitignore").open("a") as file:
        file.write("*.lock\n")
    lines = upgrade(project)
    assert any(f"{tmp_path / '.gitignore'}:1: *.csv" in line for line in lines)
    assert set(names_in_git("photos")) - committed(project) == {"dvc.lock"}
    assert upgrade(project) == []


def test_repository_of_another_owner_is_one(tmp_path, images, monkeypatch):
    """As in libgit2/pygit2 1156 and casperdcl/git-fame 81: Git's reason and advice are shown.

    A service continues without Git.
    """
    git_init(tmp_path)
    write_files(tmp_path, {"params.yaml": "a: 1\n"})
    commit(tmp_path, "Mine")
    before = listing(tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with refused("dubious ownership", "git config --global --add safe.directory", str(tmp_path)):
        create(tmp_path / "new", images, None, False)
    assert listing(tmp_path) == before
    monkeypatch.chdir(tmp_path)
    with refused("dubious ownership", "safe.directory"):
        require_committed(Path())
    with refused("dubious ownership", "safe.directory"):
        read_revision(Path(), "HEAD", Path("params.yaml"), bytes)
    assert current_commit() is None


OWN = {
    "README.md": "# Ours\n",
    "LICENSE": "MIT\n",
    ".github/workflows/ci.yml": "on: push\n",
    ".gitignore": "*.pyc\n*.csv",  # without a newline at the end
    ".gitattributes": "*.psd -text\n",
    "requirements.txt": "numpy\n",
}


@pytest.mark.parametrize("files", [{}, OWN], ids=["empty", "begun"])
def test_fresh_clone_becomes_a_project(tmp_path, images, files):
    """As in vitejs/vite 7971: other files and the history are kept."""
    git_init(tmp_path)
    write_files(tmp_path, files)
    if files:
        commit(tmp_path, "Begun")
    shutil.copytree(images, tmp_path.parent / f"{tmp_path.name}-images")
    create(tmp_path, tmp_path.parent / f"{tmp_path.name}-images", None, False)
    for name in ("README.md", "LICENSE", ".github/workflows/ci.yml"):
        if name in files:
            assert (tmp_path / name).read_text() == files[name]
    for name in (".gitignore", ".gitattributes", "requirements.txt"):
        lines = (tmp_path / name).read_text().splitlines()
        assert set(files.get(name, "").splitlines()) < set(lines)
    commit(tmp_path, "A project")
    names = set(succeed("git", "ls-files", cwd=tmp_path).splitlines())
    assert {"labels.csv", "photos.dvc", *files} <= names
    assert succeed("git", "log", "--format=%s", cwd=tmp_path).split("\n")[-2:] == (
        ["Begun", ""] if files else ["A project", ""]
    )
    assert upgrade(tmp_path) == []


def test_failed_init_in_a_clone_leaves_it_as_it_was(tmp_path, images):
    """As in vitejs/vite 7971. DVC fails at braces, after Git and DVC have been set up."""
    clone = tmp_path / "{a}"
    clone.mkdir()
    git_init(clone)
    write_files(clone, OWN)
    commit(clone, "Begun")
    before = listing(clone)
    with refused("{a}/.dvc/cache", "without { and }"):
        create(clone, images, None, False)
    assert listing(clone) == before
    assert succeed("git", "status", "--short", cwd=clone) == ""


@pytest.mark.parametrize(
    ("has_git", "name", "words"),
    [
        (False, "notes.txt", "a new or an empty folder, or a Git repository"),
        (True, "params.yaml", "room for a project's files"),
        (True, "photos/cat/1.jpg", "room for a project's files"),
        (True, "data/a.csv", "room for a project's files"),
    ],
)
def test_what_is_in_the_way_is_named(tmp_path, images, has_git, name, words):
    """As in vitejs/vite 7971: nothing is overwritten."""
    folder = tmp_path / "mine"
    write_files(folder, {name: "mine", ".venv/a": ""})
    if has_git:
        git_init(folder)
    before = listing(folder)
    with refused(str(folder), words, name.split("/")[0]):
        create(folder, images, None, False)
    assert listing(folder) == before


def test_ctrl_c_as_init_begins_takes_nothing_of_a_clone(tmp_path, monkeypatch):
    def interrupt(folder: Path) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    write_files(tmp_path, OWN)
    monkeypatch.setattr(Path, "iterdir", interrupt)
    with pytest.raises(KeyboardInterrupt), restored_after_failure(tmp_path):
        pass
    assert all((tmp_path / name).exists() for name in OWN)


def test_images_in_the_clone_itself_are_to_be_moved(tmp_path, images):
    git_init(tmp_path)
    shutil.copytree(images, tmp_path / "given")
    with refused(str(tmp_path / "given"), "it is inside", "Move the images elsewhere"):
        create(tmp_path, tmp_path / "given", None, False)


def test_photos_in_a_dvc_repository_become_those_of_a_project(tmp_path, images):
    """As in treeverse/dvc-data 155: DVC rejects a folder that contains a .dvcignore."""
    registry = shutil.copytree(images, tmp_path / "registry")
    write_files(registry, {".dvcignore": "# none\n", ".dvc/config": "", "cat.dvc": "outs: []\n"})
    create(tmp_path / "p", registry, None, False)
    assert "nfiles: 5" in (tmp_path / "p/photos.dvc").read_text()  # including cat.dvc
    (registry / ".dvcignore").write_text("dog/2.jpg\n")
    notes = create(tmp_path / "q", registry, None, False)
    assert any(str(registry / ".dvcignore") in note for note in notes)
    with refused("--outside", str(registry / ".dvcignore")):
        create(tmp_path / "r", registry, None, True)


def test_links_to_photos_are_copied_unless_they_lead_back(tmp_path, images):
    registry = tmp_path / "registry"
    registry.mkdir()
    for label in ("cat", "dog"):
        (registry / label).symlink_to(images / label)
    create(tmp_path / "p", registry, None, False)
    assert "nfiles: 4" in (tmp_path / "p/photos.dvc").read_text()
    assert not any(path.is_symlink() for path in (tmp_path / "p/photos").rglob("*"))
    for label, other in (("wolf", "fox"), ("fox", "wolf")):  # folders that link to each other
        (registry / label).mkdir()
        (registry / label / other).symlink_to(registry / other)
    for is_outside in (False, True):
        with refused(str(registry), " a link"):
            create(tmp_path / "q", registry, None, is_outside)
    assert not (tmp_path / "q").exists()


def test_two_projects_share_a_repository_and_photos_may_stay_outside(tmp_path, images):
    """Folders of classes that have no images are listed."""
    git_init(tmp_path)
    given = shutil.copytree(images, tmp_path / "given")
    (given / "bird").mkdir()
    write_files(given, {"fox/.DS_Store": ""})
    for name in ("one", "two"):
        notes = create(tmp_path / name, given, None, name == "two")
        assert {f"{given / label} has no files" for label in ("bird", "fox")} <= {*notes}
        assert (tmp_path / name / "params.yaml").is_file()
        assert not (tmp_path / name / ".git").exists()
    assert read_yaml(tmp_path / "two/params.yaml")["fetch"]["source"] == "../given"
    assert (tmp_path / "one/photos").is_dir() and not (tmp_path / "two/photos").exists()
    one, two = ((tmp_path / name / "dvc.yaml").read_text() for name in ("one", "two"))
    assert two.count("persist: true") == 1 and "persist: true" in two.split("  clean:")[0]
    assert "persist" not in one  # DVC would change the mode of another user's files, which fails


def test_full_disk_is_called_one(tmp_path, images):
    """As in varnish/vagent2 193 and mifi/lossless-cut 571, with a limit on the size of files."""
    given = shutil.copytree(images, tmp_path / "given")
    write_files(given, {"dog/large.jpg": bytes(2**20)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, limits[1]))
    try:
        # Work outside this repository, because killing Git would leave a lock.
        with contextlib.chdir(tmp_path), refused("large.jpg", "File too large"):
            create(tmp_path / "p", given, None, False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "p").exists()


def test_cache_that_cannot_be_written_is_named(tmp_path, images, monkeypatch):
    """As in varnish/vagent2 193: DVC's message is not dropped."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "dvc"))
    blocked = write_files(tmp_path, {"blocked": ""}) / "blocked"
    write_files(tmp_path / "dvc", {"config": f"[cache]\n    dir = {blocked}\n"})
    with refused(str(tmp_path / "p"), "Not a directory", str(blocked)):
        create(tmp_path / "p", images, None, False)
    write_files(tmp_path / "dvc", {"config": "[cache\n"})
    with refused(str(tmp_path / "p"), "config file error"):
        create(tmp_path / "p", images, None, False)
    assert not (tmp_path / "p").exists()


def test_user_without_a_name_gets_one_for_dvc(monkeypatch):
    """As in mifi/lossless-cut 571, in a container: `docker run --user 12345`."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # simulates a user without an entry
    command_line.name_user()
    assert getpass.getuser() == str(os.getuid())
