"""A port of this computer for a real server, and the app's server."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conftest import environment_with

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def served(workspace: Path) -> Iterator[str]:
    """The address of the app of a workspace."""
    port = free_port()
    log = workspace.parent / f"{workspace.name}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "pawprint", "app", "--port", str(port)],
            cwd=workspace,
            env=environment_with(PYTHONUNBUFFERED="1", https_proxy=f"http://{HOST}:9"),  # offline
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        try:
            assert any("URL:" in line for line in server.stdout), log.read_text()
            yield f"http://{HOST}:{port}"
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:  # it waits for a browser
                server.kill()
    assert "Traceback" not in log.read_text()
