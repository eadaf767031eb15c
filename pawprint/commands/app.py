"""The command `app`."""

import argparse
import importlib.util
import os
import subprocess

from pawprint.errors import InputError
from pawprint.package import DISTRIBUTION, PACKAGE, python_in


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    port = "port of this computer to listen on; default: %(default)s"
    parser.add_argument("--port", type=int, default=8501, help=port)


def run(arguments: argparse.Namespace) -> int:
    """Open the web app: images, labels and results of this project in the browser.

    Example:
      pawprint app --port 8502
    """
    if not importlib.util.find_spec("streamlit"):
        raise InputError(f"app: expected streamlit. Run `pip install '{DISTRIBUTION}[app]'`.")
    command = [*python_in(), "-m", "streamlit", "run", str(PACKAGE / "app/main.py")]
    command.append(f"--server.port={arguments.port}")
    if os.name == "posix":
        os.execv(command[0], command)  # so that a signal reaches the server
    return subprocess.call(command)
