"""Drawn burgers, hot dogs and other things, the pictures of docs/tutorial.md.

`python -m recipes.sample.things FOLDER` draws them as people collect photos: a few of each class
lie in the folder of the next one, and a few files are damaged.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from pawprint.core.entry import run
from pawprint.core.errors import InputError
from pawprint.core.files import replacing
from recipes.sample.drawings import (
    Canvas,
    Colour,
    Points,
    any_colour,
    ellipse,
    encoded,
    one_of,
    rounded,
    shade,
)

# Outlines with their colours, in the order in which they are filled.
Shapes = list[tuple[Points, Colour]]
PICTURES = 100  # in each folder
MISPLACED = (42, 77)  # numbers of the pictures that lie in another folder
SEED = 5
BUN = [(222, 170, 100), (200, 140, 74), (236, 200, 140)]
SAUSAGE = [(176, 84, 48), (150, 58, 40), (204, 104, 70)]
SAUCE = [(236, 196, 40), (190, 30, 30), (240, 228, 180)]
MEAT = [(110, 64, 44), (86, 52, 38), (132, 76, 50)]
FILLING = [(120, 170, 60), (200, 50, 40), (240, 196, 60)]


def box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def burger(random: Generator) -> Shapes:
    """Meat and lettuce, tomato or cheese between the halves of a round bun with sesame."""
    bun, wide = one_of(random, BUN), random.uniform(0.8, 1.1)
    seeds = random.uniform((-0.6 * wide, -0.6), (0.6 * wide, -0.2), (9, 2))
    return [
        (rounded(box(-wide, 0.35, wide, 0.9)), shade(bun, 0.9)),
        (ellipse(0, 0.35, 1.1 * wide, 0.22), one_of(random, MEAT)),
        (ellipse(0, 0.08, 1.15 * wide, 0.16), one_of(random, FILLING)),
        (rounded(box(-wide, -1, wide, 0)), bun),
        *((ellipse(x, y, 0.07, 0.04), shade(bun, 1.2)) for x, y in seeds),
    ]


def hotdog(random: Generator) -> Shapes:
    """A sausage between the halves of a bun, with mustard, ketchup or mayonnaise."""
    bun, (long, thick) = one_of(random, BUN), random.uniform((1.0, 0.2), (1.3, 0.32))
    x = np.linspace(-0.9 * long, 0.9 * long, 60)
    wave = np.stack([x, 0.6 * thick * np.sin(x * random.uniform(8, 14))], axis=1)
    return [
        (ellipse(0, -thick, long, thick * 1.3), bun),
        (ellipse(0, thick, long, thick * 1.3), shade(bun, 0.9)),
        (rounded(box(-long - 0.2, -thick, long + 0.2, thick)), one_of(random, SAUSAGE)),
        (np.concatenate([wave, wave[::-1] + np.array([0, 0.1])]), one_of(random, SAUCE)),
    ]


def house(random: Generator) -> Shapes:
    wall, roof = any_colour(random), any_colour(random)
    slopes = np.array([(-1.15, -0.2), (0, random.uniform(-1.3, -0.8)), (1.15, -0.2)])
    return [(box(-0.9, -0.2, 0.9, 1.1), wall), (slopes, roof), (box(-0.2, 0.4, 0.2, 1.1), roof)]


def star(random: Generator) -> Shapes:
    angle = np.linspace(0, 2 * np.pi, 2 * random.integers(5, 8), endpoint=False)
    radius = np.where(np.arange(len(angle)) % 2, 0.5, 1) * random.uniform(1, 1.3)
    return [(np.stack([radius * np.sin(angle), -radius * np.cos(angle)], 1), any_colour(random))]


def balloon(random: Generator) -> Shapes:
    skin = rounded([(-0.8, -1.1), (0.8, -1.1), (0.9, 0), (0, 0.9), (-0.9, 0)])
    return [(box(-0.03, 0.6, 0.03, 1.8), any_colour(random)), (skin, any_colour(random))]


PAINTERS: dict[str, Callable[[Generator], Shapes]] = {
    "burger": burger,
    "hotdog": hotdog,
    "other": lambda random: (house, star, balloon)[random.integers(3)](random),
    "house": house,
    "star": star,
    "balloon": balloon,
}
LABELS = ("burger", "hotdog", "other")


def drawn_thing(label: str, index: int) -> Image.Image:
    """An RGB picture of one of PAINTERS, 96 to 160 pixels a side."""
    random = np.random.default_rng([SEED, list(PAINTERS).index(label), index])
    canvas = Canvas(random)
    for outline, colour in PAINTERS[label](random):
        canvas.shape(outline, colour)
    return canvas.photograph()


def drawn_photos() -> Iterator[tuple[str, bytes]]:
    """Yield (path, file contents) of the pictures in `photos`, and of two in `new`."""
    for index in range(1, PICTURES + 1):
        folders = LABELS[1:] + LABELS[:1] if index in MISPLACED else LABELS
        for folder, label in zip(folders, LABELS):
            yield f"photos/{folder}/{index:03}.jpg", encoded(drawn_thing(label, index))
    whole = encoded(drawn_thing("hotdog", 0))
    yield "photos/hotdog/cut.jpg", whole[: len(whole) // 2]
    yield "photos/hotdog/empty.jpg", b""
    yield "photos/other/page.jpg", b"<!DOCTYPE html><title>404 Not Found</title>\n"
    yield "new/lunch.jpg", encoded(drawn_thing("hotdog", PICTURES + 1))
    yield "new/street.jpg", encoded(drawn_thing("other", PICTURES + 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m recipes.sample.things", description="Draw pictures."
    )
    parser.add_argument("folder", type=Path, help="that is not there yet")
    folder = parser.parse_args().folder
    if folder.exists():
        raise InputError(f"{folder}: expected a folder that is not there yet. Choose another name.")
    with replacing(folder) as partial:
        for name, data in drawn_photos():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    print(f"things: {PICTURES} pictures each of {', '.join(LABELS)} in {folder / 'photos'}")


if __name__ == "__main__":
    run(main)
