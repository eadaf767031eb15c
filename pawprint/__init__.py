"""Train an image classifier by transfer learning, as a DVC pipeline."""

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pawprint.model.predictor import Predictor

# Every script of the project imports this package first.
if not importlib.util.find_spec("pydantic"):
    raise SystemExit(
        f"{sys.executable}: expected the packages of requirements.txt. Received: no pydantic. "
        "Run `. .venv/bin/activate` first."
    )

# With this package OpenVINO reports every import to its makers, from a forked process.
# Python refuses to import what is None here, which its stub does not know.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def load(folder: str | os.PathLike, *, mirrored: bool = True) -> "Predictor":
    """Load the model in a folder, `models/served` or an export.

    It is a Predictor, whose `predict` takes a path, the bytes of a file, an open file or an image
    of Pillow. With `mirrored` False a served model takes the image alone, in half of the time;
    `pawprint export --single` tells which labels change. Raises InputError if the model is damaged,
    and RuntimeError in a process forked from one that has loaded a model.
    """
    # By its name, so that an import of the package stays cheap, and no stage depends on this.
    return importlib.import_module("pawprint.model.predictor").load_predictor(
        folder, mirrored=mirrored
    )
