"""Drawn pictures: small data that needs no download.

`draw_dataset` yields cats and dogs, for the demo and the tests. `python -m
pawprint.recipes.drawings FOLDER` draws burgers, hot dogs and houses, for docs/tutorial.md.
Both have the faults of collected photos: a few pictures in the wrong folder, near-duplicates, and
damaged files.
"""

import argparse
import functools
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from pawprint.errors import InputError
from pawprint.files import pack, replacing
from pawprint.pipeline.entry import run

Pen = ImageDraw.ImageDraw  # draws on a square of 200 pixels
BROWN, RED, GREEN, ANY = (15, 45), (0, 25), (60, 140), (0, 360)  # ranges of hues in degrees
MISPLACED = (42, 77)  # numbers of the pictures that show another class
REPEATED = 50  # each picture of such a number is the one before, compressed more
FOOD, FOOD_PICTURES = ("burger", "hotdog", "other"), 100  # of each class


def colour(random: Generator, hues: tuple[int, int]) -> str:
    return "hsl({}, {}%, {}%)".format(*random.integers((hues[0], 15, 25), (hues[1], 80, 80)))


def oval(pen: Pen, place: Sequence[float], fill: str) -> None:
    """Draw an ellipse; its place is the centre and the half axes."""
    x, y, width, height = place
    pen.ellipse((x - width, y - height, x + width, y + height), fill, "black", 2)


def face(pen: Pen, random: Generator, is_cat: bool) -> None:
    """A cat: pricked ears, small muzzle. A dog: hanging ears, large muzzle. Rarely, other ears."""
    fur, second = colour(random, BROWN), colour(random, BROWN)
    width, height, ear = random.uniform((50, 50, 20), (65, 65, 60))
    muzzle = random.uniform(12, 20) if is_cat else random.uniform(24, 36)
    is_pricked = is_cat != (random.random() < 0.05)
    oval(pen, (100, 110, width, height), fur)
    for side in (-1, 1):
        outer = 100 + side * width
        if is_pricked:
            pen.polygon([(100 + side * 15, 65), (outer, 75 - ear), (outer, 100)], second)
        else:
            oval(pen, (outer, 70 + ear, 18, 20 + ear / 2), second)
        oval(pen, (100 + side * 24, 100, *random.uniform(6, 14, 2)), "black")
    oval(pen, (100, 125 + muzzle / 3, 25, muzzle), second)
    oval(pen, (100, 122, muzzle / 2, muzzle / 3), "black")
    for rise in (-10, 0, 10) if is_cat and random.random() < 0.6 else ():
        pen.line((30, 130 + rise, 170, 130 - rise), "white", 2)  # whiskers
    for _ in range(4):  # spots: without them, fine-tuning does not improve on the head
        oval(pen, random.uniform((10, 10, 8, 8), (190, 190, 25, 25)), colour(random, BROWN))


def burger(pen: Pen, random: Generator) -> None:
    bun, high = colour(random, BROWN), random.uniform(20, 60)
    pen.chord((30, 90 - high, 170, 90 + high), 180, 360, bun)
    oval(pen, (100, 95, 80, random.uniform(6, 16)), colour(random, GREEN))
    pen.rounded_rectangle((28, 100, 172, 125), 12, colour(random, RED))
    pen.rounded_rectangle((30, 128, 170, 160), 15, bun)


def hotdog(pen: Pen, random: Generator) -> None:
    bun, thick = colour(random, BROWN), random.uniform(12, 24)
    oval(pen, (100, 100, 80, thick + random.uniform(10, 30)), bun)
    pen.rounded_rectangle((5, 100 - thick, 195, 100 + thick), thick, colour(random, RED))
    mustard = [(x, 100 + 10 * (-1) ** (x // 12)) for x in range(24, 180, 12)]
    pen.line(mustard, colour(random, BROWN), 6, "curve")


def house(pen: Pen, random: Generator) -> None:
    wall, roof = colour(random, ANY), colour(random, ANY)
    pen.rectangle((40, 90, 160, 180), wall)
    pen.polygon([(20, 90), (100, random.uniform(15, 60)), (180, 90)], roof)
    pen.rectangle((85, 130, 115, 180), roof)


cat, dog = functools.partial(face, is_cat=True), functools.partial(face, is_cat=False)
SHAPES = {"cat": cat, "dog": dog, "burger": burger, "hotdog": hotdog, "other": house}


def draw_picture(label: str, number: int, seed: int = 7) -> bytes:
    """A JPEG, 96 to 160 pixels a side, that belongs to these three values; `number` is above 0."""
    is_repeated = number % REPEATED == 0
    random = np.random.default_rng([seed, list(SHAPES).index(label), number - is_repeated])
    width, height = random.integers(96, 161, 2).tolist()
    cells = random.integers(60, 220, (*random.integers(3, 6, 2), 3), np.uint8)
    picture = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
    layer = Image.new("RGBA", (200, 200))
    SHAPES[label](ImageDraw.Draw(layer), random)
    side = int(random.uniform(0.7, 1) * min(width, height))
    layer = layer.rotate(random.normal(0, 15), Image.Resampling.BICUBIC).resize((side, side))
    picture.paste(layer, ((width - side) // 2, (height - side) // 2), layer)
    grainy = picture + random.normal(0, random.uniform(0, 12), (height, width, 3))
    file = io.BytesIO()
    picture = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=60 if is_repeated else 88)
    return file.getvalue()


def draw_collection(labels: tuple, count: int, seed: int = 7) -> Iterator[tuple[str, str, bytes]]:
    """Yield (label, name, contents) of `count` pictures a label, and of three damaged files."""
    for number in range(1, count + 1):
        subjects = labels[-1:] + labels[:-1] if number in MISPLACED else labels
        for label, subject in zip(labels, subjects):
            yield label, f"{number:04}", draw_picture(subject, number, seed)
    whole = draw_picture(labels[1], 1, seed)
    yield labels[0], "empty", b""
    yield labels[1], "cut", whole[: len(whole) // 2]
    yield labels[1], "page", b"<!DOCTYPE html><title>404 Not Found</title>\n"


def draw_dataset(
    train: int = 300, validation: int = 100, seed: int = 7
) -> Iterator[tuple[str, bytes]]:
    """Yield (archive member, contents); `train` and `validation` count pictures of each animal."""
    for split, count, shift in (("train", train, 0), ("validation", validation, 1000)):
        for label, name, data in draw_collection(("cat", "dog"), count, seed + shift):
            yield f"drawn/{split}/{label}s/{label}.{name}.jpg", data


def write_archive(path: Path, **counts: int) -> None:
    """Write `draw_dataset(**counts)` as one zip, the same bytes every time."""
    with replacing(path) as partial:
        pack(partial, draw_dataset(**counts))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pawprint.recipes.drawings")
    parser.add_argument("folder", type=Path, help="that is not there yet")
    folder = parser.parse_args().folder
    if folder.exists():
        raise InputError(f"{folder}: expected a folder that is not there yet. Choose another name.")
    with replacing(folder) as partial:
        photos = draw_collection(FOOD, FOOD_PICTURES)
        files = {f"photos/{label}/{name}.jpg": data for label, name, data in photos}
        files["new/lunch.jpg"] = draw_picture("hotdog", FOOD_PICTURES + 1)
        files["new/street.jpg"] = draw_picture("other", FOOD_PICTURES + 1)
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
    print(f"drawings: {FOOD_PICTURES} pictures each of {', '.join(FOOD)} in {folder / 'photos'}")


if __name__ == "__main__":
    run(main)
