"""Real servers on a local port, such as the app's."""

import contextlib
import functools
import http.server
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import environment_with

HOST = "127.0.0.1"
SYSTEM = random.SystemRandom()  # tests set the seed of `random`


def free_port() -> int:
    """Return a free port that no system gives to a connection before the server starts."""
    while True:
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind((HOST, SYSTEM.randrange(10_000, 30_000)))
            return free.getsockname()[1]


@contextlib.contextmanager
def files_of(folder: Path, kind=http.server.SimpleHTTPRequestHandler) -> Iterator[int]:
    """Serve the files of a folder over HTTP and yield the port."""
    handler = functools.partial(kind, directory=folder)
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextlib.contextmanager
def listening(
    folder: Path, log: Path, port: int, command: tuple[str, ...], **environment: str
) -> Iterator[subprocess.Popen]:
    """Yield a server's process once it listens. It must still run at the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment_with(**environment), stdout=output, stderr=output
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


@contextlib.contextmanager
def served(workspace: Path, *options: str) -> Iterator[str]:
    """Yield the address of the app for a workspace, which is offline and has no other weights."""
    port = free_port()
    command = (sys.executable, "-m", "pawprint", "app", "--port", str(port), *options)
    offline = {"https_proxy": f"http://{HOST}:9", "KERAS_HOME": str(workspace.parent / "keras")}
    log = workspace.parent / f"{workspace.name}.log"
    with listening(workspace, log, port, command, **offline):
        yield f"http://{HOST}:{port}"
