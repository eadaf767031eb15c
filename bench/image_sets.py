"""Images for `bench.datasets`: photos, digits, stamps, and scanned pages that are drawn here."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_digits

from pawprint.core import data_paths
from pawprint.images.archive import members, open_archive, read_member

Images = Iterator[tuple[str, bytes]]  # names, in folders of classes, and files
STAMPS = (
    "animals/birds", "animals/insects", "animals/mammals", "clothes/hats", "food/fruit",
    "plants/flowers", "town/houses", "town/roadsigns",
)  # fmt: skip
WORDS = ("account", "date", "for", "name", "of", "order", "please", "the", "total", "with", "your")
INK, PAPER = 40, 245


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def photos(number: int | None = None) -> Images:
    """The archive's images, or so many of each class without the archive's splits."""
    with open_archive(data_paths.RAW_ARCHIVES) as archive:
        names = sorted(name for name in members(archive) if name.endswith(".jpg"))
        for label in ("cat", "dog") if number else ():
            of_label = [name for name in names if Path(name).name.startswith(label)]
            for name in random.Random(1).sample(of_label, number):
                yield f"{label}/{Path(name).name}", read_member(archive, name)
        for name in names if number is None else ():
            yield name, read_member(archive, name)


def digits() -> Images:
    """Handwritten digits of 8 x 8 pixels, enlarged to 28 x 28."""
    pixels, labels = load_digits(return_X_y=True)
    for index, (row, label) in enumerate(zip(pixels, labels)):
        image = Image.fromarray((row.reshape(8, 8) * 15.9375).astype(np.uint8))
        yield f"{label}/{index}.png", encoded(image.resize((28, 28), Image.Resampling.BICUBIC))


def stamps(folder: Path) -> Images:
    """Drawn and photographed things on a transparent background."""
    for kind in STAMPS:
        for file in sorted((folder / kind).rglob("*.png")):
            name = "-".join(file.relative_to(folder / kind).parts)
            yield f"{Path(kind).name}/{name}", file.read_bytes()


def drawn_pages(number: int) -> Images:
    """Scanned pages: so many of each kind."""
    for index, page in enumerate((form, letter, receipt, table)):
        for each in range(number):
            image = scan(page, np.random.default_rng([index, each]))
            yield f"{page.__name__}/{each}.png", encoded(image)


def text(random: Generator, words: int) -> str:
    return " ".join(random.choice(WORDS, words))


def amount(random: Generator) -> str:
    return f"{random.uniform(1, 900):.2f}"


def letter(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Paragraphs below an address, and a signature."""
    for row in rows[:3]:
        draw.text((width * 0.1, row), text(random, 3), INK)
    ends = random.integers(3, 9)
    for number, row in enumerate(rows[5:-4]):
        if number % ends != ends - 1:
            draw.text((width * 0.1, row), text(random, int(width / 45)), INK)
    draw.text((width * 0.1, rows[-2]), text(random, 2), INK)


def form(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Names of fields beside boxes, some of which are filled in."""
    draw.text((width * 0.3, rows[0]), text(random, 4), INK)
    for row in rows[2:-2:2]:
        draw.text((width * 0.08, row), text(random, random.integers(1, 3)), INK)
        draw.rectangle((width * 0.45, row - 2, width * 0.9, row + 14), outline=INK)
        if random.random() < 0.5:
            draw.text((width * 0.47, row), text(random, 2), INK)


def table(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Amounts between lines, below a few lines of text."""
    first = random.integers(2, 8)
    for row in rows[: first - 1]:
        draw.text((width * 0.1, row), text(random, int(width / 50)), INK)
    edges = np.linspace(width * 0.08, width * 0.92, random.integers(4, 7))
    last = random.integers(len(rows) // 2, len(rows))
    for row in rows[first:last]:
        draw.line((edges[0], row - 2, edges[-1], row - 2), INK)
        for edge in edges[:-1]:
            draw.text((edge + 3, row), amount(random), INK)
    for edge in edges:
        draw.line((edge, rows[first] - 2, edge, rows[last - 1] - 2), INK)


def receipt(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Items with their prices at the right, and a total."""
    left, right = width * random.uniform(0.05, 0.2), width * random.uniform(0.8, 0.95)
    draw.text((width * 0.35, rows[0]), text(random, 2), INK)
    last = random.integers(len(rows) // 2, len(rows) - 2)
    for row in rows[3:last]:
        draw.text((left, row), text(random, random.integers(1, 4)), INK)
        draw.text((right, row), amount(random), INK, anchor="ra")
    draw.line((left, rows[last], right, rows[last]), INK)
    draw.text((right, rows[last] + 4), "total " + amount(random), INK, anchor="ra")


def scan(page, random: Generator) -> Image.Image:
    """The page, turned a little, with the noise and the light of a scanner; L."""
    width, height = random.integers((300, 380), (420, 560)).tolist()
    image = Image.new("L", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    draw.font = ImageFont.load_default(random.uniform(9, 13))
    page(draw, random, width, list(range(20, height - 20, int(random.integers(15, 21)))))
    image = image.rotate(random.normal(0, 2), Image.Resampling.BICUBIC, fillcolor=PAPER)
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    pixels = np.asarray(image, float) * random.uniform(0.75, 1.05)
    pixels += random.normal(0, random.uniform(2, 18), pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
