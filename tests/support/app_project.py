"""A small project with photos and their split, for tests of the app that need no run."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from conftest import photo
from streamlit.testing.v1 import AppTest

from pawprint.base import paths
from pawprint.base.columns import SERIES, SPLIT
from pawprint.base.files import pack, write_json
from pawprint.base.tables import write_table

PHOTOS = [  # path, label, and pixels_sha256
    ("cats/1.jpg", "cat", 64 * "1"),
    ("cats/2.jpg", "cat", 64 * "2"),
    ("dogs/1.jpg", "dog", 64 * "3"),
    ("dogs/2.jpg", "dog", 64 * "4"),
]


def write_split(
    project: Path, labels: Iterable[str] = (), renamed: dict[str, str] | None = None
) -> None:
    """Write the split of the photos, possibly with other paths, and of an image for each label."""
    rows = [
        ((renamed or {}).get(path, path), label, "test", path, pixels)
        for path, label, pixels in PHOTOS
    ]
    rows += [(f"{label}/0.jpg", label, "train", "", f"{label} pixels") for label in labels]
    split = pd.DataFrame(rows, columns=["path", "label", "split", "group", "pixels_sha256"])
    split = split.assign(**dict.fromkeys(SERIES, ""))
    write_table(project / paths.SPLIT_CSV, split, SPLIT)
    write_json(project / paths.CROSS_VALIDATION_JSON, {})
    write_json(project / paths.LABELS_JSON, sorted(split["label"].unique()))


def write_photos(project: Path) -> None:
    """Write the archive with the photos, and their split."""
    archive = project / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, ((row[0], photo(number)) for number, row in enumerate(PHOTOS)))
    write_split(project)


def opened(module: str, function: str, *arguments: object) -> AppTest:
    """Run a function of a page inside the frame of pawprint/app/main.py and return the page."""

    def script(module, function, *arguments):
        import importlib

        from pawprint.app.photos import explain_errors

        with explain_errors():
            getattr(importlib.import_module(f"pawprint.app.{module}"), function)(*arguments)

    given = (module, function, *arguments)
    page = AppTest.from_function(script, args=given, default_timeout=60).run()
    assert not page.exception
    return page
