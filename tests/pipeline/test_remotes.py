"""Every kind of remote that docs/sharing.md lists, on a real server, with a small DVC project."""

import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import environment_with, run
from servers import KINDS, Server, dying

pytestmark = pytest.mark.slow

# Two outputs, like the pipeline: files of features and a folder with the model.
DVC_YAML = """
stages:
  features:
    cmd: python -c "raise SystemExit('the stage runs')"
    outs: [data/features]
  calibrate:
    cmd: python -c "raise SystemExit('the stage runs')"
    deps: [data/features]
    outs: [models/served]
"""
FILES = {
    "data/features/train.npy": 900_000,
    "data/features/test.npy": 100_000,
    "models/served/model.bin": 400_000,
    "models/served/model.json": 300,
}
LACKING = {kind: server.lacking() for kind, server in KINDS.items()}
AVAILABLE = [
    pytest.param(kind, marks=pytest.mark.skipif(bool(reason), reason=str(reason)))
    for kind, reason in LACKING.items()
]
# Transfers during which the server dies. A pull from S3 or HTTP needs DVC's option `verify`.
PUSHES = [(kind, "push") for kind, server in KINDS.items() if server.writable]
TRANSFERS = [
    # DVC gives up a push to Azure after more than two minutes.
    pytest.param(*each, marks=pytest.mark.extended if each[0] == "azure" else ())
    for each in (*PUSHES, ("s3", "pull"), ("http", "pull"))
]


def succeed(*command: str, cwd: Path) -> str:
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def told(stderr: str, tracebacks: bool = False) -> None:
    """An error of DVC, and no traceback unless the package of the remote logs some."""
    print(stderr)
    assert "ERROR: " in stderr
    assert tracebacks or "Traceback" not in stderr


def content(project: Path) -> dict[str, bytes]:
    paths = [project / name for name in FILES]
    return {str(path.relative_to(project)): path.read_bytes() for path in paths if path.exists()}


def configure(project: Path, settings: dict[str, str]) -> None:
    """What `dvc remote modify --local` writes, for all options at once."""
    settings = settings | {"verify": "true"}  # as docs/sharing.md says
    lines = ["['remote \"storage\"']", *(f"    {key} = {value}" for key, value in settings.items())]
    (project / ".dvc" / "config.local").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A committed run."""
    project = tmp_path_factory.mktemp("finished") / "project"
    for number, (name, size) in enumerate(FILES.items()):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(random.Random(number).randbytes(size))
    (project / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    for command in (
        "git init -q -b main",
        "git config user.name Tester",
        "git config user.email tester@example.org",
        "dvc init -q",
        "dvc commit -q -f",
        "git add -A",
        "git commit -qm Run",
    ):
        succeed(*command.split(), cwd=project)
    return project


def start(kind: str, folder: Path) -> Server:
    server = KINDS[kind](folder)
    server.start()
    return server


def with_remote(finished: Path, folder: Path, server: Server) -> Path:
    """A copy of the finished project with the server as its remote."""
    project = folder / "project"
    shutil.copytree(finished, project)
    succeed("dvc", "remote", "add", "--default", "storage", server.url, cwd=project)
    succeed("git", "commit", "-qam", "Remote", cwd=project)
    configure(project, server.settings(server.port))
    return project


def push(project: Path, server: Server) -> None:
    if server.writable:
        assert "6 files pushed" in succeed("dvc", "push", cwd=project)
    else:  # whoever runs the server fills its folder
        succeed("dvc", "remote", "add", "folder", str(server.folder / "remote"), cwd=project)
        succeed("dvc", "push", "--remote", "folder", cwd=project)


def clone(project: Path, name: str) -> Path:
    folder = project.parent / name
    succeed("git", "clone", "-q", str(project), str(folder), cwd=project.parent)
    shutil.copy(project / ".dvc" / "config.local", folder / ".dvc")
    return folder


@dataclass
class Interrupted:
    """`dvc push` or `dvc pull`, whose server dies."""

    server: Server
    project: Path
    workspace: Path  # where the command runs: the project or a clone
    process: subprocess.Popen


@pytest.fixture(scope="module", autouse=True)
def http_only():
    """gcsfs asks for the type of a bucket over gRPC, which the emulator does not speak."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        yield


