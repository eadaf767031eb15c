"""Test `pawprint init` with unusual folders, and with unusual Git and DVC configurations."""

import contextlib
import getpass
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from conftest import (
    commit,
    encode,
    git_init,
    photos_of,
    refused,
    set_author,
    succeed,
    tarred,
    write_files,
)
from PIL import Image

from pawprint import __main__ as command_line
from pawprint.base.files import pack
from pawprint.base.git import current_commit, require_committed
from pawprint.base.yaml_file import read_yaml
from pawprint.commands.init import PARTIAL, create
from pawprint.commands.project_files import names_in_git
from pawprint.given import unpacking
from pawprint.given.label_choice import NOTHING
from pawprint.given.label_readings import Asked
from pawprint.pipeline.dvc import read_revision

# This is not available on Windows.
pwd = pytest.importorskip("pwd")


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


@pytest.mark.parametrize(
    ("place", "rule"),
    [(".gitignore", "*.csv"), (".git/info/exclude", "p/"), ("global", "/p/metrics/*")],
)
def test_rule_of_git_that_leaves_files_out_is_named_and_nothing_is_left(
    tmp_path, images, monkeypatch, place, rule
):
    """As in treeverse/dvc-bench 255 and treeverse/dvc 10907."""
    git_init(tmp_path)
    rules = tmp_path / place
    if place == "global":
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
        (tmp_path / "config").write_text(f"[core]\n\texcludesFile = {rules}\n")
    rules.write_text(f"# others'\n{rule}\n")
    before = listing(tmp_path)
    with refused(str(tmp_path / "p"), f"{rules}:2: {rule}", "Change the rules"):
        create(tmp_path / "p", images, None)
    assert listing(tmp_path) == before
    rules.write_text(f"{rule}\n!{rule}\n.vscode/\n")
    create(tmp_path / "p", images, None)
    names = committed(tmp_path / "p")
    assert set(names_in_git("photos")) <= names
    assert not any(name.startswith(("photos/", "data/", ".dvc/cache")) for name in names)


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
        create(tmp_path / "new", images, None)
    assert listing(tmp_path) == before
    monkeypatch.chdir(tmp_path)
    with refused("dubious ownership", "safe.directory"):
        require_committed(Path(), [Path("params.yaml")])
    with refused("dubious ownership", "safe.directory"):
        read_revision(Path(), "HEAD", Path("params.yaml"), bytes)
    assert current_commit() is None


OWN = {".venv/a": "", ".vscode/settings.json": "{}\n", ".DS_Store": ""}


@pytest.mark.parametrize("is_clone", [True, False])
def test_folder_that_is_empty_but_for_an_editor_becomes_a_project(tmp_path, images, is_clone):
    """Its history and files are kept."""
    folder = tmp_path / "mine"
    write_files(folder, OWN)
    if is_clone:
        git_init(folder)
        commit(folder, "Begun")
    with contextlib.chdir(folder):
        create(Path(), images, None)
    assert all((folder / name).read_text() == text for name, text in OWN.items())
    assert not (folder / ".vscode/extensions.json").exists()  # the folder is the user's
    set_author(folder)
    commit(folder, "A project")
    assert {"labels.csv", "photos.dvc"} <= set(succeed("git", "ls-files", cwd=folder).splitlines())
    subjects = succeed("git", "log", "--format=%s", cwd=folder).splitlines()
    assert subjects == ["A project", *["Begun"] * is_clone]


@pytest.mark.parametrize("name", ["notes.txt", "params.yaml", "photos/cat/1.jpg"])
def test_folder_with_files_is_refused_and_stays(tmp_path, images, name):
    """As in vitejs/vite 7971: nothing is overwritten."""
    folder = write_files(tmp_path / "mine", {name: "mine", **OWN})
    git_init(folder)
    before = listing(folder)
    with refused(str(folder), "a new or an empty folder", f"Received: {name.split('/')[0]}."):
        create(folder, images, None)
    assert listing(folder) == before


