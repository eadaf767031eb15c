"""Images of no class, drawn by the project, that a detector of unknown inputs is tested on."""

import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

IMAGES_OF_EACH_KIND = 20
SEED = 0
LETTERS = list("aabcdeeefghiijklmnooprsttuvwy    ")


def draw_images() -> list[Image.Image]:
    """RGB images of 160 to 400 pixels, the same every time, of each of KINDS in turn."""
    images = []
    for index, draw in enumerate(KINDS * IMAGES_OF_EACH_KIND):
        random = np.random.default_rng([SEED, index])
        width, height = random.integers(160, 401, 2).tolist()
        images.append(draw(random, width, height))
    return images


def shapes(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Ellipses, rectangles and triangles in front of one colour."""
    image = Image.new("RGB", (width, height), _colour(random))
    canvas = ImageDraw.Draw(image)
    for _ in range(random.integers(1, 12)):
        corners = random.uniform((-0.1, -0.1), (1.1, 1.1), (3, 2)) * (width, height)
        box = [*corners[:2].min(axis=0), *corners[:2].max(axis=0)]
        kind = random.integers(3)
        if kind == 0:
            canvas.ellipse(box, _colour(random))
        elif kind == 1:
            canvas.rectangle(box, _colour(random))
        else:
            canvas.polygon([tuple(corner) for corner in corners], _colour(random))
    return image


def text_page(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Lines of random words on light paper."""
    image = Image.new("RGB", (width, height), tuple(random.integers(220, 256, 3).tolist()))
    canvas, size = ImageDraw.Draw(image), int(random.integers(9, 25))
    font, ink = ImageFont.load_default(size), tuple(random.integers(0, 80, 3).tolist())
    for top in np.arange(size, height - size, 1.5 * size):
        if random.random() < 0.85:  # or the end of a paragraph
            canvas.text((size, top), "".join(random.choice(LETTERS, width // size)), ink, font)
    return image


def noise(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Random pixels, or random blocks of pixels with or without soft edges."""
    side = int(random.choice([1, 2, 8, 32, 64]))
    blocks = random.integers(0, 256, (-(-height // side), -(-width // side), 3), np.uint8)
    how = Image.Resampling(random.choice([Image.Resampling.NEAREST, Image.Resampling.BICUBIC]))
    return Image.fromarray(blocks).resize((width, height), how)


def gradient(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Two colours that blend along a line or from a point outwards."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    turn, centre = random.uniform(0, 2 * np.pi), random.uniform(0, 1, 2)
    line = np.cos(turn) * x + np.sin(turn) * y
    weight = [line, np.hypot(x - centre[0], y - centre[1])][random.integers(2)][..., None]
    weight = (weight - weight.min()) / np.ptp(weight)
    blend = weight * _colour(random) + (1 - weight) * _colour(random)
    return Image.fromarray(blend.astype(np.uint8))


def plot(random: np.random.Generator, width: int, height: int) -> Image.Image:
    """Curves or bars in a frame with ticks."""
    image = Image.new("RGB", (width, height), "white")
    canvas = ImageDraw.Draw(image)
    left, top, right, bottom = 0.1 * width, 0.1 * height, 0.95 * width, 0.9 * height
    canvas.rectangle((left, top, right, bottom), outline="black")
    for x in np.linspace(left, right, 6):
        canvas.line((x, bottom, x, bottom + 5), "black")
        canvas.text((x, bottom + 6), f"{x:.0f}", "black", ImageFont.load_default(9))
    x = np.linspace(left, right, int(random.integers(5, 60)))
    for _ in range(random.integers(1, 5)):
        y = np.cumsum(random.normal(size=len(x)))
        y = bottom - (y - y.min()) / np.ptp(y) * random.uniform(0.3, 0.9) * (bottom - top)
        if len(x) < 20:
            for (start, end), level in zip(itertools.pairwise(x), y):
                canvas.rectangle((start + 1, level, end - 1, bottom), _colour(random))
        else:
            canvas.line(list(zip(x, y)), _colour(random), 2)
    return image


KINDS: list[Callable[[np.random.Generator, int, int], Image.Image]] = [
    shapes, text_page, noise, gradient, plot,
]  # fmt: skip


def _colour(random: np.random.Generator) -> tuple[int, ...]:
    return tuple(random.integers(0, 256, 3).tolist())
