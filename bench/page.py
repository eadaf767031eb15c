"""Compare the labels on a model's page, in Chromium, with those that `predict` returns.

Run `python -m bench.page` in a project after `pawprint export --format page`. It uses the photos of
the validation and test sets, both unchanged and changed: as a PNG with transparency, in grey,
rotated by EXIF, and enlarged to 12 million pixels. Probabilities are compared as both programs
write them, with four decimals.
"""

import csv
import io
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pawprint.base import paths
from pawprint.base.columns import SPLIT
from pawprint.base.tables import read_table, spread
from pawprint.commands.export_page import PAGE_FILE
from pawprint.given.archive import open_archive, read_member
from pawprint.given.reading import decode
from pawprint.model.predictor import load_predictor, predict_each

PHOTOS = 250  # used unchanged
CHANGED = 25  # for each kind of change
PIXELS = 12_000_000
FLAGS = ["--no-sandbox", "--disable-gpu"]


def transparent(image: Image.Image) -> tuple[str, bytes]:
    image.putalpha(Image.radial_gradient("L").resize(image.size))
    return ".png", saved(image, "PNG")


def grey(image: Image.Image) -> tuple[str, bytes]:
    return ".jpg", saved(image.convert("L"), "JPEG", quality=92)


def turned(image: Image.Image) -> tuple[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return ".jpg", saved(image.rotate(90, expand=True), "JPEG", quality=92, exif=exif)


def large(image: Image.Image) -> tuple[str, bytes]:
    factor = (PIXELS / (image.width * image.height)) ** 0.5
    size = (round(image.width * factor), round(image.height * factor))
    return ".jpg", saved(image.resize(size, Image.Resampling.BICUBIC), "JPEG", quality=92)


CHANGES: dict[str, Callable[[Image.Image], tuple[str, bytes]]] = {
    "png with transparency": transparent,
    "grey": grey,
    "exif 6": turned,
    "12 megapixels": large,
}


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def write_photos(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the kind and the file of each photo."""
    split = read_table(paths.SPLIT_CSV, SPLIT)
    names = spread(split.loc[split["split"] != "train", "path"], PHOTOS + len(CHANGES) * CHANGED)
    kinds = ["as it is"] * max(0, len(names) - len(CHANGES) * CHANGED)
    kinds += [kind for kind in CHANGES for _ in range(CHANGED)]
    with open_archive(paths.RAW_ARCHIVES) as archive:
        for number, (kind, name) in enumerate(zip(kinds, names)):
            data, suffix = read_member(archive, name), Path(name).suffix
            if kind in CHANGES:
                suffix, data = CHANGES[kind](decode(data))
            path = folder / f"{number:04}{suffix}"
            path.write_bytes(data)
            yield kind, path


def rows_of_page(page: Page, address: str, photos: list[Path]) -> list[dict]:
    """Return the rows of the table on the page and print how long it took."""
    start = time.perf_counter()
    page.goto(address)
    page.locator("#choose:enabled").wait_for(timeout=120_000)
    print(f"loaded in {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    page.set_input_files("#files", list(map(str, photos)))
    # The page does not allow polling from inside it.
    while page.evaluate("rows.length") < len(photos):
        page.wait_for_timeout(100)
    print(f"{(time.perf_counter() - start) / len(photos):.2f} s for a photo")
    return list(csv.DictReader(io.StringIO(page.evaluate("csv()"))))


def main() -> None:
    """Print a row for each kind of photo."""
    file = paths.EXPORT / "page" / PAGE_FILE
    predictor = load_predictor(paths.SERVED_MODEL)
    labels = predictor.metadata.labels
    with TemporaryDirectory() as folder, sync_playwright() as started:
        kinds, photos = zip(*write_photos(Path(folder)))
        program = shutil.which("chromium") or sys.exit("chromium: expected to find it")
        browser = started.chromium.launch(executable_path=program, args=FLAGS)
        of_page = rows_of_page(browser.new_page(), file.resolve().as_uri(), photos)
        browser.close()
        expected = [*predict_each(predictor, list(photos))]
    table = pd.DataFrame({"photos": kinds})
    table["same label"] = [a["label"] == b["label"] for a, b in zip(of_page, expected)]
    table["same pixels"] = [
        a["pixels_sha256"] == b["pixels_sha256"] for a, b in zip(of_page, expected)
    ]
    table["difference"] = [
        max(abs(float(a[f"probability_{name}"]) - b["probabilities"][name]) for name in labels)
        for a, b in zip(of_page, expected)
    ]
    groups = table.groupby("photos", sort=False)
    shown = groups.agg(
        number=("difference", "size"),
        same_labels=("same label", "sum"),
        same_pixels=("same pixels", "sum"),
        largest_difference=("difference", "max"),
    )
    print(shown.to_string())


if __name__ == "__main__":
    main()
