"""Train an image classifier by transfer learning, as a DVC pipeline."""

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pawprint.base.errors import InputError
    from pawprint.model.predictor import Prediction, Predictor

__all__ = ["InputError", "Prediction", "load"]

# Every script of the project imports this package first.
if not importlib.util.find_spec("pydantic"):
    raise SystemExit(
        f"{sys.executable}: expected the packages of requirements.txt. Received: no pydantic. "
        "Run `. .venv/bin/activate` first."
    )

# If this package is installed, OpenVINO reports every import to its makers from a forked process.
# Python refuses to import a module that is None here, which the type stub does not know.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

# Modules are only imported when one of these names is used, so that importing the package stays
# fast and no stage depends on the modules.
_MODULES = {"InputError": "pawprint.base.errors", "Prediction": "pawprint.model.predictor"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'pawprint' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__


def load(folder: str | os.PathLike | None = None) -> "Predictor":
    """Load the model in a folder, such as `models/served` or an export.

    Without a folder, load the model of the project in the current folder or, outside a project, the
    example in the package. The model's `predict` takes a path, the bytes of a file, or a Pillow
    image, and returns a Prediction. For a folder or a sequence of paths, it returns a table.
    Start processes with `spawn`, because a forked one lacks the threads of a loaded model. Raises
    InputError if the model is damaged.

    >>> model = pawprint.load("food/models/served")
    >>> model.predict("photos/burger/0001.jpg").label
    'burger'
    """
    module = importlib.import_module("pawprint.model.predictor")
    return module.load_predictor(folder or module.default_model())
