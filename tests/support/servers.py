"""Real servers on a local port: the service, and the app's server."""

import contextlib
import http.client
import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PROJECT, environment_with

from pawprint.package import EXAMPLE_MODEL

HOST = "127.0.0.1"
SYSTEM = random.SystemRandom()  # tests set the seed of `random`


def free_port() -> int:
    """Return a free port that no system gives to a connection before the server starts."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind((HOST, SYSTEM.randrange(10_000, 30_000)))
            return free.getsockname()[1]


SERVICE = (sys.executable, "-m", "pawprint", "serve")


@contextlib.contextmanager
def started(
    log: Path, *options: str, model: Path = EXAMPLE_MODEL, command: tuple[str, ...] = SERVICE
) -> Iterator[tuple[subprocess.Popen, int]]:
    """Yield the process of the service and its port."""
    port = free_port()
    command = (*command, str(model), "--port", str(port), *options)
    with listening(PROJECT, log, port, command, PYTHONPATH=str(PROJECT)) as process:
        yield process, port


@contextlib.contextmanager
def listening(
    folder: Path, log: Path, port: int, command: tuple[str, ...], **environment: str
) -> Iterator[subprocess.Popen]:
    """Yield a server's process once it listens. It must still run at the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment_with(**environment),
            stdout=output,
            stderr=output,
        )
    try:
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, port)).close()
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.02)
                pytest.fail(log.read_text())
        yield process
        assert process.poll() is None
        assert "Traceback" not in log.read_text()
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def request(
    port: int, path: str, body=None, method: str = "POST", **headers: str
) -> tuple[int, dict]:
    """Return the status and the decoded answer."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@contextlib.contextmanager
def served(workspace: Path, *options: str) -> Iterator[str]:
    """Yield the address of the app for a workspace, which is offline and has no other weights."""
    port = free_port()
    command = (sys.executable, "-m", "pawprint", "app", "--port", str(port), *options)
    offline = {"https_proxy": f"http://{HOST}:9", "KERAS_HOME": str(workspace.parent / "keras")}
    log = workspace.parent / f"{workspace.name}.log"
    with listening(workspace, log, port, command, **offline):
        yield f"http://{HOST}:{port}"
