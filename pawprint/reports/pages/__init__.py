"""Pages: the model card, the report and sheets of photos, from the templates in this folder.

It is a package of its own, so that an edit of a template does not run the stages that draw.
"""

import base64
import io
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from pawprint.errors import printable
from pawprint.files import write_text
from pawprint.images.decoder import read_again
from pawprint.images.formats import side_for
from pawprint.scores.review import rank_predictions

TEMPLATES = Path(__file__).parent
MODEL_CARD, REPORT = TEMPLATES / "model_card.md", TEMPLATES / "report.html"
SHEET = TEMPLATES / "sheet.html"
DIGITS = 8  # of the MD5 of the images
WEBP_QUALITY, WEBP_SIDE = 85, 16_383  # pixels, at most


def project_name() -> str:
    """The name of its folder. `dvc exp run --temp` runs in a copy below that, which has another."""
    folder, _, _ = Path.cwd().as_posix().partition("/.dvc/tmp/exps/")
    return printable(Path(folder).name)


def fill(template: Path, **values: object) -> str:
    """The text of a template with its values; HTML is escaped in a template named .html.

    In others, the filters `literal` and `code` make a value text or a code span of Markdown. A
    missing value raises jinja2.UndefinedError.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=template.suffix == ".html",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"literal": literal, "code": code}
    environment.filters["yaml"] = partial(yaml.safe_dump, sort_keys=False, allow_unicode=True)
    return environment.get_template(template.name).render(values)


def literal(value: object) -> str:
    """The value as text that Markdown shows unchanged, also in a cell of a table."""
    return re.sub(r"([\\`*_\[\]<>|&~])", r"\\\1", str(value))


def code(value: object) -> str:
    """The value as a code span of Markdown: https://spec.commonmark.org/0.31.2/#code-spans"""
    text = printable(str(value))
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def data_uri(picture: Image.Image) -> str:
    """The picture as WebP, a tenth of the size of a PNG with photos; one too large is reduced."""
    picture.thumbnail((WEBP_SIDE, WEBP_SIDE))
    data = io.BytesIO()
    # Method 2 takes half the time of the default, and 4% more bytes.
    picture.save(data, "WEBP", quality=WEBP_QUALITY, method=2)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"


SIDE = 320  # pixels of a photo, at most; twice those shown, for sharp screens
MAX_ERRORS = 48


def write_sheet(
    path: Path, title: str, bits: int | None, photos: Iterable[tuple[Path, str, str, str]]
) -> None:
    """Write a page with photos: of each the file, its name, its label, and text after that.

    They are decoded with `bits`.
    """
    shown = []
    for file, *texts in photos:
        image = read_again(file, texts[0], bits, side_for(SIDE))
        image.thumbnail((SIDE, SIDE))
        shown.append((data_uri(image), *texts))
    write_text(path, fill(SHEET, title=title, photos=shown))


def write_suggestions(path: Path, bits: int | None, ranked: list[tuple[Path, dict]]) -> None:
    """Write a page with the photos of the images to label first."""
    photos = []
    for file, row in ranked:
        if not row["error"]:
            probability = row["probabilities"].get(row["label"])  # none of unknown
            text = "" if probability is None else f"{probability:.1%}"
            photos.append((file, row["path"], row["label"], text))
    write_sheet(path, "Images to label first", bits, photos)


def write_errors(path: Path, bits: int | None, folder: Path, predictions: pd.DataFrame) -> None:
    """Write a page with the most confident errors, of a table PREDICTIONS of photos in a folder."""
    ranked = rank_predictions(predictions)
    photos = (
        (folder / row.path, row.path, f"{row.actual} → {row.predicted}", f"{row.confidence:.1%}")
        for row in ranked[ranked["wrong"]].head(MAX_ERRORS).itertuples()
    )
    write_sheet(path, "The most confident errors", bits, photos)
