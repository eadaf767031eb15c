import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from stages.shared.archive import pack
from stages.shared.drawings import drawn_dataset
from stages.shared.params import Params, load_params

PROJECT = Path(__file__).resolve().parent.parent
SAMPLE_WEIGHTS = PROJECT / "recipes" / "sample_base.h5"
MIRROR = Path(os.environ.get("PAWPRINT_MIRROR", "../shared/mirror"))


def encode(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


JPEG = encode(Image.linear_gradient("L").convert("RGB"))


@pytest.fixture(scope="session")
def params() -> Params:
    return load_params(PROJECT / "params.yaml")


@pytest.fixture(scope="session")
def drawn_archive(tmp_path_factory) -> Path:
    """30 drawn cats and dogs and 5 damaged files, in the layout of the published archive."""
    path = tmp_path_factory.mktemp("drawn") / "images.zip"
    pack(path, drawn_dataset(train=10, validation=5))
    return path


@pytest.fixture(scope="session")
def mirror() -> Path:
    if not (MIRROR / "cats_and_dogs_filtered.zip").is_file():
        pytest.skip(f"real images are not at {MIRROR}: set PAWPRINT_MIRROR")
    return MIRROR.resolve()


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run a command as a user would, with this Python as `python`; stdout and stderr as text."""
    folder = Path(sys.executable).parent
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
