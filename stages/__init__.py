"""The scripts of the pipeline. Without the project's packages they say how to get them."""

import importlib.util
import sys

missing = [name for name in ("pydantic", "tensorflow") if not importlib.util.find_spec(name)]
if missing:
    raise SystemExit(
        f"{sys.executable}: expected the packages of requirements.txt. Received: no "
        f"{missing[0]}. Run `. .venv/bin/activate` first."
    )