def test_failed_init_leaves_the_folder_as_it_was(tmp_path, images):
    """DVC fails at braces, after Git and DVC have been set up."""
    clone = write_files(tmp_path / "{a}", OWN)
    git_init(clone)
    before = listing(clone)
    for folder in (clone, tmp_path / "{b}"):
        with refused(f"{folder}/.dvc/cache", "without { and }"):
            create(folder, images, None)
    assert listing(clone) == before and not (tmp_path / "{b}").exists()


def test_interrupted_init_leaves_nothing_and_can_be_repeated(tmp_path, images, monkeypatch):
    """A killed one leaves its temporary folder, which the next one takes away."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pawprint.commands.init.track", interrupt)
        create(tmp_path / "p", images, None)
    assert not (tmp_path / "p").exists()
    write_files(tmp_path / "p" / PARTIAL, {"photos/cat/1.jpg": "half"})
    create(tmp_path / "p", images, None)
    assert not (tmp_path / "p" / PARTIAL).exists() and (tmp_path / "p/photos.dvc").exists()
    with refused("is already a project"):
        create(tmp_path / "p", images, None)


def test_photos_in_a_dvc_repository_become_those_of_a_project(tmp_path, images):
    """As in treeverse/dvc-data 155: DVC rejects a folder that contains a .dvcignore."""
    registry = shutil.copytree(images, tmp_path / "registry")
    write_files(registry, {".dvcignore": "# none\n", ".dvc/config": "", "cat.dvc": "outs: []\n"})
    create(tmp_path / "p", registry, None)
    assert "nfiles: 5" in (tmp_path / "p/photos.dvc").read_text()  # including cat.dvc
    (registry / ".dvcignore").write_text("dog/2.jpg\n")
    notes = create(tmp_path / "q", registry, None)
    assert any(str(registry / ".dvcignore") in note for note in notes)


def test_folder_of_one_class_is_told_from_a_folder_of_photos(tmp_path, images):
    above = "use the folder above: --images "
    assert any(f"{above}{images}" in note for note in create(tmp_path / "p", images / "cat"))
    alone = write_files(tmp_path / "alone" / "photos", photos_of(["0.jpg", "1.jpg"]))
    assert not any(above in note for note in create(tmp_path / "q", alone))


def test_links_to_photos_are_copied_unless_they_lead_back(tmp_path, images):
    registry = tmp_path / "registry"
    registry.mkdir()
    for label in ("cat", "dog"):
        (registry / label).symlink_to(images / label)
    create(tmp_path / "p", registry, None)
    assert "nfiles: 4" in (tmp_path / "p/photos.dvc").read_text()
    assert not any(path.is_symlink() for path in (tmp_path / "p/photos").rglob("*"))
    for label, other in (("wolf", "fox"), ("fox", "wolf")):  # folders that link to each other
        (registry / label).mkdir()
        (registry / label / other).symlink_to(registry / other)
    with refused(str(registry), " a link"):
        create(tmp_path / "q", registry, None)
    assert not (tmp_path / "q").exists()


def test_two_projects_share_a_repository(tmp_path, images):
    """Folders of classes that have no images are listed."""
    git_init(tmp_path)
    given = shutil.copytree(images, tmp_path / "given")
    (given / "bird").mkdir()
    write_files(given, {"fox/.DS_Store": ""})
    for name in ("one", "two"):
        notes = create(tmp_path / name, given, None)
        assert {f"{given / label} has no files" for label in ("bird", "fox")} <= {*notes}
        assert (tmp_path / name / "params.yaml").is_file()
        assert not (tmp_path / name / ".git").exists()


def test_long_images_are_stretched_as_the_middle_square_leaves_much_out(tmp_path):
    long = encode(Image.new("RGB", (90, 45)), "PNG")
    contents = dict.fromkeys(("cat/0.png", "cat/1.png", "dog/2.png"), long) | {"dog/b.png": b"no"}
    write_files(tmp_path / "long", contents)
    assert any("50%" in note for note in create(tmp_path / "p", tmp_path / "long"))
    assert read_yaml(tmp_path / "p/params.yaml")["model"]["resize"] == "stretch"


@pytest.mark.parametrize("name", ["kaggle.zip", "kaggle.tar.gz"])
def test_archive_is_unpacked_and_tables_in_it_are_read(tmp_path, name):
    photos = photos_of(f"train/{number}.jpg" for number in range(4))
    files = photos | {"train.csv": b"id,breed\n0,cat\n1,cat\n2,dog\n3,dog\n"}
    (pack if name.endswith("zip") else tarred)(tmp_path / name, files.items())
    asked = Asked((Path("train.csv"),), ("breed",))  # in the archive
    for project, choice in (("p", NOTHING), ("q", asked)):
        notes = create(tmp_path / project, tmp_path / name, asked=choice)
        assert "2 classes: cat (2), dog (2)" in notes
        written = listing(tmp_path / project / "photos")
        assert written.pop("metadata.csv").startswith(b"file_name,label\n") and written == photos
    assert {path.name for path in (tmp_path / "p").glob(".*")} >= {".dvc", ".git"}
    assert not (tmp_path / "p" / PARTIAL).exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_files_that_cannot_be_unpacked_are_left_out_named_and_counted(tmp_path, kind):
    names = ["../6.jpg", f"{tmp_path}/5.jpg", "cat/0.jpg", "cat/1.JPG", "cat/1.jpg", "cat/4.jpg"]
    names += ["dog/2.jpg", "dog/2.jpg/7.jpg", "dog/3.jpg", f"dog/{300 * 'x'}.jpg"]
    files = photos_of(names)
    path = tmp_path / f"odd.{kind}"
    (pack if kind == "zip" else tarred)(path, [*files.items(), (names[-2], files[names[-2]])])
    damaged = files["cat/4.jpg"]  # a tar has no checksums
    path.write_bytes(
        path.read_bytes().replace(damaged, damaged[::-1] if kind == "zip" else damaged)
    )
    notes = create(tmp_path / "p", path)
    left_out = [note.split("): ") for note in notes if note.startswith("left out")]
    assert {shown: why.split()[2] for why, shown in left_out} == {
        f"../6.jpg, {tmp_path}/5.jpg": "2",
        "cat/1.jpg, dog/3.jpg": "2",
        f"dog/2.jpg/7.jpg, {names[-1]}": "2",
    } | ({"cat/4.jpg": "1"} if kind == "zip" else {})
    written = listing(tmp_path / "p/photos")
    assert written == {name: files[name] for name in names if name in written}
    kept = ["cat/0.jpg", "cat/1.JPG", *["cat/4.jpg"] * (kind == "tar"), "dog/2.jpg", "dog/3.jpg"]
    assert sorted(written) == kept


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz"])
def test_bomb_and_full_disk_stop_and_leave_nothing(tmp_path, name, monkeypatch):
    files = {f"{label}/{number}.jpg": bytes(2**20) for label in ("cat", "dog") for number in "01"}
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in files.items():
            archive.writestr(member, data)
    tarred(tmp_path / "bomb.tar.gz", files.items())
    monkeypatch.setattr(unpacking, "GB", 10**6)
    with refused(name, "100 times the size of the archive"):
        create(tmp_path / "p", tmp_path / name)
    monkeypatch.setattr(unpacking, "GB", 10**18)  # no disk is as large
    with refused(name, "less than 1 GB of the disk"):
        create(tmp_path / "p", tmp_path / name)
    assert not (tmp_path / "p").exists()


def test_cache_that_cannot_be_written_is_named(tmp_path, images, monkeypatch):
    """As in varnish/vagent2 193: DVC's message is not dropped."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "dvc"))
    blocked = write_files(tmp_path, {"blocked": ""}) / "blocked"
    write_files(tmp_path / "dvc", {"config": f"[cache]\n    dir = {blocked}\n"})
    with refused(str(tmp_path / "p"), "Not a directory", str(blocked)):
        create(tmp_path / "p", images, None)
    assert not (tmp_path / "p").exists()


def test_user_without_a_name_gets_one_for_dvc(monkeypatch, capsys):
    """As in mifi/lossless-cut 571, in a container: `docker run --user 12345`."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # simulates a user without an entry
    command_line.name_user("init")
    assert f"export USER={os.getuid()}" in capsys.readouterr().out  # for `dvc` itself
    assert getpass.getuser() == str(os.getuid())