@pytest.fixture(scope="module", autouse=True)
def interrupted(
    request, finished, http_only, tmp_path_factory
) -> dict[tuple[str, str], Interrupted]:
    """The transfers that are to be tested. They go on while other tests run: DVC tries for long."""
    test = test_server_that_dies_during_a_transfer_is_told_and_nothing_is_lost
    started = {}
    for item in request.session.items:
        if item.originalname != test.__name__:
            continue
        kind, command = item.callspec.params["kind"], item.callspec.params["command"]
        if LACKING[kind]:
            continue
        folder = tmp_path_factory.mktemp(f"{kind}-{command}")
        server = start(kind, folder)
        project = workspace = with_remote(finished, folder, server)
        if command == "pull":
            push(project, server)
            workspace = clone(project, "second")
        configure(workspace, server.settings(dying(server, after=500_000)))
        process = subprocess.Popen(
            ["dvc", command],
            cwd=workspace,
            env=environment_with(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started[kind, command] = Interrupted(server, project, workspace, process)
    return started


@pytest.fixture(scope="module", params=AVAILABLE)
def shared(request, finished, tmp_path_factory):
    """A server, and a project that was pushed to it."""
    folder = tmp_path_factory.mktemp(request.param)
    server = start(request.param, folder)
    project = with_remote(finished, folder, server)
    push(project, server)
    yield server, project
    server.kill()


def test_clone_pulls_everything_and_reruns_nothing(shared):
    _, project = shared
    second = clone(project, "second")
    succeed("dvc", "pull", cwd=second)
    assert content(second) == content(project)
    assert "up to date" in succeed("dvc", "repro", cwd=second)
    assert succeed("git", "status", "--porcelain", cwd=second) == ""


def test_clone_pulls_the_model_only(shared):
    _, project = shared
    second = clone(project, "model")
    succeed("dvc", "pull", "models/served", cwd=second)
    model = {name: data for name, data in content(project).items() if "served" in name}
    assert content(second) == model


def test_wrong_key_is_told_and_changes_nothing(shared):
    server, project = shared
    second = clone(project, "wrong")
    configure(second, server.settings(server.port) | server.wrong_key)
    result = run("dvc", "pull", cwd=second)
    assert result.returncode != 0
    told(result.stderr)
    assert content(second) == {}


def test_push_to_a_server_that_takes_no_files_is_told(finished, tmp_path):
    server = start("http", tmp_path)
    (tmp_path / "remote").mkdir()
    project = with_remote(finished, tmp_path, server)
    result = run("dvc", "push", cwd=project)
    server.kill()
    assert result.returncode != 0
    told(result.stderr)


@pytest.mark.parametrize(("kind", "command"), TRANSFERS)
def test_server_that_dies_during_a_transfer_is_told_and_nothing_is_lost(
    kind, command, finished, interrupted
):
    if LACKING[kind]:
        pytest.skip(LACKING[kind])
    transfer = interrupted[kind, command]
    stderr = transfer.process.communicate()[1]
    assert transfer.process.returncode != 0
    told(stderr, tracebacks=kind == "gs")
    server, project, workspace = transfer.server, transfer.project, transfer.workspace
    assert server.process.poll() is not None
    assert content(project) == content(finished)
    server.start()
    configure(project, server.settings(server.port))
    if server.writable:
        succeed("dvc", "push", cwd=project)
    if command == "push":
        workspace = clone(project, "second")
    configure(workspace, server.settings(server.port))
    succeed("dvc", "pull", cwd=workspace)
    server.kill()
    assert content(workspace) == content(finished)
