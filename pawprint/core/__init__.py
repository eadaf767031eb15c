"""Params, paths, files and errors."""

import importlib.util
import sys

# Every script of the project imports this room first.
if not importlib.util.find_spec("pydantic"):
    raise SystemExit(
        f"{sys.executable}: expected the packages of requirements.txt. Received: no pydantic. "
        "Run `. .venv/bin/activate` first."
    )
