"""Train an image classifier by transfer learning, as a DVC pipeline."""

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pawprint.errors import InputError as InputError
    from pawprint.model.predictor import Prediction as Prediction
    from pawprint.model.predictor import Predictor
    from pawprint.projects.project import Project as Project

__all__ = ["InputError", "Prediction", "Project", "init", "load"]

# Every script of the project imports this package first.
if not importlib.util.find_spec("pydantic"):
    raise SystemExit(
        f"{sys.executable}: expected the packages of requirements.txt. Received: no pydantic. "
        "Run `. .venv/bin/activate` first."
    )

# With this package OpenVINO reports every import to its makers, from a forked process.
# Python refuses to import what is None here, which its stub does not know.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

# Modules are imported by their names, when something of them is asked for, so that an import of the
# package stays cheap, and no stage depends on them.
_MODULES = {
    "InputError": "pawprint.errors",
    "Prediction": "pawprint.model.predictor",
    "Project": "pawprint.projects.project",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'pawprint' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__


def init(
    folder: str | os.PathLike,
    images: str | os.PathLike | None = None,
    *,
    recipe: str | None = None,
    outside: bool = False,
    labels: str = "auto",
) -> "Project":
    """Make a project for your photos, as `pawprint init` does, and return it.

    `folder` is a new or an empty folder. `images` is a folder with one folder of photos for each
    class, a zip or a tar of one, or a YAML file with the URL of one. The photos are copied into the
    project; with `outside` they stay where they are. `recipe` is the name of published params, some
    of which bring their own images. `labels` is "outer" or "inner" if the first or the last folder
    above an image is its class, which "auto" finds out where both give the same. Prints which
    classes the images have. Raises InputError, with nothing written, if that cannot be.

    >>> project = pawprint.init("food", images="photos")  # doctest: +ELLIPSIS
    3 classes...
    """
    module = importlib.import_module("pawprint.projects.project")
    return module.make_project(folder, images, recipe, outside, labels)


def load(folder: str | os.PathLike | None = None, *, mirrored: bool = True) -> "Predictor":
    """Load the model in a folder, such as `models/served` or an export.

    Without a folder, it is the model of the project in the current folder or, outside of one, the
    example in the package. The model's `predict` takes a path, the bytes of a file, an open file or
    an image of Pillow, and gives a Prediction; of a folder or a list of paths it gives a table.
    With `mirrored` False a served model takes the image alone, in half of the time;
    `pawprint export --single` tells which labels change. Raises InputError if the model is damaged,
    and RuntimeError in a process forked from one that has loaded a model.

    >>> model = pawprint.load("food/models/served")
    >>> model.predict("photos/burger/0001.jpg").label
    'burger'
    """
    module = importlib.import_module("pawprint.model.predictor")
    return module.load_predictor(folder or module.default_model(), mirrored=mirrored)
