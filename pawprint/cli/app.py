"""Open the web app: images, labels and results of this project in the browser."""

import argparse
import importlib.util
import os
import subprocess
import sys

from pawprint.errors import InputError
from pawprint.package import DISTRIBUTION, PACKAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8501, help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    if not importlib.util.find_spec("streamlit"):
        raise InputError(f"app: expected streamlit. Run `pip install '{DISTRIBUTION}[app]'`.")
    command = [sys.executable, "-m", "streamlit", "run", str(PACKAGE / "app/main.py")]
    command.append(f"--server.port={arguments.port}")
    if os.name == "posix":
        os.execv(command[0], command)  # so that a signal reaches the server
    return subprocess.call(command)
