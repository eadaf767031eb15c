"""Open the web app: images, labels and results of this project in the browser."""

import argparse
import importlib.util
import subprocess
import sys
import tomllib

from pawprint.errors import InputError
from pawprint.package import DISTRIBUTION, PACKAGE
from pawprint.templates.files import template


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8501, help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
    if not importlib.util.find_spec("streamlit"):
        raise InputError(f"app: expected streamlit. Run `pip install '{DISTRIBUTION}[app]'`.")
    config = tomllib.loads(template(".streamlit/config.toml"))
    options = [f"--server.port={arguments.port}"]
    for section, values in config.items():
        options += [f"--{section}.{key}={value}" for key, value in values.items()]
    return subprocess.call(
        [sys.executable, "-m", "streamlit", "run", PACKAGE / "app/main.py", *options]
    )
