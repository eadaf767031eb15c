"""Data and models travel through a DVC remote: two clones, a folder and a real SSH server."""

import getpass
import hashlib
import importlib.util
import json
import shutil
import socket
import subprocess
import zipfile
from pathlib import Path

import pytest
from conftest import AFTER_FINETUNING, TINY, git_project, repro, run

from pawprint.core.files import pack
from recipes.sample.drawings import drawn_dataset

pytestmark = pytest.mark.slow
OFFLINE = TINY + "weights: {source: recipes/sample/base.h5}\n"


def succeed(*command: str, cwd: Path) -> str:
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def change_rate(project: Path, rate: str) -> None:
    path = project / "params.yaml"
    text = path.read_text(encoding="utf-8")
    before, after = text.split("train_finetune:")
    line = next(line for line in after.splitlines() if "learning_rate" in line)
    path.write_text(f"{before}train_finetune:{after.replace(line, f'  learning_rate: {rate}')}")


def travelled(project: Path) -> tuple[int, int]:
    """Files in the cache of a clone that started empty, and their bytes."""
    files = [path for path in (project / ".dvc/cache/files").rglob("*") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


@pytest.fixture(scope="module")
def ssh_server(tmp_path_factory):
    """A real OpenSSH server on a loopback port, with keys and settings of its own."""
    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if not sshd or not importlib.util.find_spec("dvc_ssh"):
        pytest.skip("needs OpenSSH's sshd and the package dvc-ssh")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        succeed(*keygen, cwd=folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/user.pub\nPidFile none\nStrictModes no\n"
        "PasswordAuthentication no\nSubsystem sftp internal-sftp\n"
    )
    log = (folder / "log").open("wb")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    while b"listening" not in (folder / "log").read_bytes():
        assert server.poll() is None, (folder / "log").read_text()
    yield port, folder / "user"
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project with two committed runs that differ in one param."""
    folder = tmp_path_factory.mktemp("first")
    pack(folder / "images.zip", drawn_dataset(train=12, validation=8))
    project = git_project(folder / "project", OFFLINE)
    assert len(repro(project)) == 15
    succeed("git", "add", "-A", cwd=project)
    succeed("git", "commit", "-qm", "First run", cwd=project)
    change_rate(project, "0.01")
    assert repro(project) == AFTER_FINETUNING
    succeed("git", "add", "-A", cwd=project)
    succeed("git", "commit", "-qm", "Faster", cwd=project)
    return project


@pytest.fixture(params=["folder", "ssh"])
def origin(request, finished, tmp_path):
    """The finished project, pushed to an empty remote; and what clones need to reach that."""
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    if request.param == "folder":
        url, settings = str(tmp_path / "remote"), ()
    else:
        port, key = request.getfixturevalue("ssh_server")
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/remote"
        settings = ("remote", "modify", "--local", "storage", "keyfile", str(key))
    succeed("dvc", "remote", "add", "--default", "storage", url, cwd=project)
    if settings:
        succeed("dvc", *settings, cwd=project)
    succeed("git", "commit", "-qam", "Remote", cwd=project)
    # What both commits need: `--all-commits` shares the history, not only the last run.
    assert "files pushed" in succeed("dvc", "push", "--all-commits", cwd=project)
    return project, settings


def clone(origin: tuple[Path, tuple], name: str) -> Path:
    project, settings = origin
    folder = project.parent / name
    succeed("git", "clone", "-q", str(project), str(folder), cwd=project.parent)
    if settings:
        succeed("dvc", *settings, cwd=folder)
    return folder


def object_of(file: Path) -> Path:
    """Where DVC keeps the content of a file, below a cache or a remote."""
    md5 = hashlib.md5(file.read_bytes()).hexdigest()
    return Path("files", "md5", md5[:2], md5[2:])


def predict(project: Path, images: Path) -> str:
    with zipfile.ZipFile(images) as archive:
        photo = archive.read("drawn/validation/dogs/dog.0001.jpg")
    (project / "photo.jpg").write_bytes(photo)
    return succeed("python", "-m", "pawprint", "predict", "photo.jpg", cwd=project)


def test_second_clone_pulls_and_reruns_nothing(origin, finished):
    second = clone(origin, "second")
    succeed("dvc", "pull", cwd=second)
    print("dvc pull: {} files, {:,} bytes".format(*travelled(second)))
    assert repro(second, "--allow-missing") == []  # the archive that fetch watches is not there
    assert succeed("git", "status", "--porcelain", cwd=second) == ""
    assert predict(second, finished.parent / "images.zip") == predict(
        origin[0], finished.parent / "images.zip"
    )


def test_clone_without_any_data_shows_what_a_change_did(finished, tmp_path):
    succeed("git", "clone", "-q", str(finished), str(tmp_path / "second"), cwd=tmp_path)
    for kind, changed in (
        (
            "metrics",
            {"metrics/evaluate.json"},
        ),
        ("params", {"params.yaml"}),
    ):
        shown = succeed("dvc", kind, "diff", "--json", "HEAD~1", "HEAD", cwd=tmp_path / "second")
        assert set(json.loads(shown)) == changed
    succeed("dvc", "plots", "diff", "HEAD~1", "HEAD", cwd=tmp_path / "second")
    page = (tmp_path / "second" / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    for title in ("Accuracy", "Loss", "ROC on the test split", "Confusion matrix"):
        assert title in page


def test_model_alone_is_enough_to_predict(origin, finished):
    second = clone(origin, "model")
    succeed("dvc", "pull", "models/served", cwd=second)
    files, size = travelled(second)
    print(f"dvc pull models/served: {files} files, {size:,} bytes")
    assert files == 4  # the three of the folder, and its listing
    assert predict(second, finished.parent / "images.zip")


def test_change_in_an_empty_clone_pulls_only_what_it_needs(origin):
    second = clone(origin, "change")
    change_rate(second, "0.02")
    ran = repro(second, "--pull", "--allow-missing")
    assert ran == AFTER_FINETUNING
    assert (second / "data" / "features" / "cut-0.npy").is_file()
    assert not (second / "data" / "raw" / "weights.h5").exists()
    print("dvc repro --pull --allow-missing: {} files, {:,} bytes".format(*travelled(second)))


def test_file_that_the_remote_lacks_is_told_and_nothing_is_made_up(origin):
    remote = origin[0].parent / "remote"
    second = clone(origin, "lacking")
    lacking = object_of(origin[0] / "models" / "served" / "model.bin")
    (remote / lacking).unlink()
    result = run("dvc", "pull", cwd=second)
    assert result.returncode != 0
    assert "".join(lacking.parts[-2:]) in result.stderr
    assert not (second / "models" / "served" / "model.bin").exists()


def test_flipped_byte_in_the_cache_is_found_and_mended(origin, finished):
    """`dvc checkout` takes the file unseen; `dvc status` and `dvc repro` look at its hash."""
    second = clone(origin, "flipped")
    shutil.copy(finished.parent / "images.zip", second.parent)
    succeed("dvc", "pull", cwd=second)
    model = second / "models" / "served" / "model.bin"
    whole, cached = model.read_bytes(), second / ".dvc" / "cache" / object_of(model)
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 1
    cached.chmod(0o644)
    cached.write_bytes(flipped)
    model.unlink()
    run("dvc", "checkout", cwd=second)
    assert "models/served" in run("dvc", "status", cwd=second).stdout
    assert repro(second) == ["calibrate"]
    assert model.read_bytes() == whole
    assert succeed("git", "status", "--porcelain", cwd=second) == ""


@pytest.mark.parametrize(
    ("url", "message"), [(None, "no remote"), ("http://127.0.0.1:9/data", "Cannot connect")]
)
def test_remote_that_cannot_be_reached_is_told(finished, tmp_path, url, message):
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    if url:
        succeed("dvc", "remote", "add", "--default", "storage", url, cwd=project)
    result = run("dvc", "push", cwd=project)
    assert result.returncode != 0
    assert message in result.stderr
    assert repro(project, "--allow-missing") == []
