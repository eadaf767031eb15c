"""Drawn things to train the backbone of the demo on: objects, plants and toys.

`python -m recipes.sample.things FOLDER` draws the pictures of docs/tutorial.md: burgers and hot
dogs, which the backbone was not trained on, and other things.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import product, starmap
from pathlib import Path

import numpy as np
from PIL import Image

from pawprint.core.errors import InputError
from pawprint.core.files import replacing
from recipes.sample.drawings import (
    BLACK,
    SIDES,
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

Painter = Callable[[Canvas, Colour, Colour], None]


def spokes(count: int, inner: float, outer: float) -> Points:
    """Outline (2 * count, 2) of a star with `count` points."""
    angle = np.arange(2 * count) * np.pi / count
    radius = np.where(np.arange(2 * count) % 2, inner, outer)
    return np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def around(canvas: Canvas, part: Points, colour: Colour) -> None:
    """Attach two to five copies of `part`, which points up from the origin, to a round blob."""
    for turn in canvas.random.uniform(0, 2 * np.pi, canvas.random.integers(2, 6)):
        cosine, sine = np.cos(turn), np.sin(turn)
        canvas.shape((part - (0, 0.7)) @ np.array([[cosine, sine], [-sine, cosine]]), colour)
    canvas.shape(ellipse(0, 0, *canvas.random.uniform(0.7, 1.0, 2)), colour)


def spiky_blob(canvas: Canvas, first: Colour, second: Colour) -> None:
    height = -canvas.random.uniform(0.5, 0.9)
    around(canvas, rounded([(-0.35, 0.1), (0, height), (0, height), (0.35, 0.1)], 2), first)


def knobbly_blob(canvas: Canvas, first: Colour, second: Colour) -> None:
    around(canvas, ellipse(0, -0.2, *canvas.random.uniform(0.25, 0.4, 2)), first)


def floppy_blob(canvas: Canvas, first: Colour, second: Colour) -> None:
    side = canvas.random.choice([-1, 1])
    flap = rounded([(-0.2, 0.2), (-0.1, -0.4), (0.6, -0.5), (1.0, 0.3), (0.7, 0.4), (0.3, -0.1)])
    around(canvas, flap * (side, 1), first)


def smiley(canvas: Canvas, first: Colour, second: Colour) -> None:
    toy_face(canvas, first, ellipse(0.35, -0.2, *canvas.random.uniform(0.1, 0.25, 2)), 0.3)


def frowner(canvas: Canvas, first: Colour, second: Colour) -> None:
    toy_face(canvas, first, ellipse(0.35, -0.2, *canvas.random.uniform(0.1, 0.25, 2)), -0.3)


def toy_face(canvas: Canvas, colour: Colour, eye: Points, smile: float) -> None:
    """A disc with two eyes and a curved mouth (`smile` is positive when it smiles)."""
    canvas.shape(ellipse(0, 0, *canvas.random.uniform(0.9, 1.15, 2)), colour)
    ink = shade(colour, 0.35)
    for side in SIDES:
        canvas.shape(eye * side, (245, 245, 245))
        pupil = eye.mean(axis=0) + (eye - eye.mean(axis=0)) * (canvas.random.uniform(0.2, 0.7), 0.9)
        canvas.shape(pupil * side, ink)
    x = np.linspace(-0.5, 0.5, 9)
    canvas.line(np.stack([x, 0.45 + smile * (0.5 - 4 * x**2)], axis=1), ink, 0.08)


def drooping() -> Points:
    return rounded([(0.6, -0.9), (1.1, -0.9), (1.5, 0.2), (1.3, 1.0), (0.95, 0.9), (0.9, 0)])


def round_knob() -> Points:
    return ellipse(0.7, -0.85, 0.4, 0.4)


def pointed() -> Points:
    return rounded([(0.15, -0.6), (0.8, -1.5), (0.8, -1.5), (0.95, -0.2)], rounds=2)


def bent() -> Points:
    return rounded(
        [(0.1, -0.8), (0.6, -1.4), (1.2, -1.2), (1.4, -0.3), (1.4, -0.3), (0.8, -0.7)], 2
    )


HANDLES = (drooping, round_knob, pointed, bent)


def jar(handle: Callable[[], Points]) -> Painter:
    """Painter of a round jar with a pair of such handles, and with a belt or dots."""

    def paint(canvas: Canvas, first: Colour, second: Colour) -> None:
        random = canvas.random
        body = ellipse(0, 0, *random.uniform(0.8, 1.1, 2))
        size, colour = random.uniform(0.8, 1.15, 2), [first, second][random.integers(2)]
        parts = [(handle() * size * side, colour) for side in SIDES]
        for outline, fill in [*parts, (body, first)][:: random.choice([-1, 1])]:
            canvas.shape(outline, fill)
        dots = [ellipse(x, y, 0.2, 0.2) for x, y in random.uniform(-1, 1, (5, 2))]
        belt = [ellipse(0, random.uniform(-1, 1), 1.2, random.uniform(0.1, 0.5))]
        canvas.inside(body, [dots, belt][random.integers(2)], any_colour(random))

    return paint


def mask(long: bool, slit: bool) -> Painter:
    """Painter of a carnival mask: its snout is long or short, its eyes are slits or round."""

    def paint(canvas: Canvas, first: Colour, second: Colour) -> None:
        random = canvas.random
        nose, snout = random.uniform((0.16, 0.4), (0.28, 0.6)) if long else (0.12, 0.27)
        eye = ellipse(0.4, -0.15, *random.uniform(0.13, 0.26, 2), random.uniform(-0.3, 0.3))
        wide, middle = random.uniform(0.15, 0.4) if slit else random.uniform(0.6, 0.85), eye.mean(0)
        pupil, iris = (eye - middle) * (wide, 0.9) + middle, any_colour(random)
        canvas.shape(ellipse(0, 0, *random.uniform(0.8, 1.15, 2)), first)
        canvas.shape(ellipse(0, 0.2 + 0.6 * snout, random.uniform(0.35, 0.55), snout), second)
        for side in SIDES:
            canvas.shape(eye * side, iris)
            canvas.shape(pupil * side, BLACK)
        canvas.shape(ellipse(0, 0.25, nose, nose * 0.8), any_colour(random))
        canvas.line([(-0.2, 0.55), (0, 0.65), (0.2, 0.55)], BLACK, 0.05)

    return paint


def robot(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(box(-0.9, -0.8, 0.9, 0.9), first)
    canvas.line([(0, -0.8), (0, -1.3)], second, 0.1)
    canvas.shape(ellipse(0, -1.35, 0.13, 0.13), second)
    canvas.shape(box(-0.5, 0.3, 0.5, 0.55), second)
    for side in SIDES:
        canvas.shape(box(0.2, -0.45, 0.6, -0.1) * side, second)


def house(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(box(-0.9, -0.2, 0.9, 1.1), first)
    canvas.shape(np.array([(-1.15, -0.2), (0, -1.2), (1.15, -0.2)]), second)
    canvas.shape(box(-0.2, 0.4, 0.2, 1.1), second)


def tree(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(box(-0.15, 0, 0.15, 1.3), second)
    for x, y in canvas.random.uniform((-0.5, -0.9), (0.5, 0), (6, 2)):
        canvas.shape(ellipse(x, y, 0.5, 0.5), first)


def fir(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(box(-0.12, 0.7, 0.12, 1.3), second)
    for top, wide in ((0, 1.0), (-0.5, 0.8), (-1.0, 0.6)):
        canvas.shape(np.array([(-wide, top + 0.8), (0, top - 0.2), (wide, top + 0.8)]), first)


def flower(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.line([(0, 0), (0.1, 0.8), (0, 1.5)], shade(second, 0.7), 0.1)
    for turn in np.linspace(0, 2 * np.pi, canvas.random.integers(5, 9), endpoint=False):
        canvas.shape(ellipse(0.6 * np.cos(turn), 0.6 * np.sin(turn), 0.4, 0.22, turn), first)
    canvas.shape(ellipse(0, 0, 0.3, 0.3), second)


def fish(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(np.array([(0.6, 0), (1.4, -0.5), (1.2, 0), (1.4, 0.5)]), second)
    canvas.shape(ellipse(0, 0, 0.9, canvas.random.uniform(0.4, 0.65)), first)
    canvas.shape(ellipse(-0.5, -0.1, 0.12, 0.12), (30, 30, 30))


def car(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(rounded([(-0.8, 0), (-0.5, -0.7), (0.4, -0.7), (0.8, 0)], 1), second)
    canvas.shape(rounded([(-1.3, -0.1), (1.3, -0.1), (1.3, 0.5), (-1.3, 0.5)], 1), first)
    for side in SIDES:
        canvas.shape(ellipse(0.7, 0.5, 0.27, 0.27) * side, (40, 40, 44))


def mushroom(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(rounded([(-0.3, -0.2), (0.3, -0.2), (0.4, 1.1), (-0.4, 1.1)], 1), second)
    cap = rounded([(-1.2, 0.1), (-0.8, -1.1), (0.8, -1.1), (1.2, 0.1)])
    canvas.shape(cap, first)
    spots = [ellipse(x, y, 0.15, 0.15) for x, y in canvas.random.uniform(-1, 1, (9, 2))]
    canvas.inside(cap, spots, (250, 246, 240))


def cup(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.line(ellipse(0.8, 0, 0.4, 0.45), first, 0.16)
    canvas.shape(np.array([(-0.8, -0.8), (0.8, -0.8), (0.6, 0.9), (-0.6, 0.9)]), first)
    canvas.shape(ellipse(0, -0.8, 0.8, 0.2), second)


def star(canvas: Canvas, first: Colour, second: Colour) -> None:
    outer = canvas.random.uniform(1, 1.3)
    canvas.shape(spokes(int(canvas.random.integers(5, 8)), outer * 0.5, outer), first)


def crown(canvas: Canvas, first: Colour, second: Colour) -> None:
    peaks = [(-1.1, 0.7), (-1.1, -0.7), (-0.5, 0), (0, -0.9), (0.5, 0), (1.1, -0.7), (1.1, 0.7)]
    canvas.shape(np.array(peaks), first)
    for x, y in peaks[1:6:2]:
        canvas.shape(ellipse(x, y, 0.14, 0.14), second)


def polygon(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(spokes(int(canvas.random.integers(3, 7)), 1, 1)[::2], first)


def ball(canvas: Canvas, first: Colour, second: Colour) -> None:
    disc = ellipse(0, 0, *canvas.random.uniform(0.8, 1.15, 2))
    canvas.shape(disc, first)
    canvas.inside(disc, [ellipse(0, 0, 0.35, 1.2), ellipse(-1, 0, 0.3, 1.2)], second)


def balloon(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.line([(0, 0.6), (0.15, 1.0), (-0.1, 1.4), (0, 1.8)], second, 0.05)
    canvas.shape(rounded([(-0.8, -1.1), (0.8, -1.1), (0.9, 0), (0, 0.9), (-0.9, 0)]), first)


def umbrella(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.line([(0, -0.8), (0, 1.0), (0.15, 1.2), (0.35, 1.0)], second, 0.1)
    canvas.shape(rounded([(-1.2, 0.1), (-0.9, -1.2), (0.9, -1.2), (1.2, 0.1), (0, -0.3)], 2), first)


def bottle(canvas: Canvas, first: Colour, second: Colour) -> None:
    canvas.shape(box(-0.18, -1.3, 0.18, -0.5), first)
    canvas.shape(rounded([(-0.5, -0.6), (0.5, -0.6), (0.5, 1.2), (-0.5, 1.2)], 1), first)
    canvas.shape(box(-0.45, 0, 0.45, 0.6), second)


def butterfly(canvas: Canvas, first: Colour, second: Colour) -> None:
    for side in SIDES:
        canvas.shape(ellipse(0.6, -0.4, 0.6, 0.4, -0.6) * side, first)
        canvas.shape(ellipse(0.5, 0.4, 0.45, 0.32, 0.6) * side, second)
    canvas.shape(ellipse(0, 0, 0.1, 0.7), (50, 44, 44))


PAINTERS: list[Painter] = [
    spiky_blob, knobbly_blob, floppy_blob, smiley, frowner, robot, house, tree, fir,
    flower, fish, car, mushroom, cup, star, crown, polygon, ball, balloon, umbrella, bottle,
    butterfly, *map(jar, HANDLES), *starmap(mask, product((False, True), repeat=2)),
]  # fmt: skip


def drawn_thing(seed: int, index: int) -> tuple[Image.Image, int]:
    """A picture, and the position in PAINTERS of the thing it shows."""
    kind = index % len(PAINTERS)
    random = np.random.default_rng([seed, index])
    canvas = Canvas(random)
    PAINTERS[kind](canvas, any_colour(random), any_colour(random))
    return canvas.photograph(), kind


LABELS = ("burger", "hotdog", "other")
PICTURES = 100  # in each folder
MISPLACED = (42, 77)  # numbers of the pictures that lie in another folder
PICTURES_SEED = 5
BUN = [(222, 170, 100), (200, 140, 74), (236, 200, 140)]
SAUSAGE = [(176, 84, 48), (150, 58, 40), (204, 104, 70)]
SAUCE = [(236, 196, 40), (190, 30, 30), (240, 228, 180)]
MEAT = [(110, 64, 44), (86, 52, 38), (132, 76, 50)]
FILLING = [(120, 170, 60), (200, 50, 40), (240, 196, 60)]


def burger(canvas: Canvas, first: Colour, second: Colour) -> None:
    """Meat between the halves of a round bun, with lettuce, tomato or cheese, and often sesame."""
    random = canvas.random
    bun, wide = one_of(random, BUN), random.uniform(0.8, 1.1)
    bottom = [(-wide, 0.35), (wide, 0.35), (0.9 * wide, 0.9), (-0.9 * wide, 0.9)]
    top = rounded([(-wide, 0), (-wide, -1), (wide, -1), (wide, 0)])
    canvas.shape(rounded(bottom), shade(bun, 0.9))
    canvas.shape(ellipse(0, 0.35, 1.1 * wide, 0.22), one_of(random, MEAT))
    canvas.shape(ellipse(0, 0.08, 1.15 * wide, 0.16), one_of(random, FILLING))
    canvas.shape(top, bun)
    if random.random() < 0.8:
        spots = random.uniform((-0.7 * wide, -0.7), (0.7 * wide, -0.2), (9, 2))
        canvas.inside(top, [ellipse(x, y, 0.07, 0.04) for x, y in spots], shade(bun, 1.2))


def hotdog(canvas: Canvas, first: Colour, second: Colour) -> None:
    """A sausage between the halves of a bun, often with mustard, ketchup or mayonnaise."""
    random = canvas.random
    bun, sausage = one_of(random, BUN), one_of(random, SAUSAGE)
    long, thick = random.uniform((1.0, 0.2), (1.3, 0.32))
    for half, light in ((-1, 1.0), (1, 0.9)):
        canvas.shape(ellipse(0, half * thick, long, thick * 1.3), shade(bun, light))
    corners = [(-long - 0.2, -thick), (long + 0.2, -thick), (long + 0.2, thick)]
    canvas.shape(rounded([*corners, (-long - 0.2, thick)]), sausage)
    if random.random() < 0.8:
        x = np.linspace(-0.9 * long, 0.9 * long, 60)
        wave = 0.6 * thick * np.sin(x * random.uniform(8, 14))
        canvas.line(np.stack([x, wave], axis=1), one_of(random, SAUCE), 0.1)


def drawn_photo(label: str, index: int) -> Image.Image:
    if label == "other":
        return drawn_thing(PICTURES_SEED, index)[0]
    painters = {"burger": burger, "hotdog": hotdog}
    seed = PICTURES_SEED + 1 + list(painters).index(label)
    canvas = Canvas(np.random.default_rng([seed, index]))
    painters[label](canvas, BLACK, BLACK)
    return canvas.photograph()


def drawn_photos() -> Iterator[tuple[str, bytes]]:
    """Yield (path, file contents) of pictures as people collect them, and of two new pictures.

    A few pictures of each class lie in the folder of the next one, and a few files are damaged.
    """
    for index in range(1, PICTURES + 1):
        folders = LABELS[1:] + LABELS[:1] if index in MISPLACED else LABELS
        for folder, label in zip(folders, LABELS):
            yield f"photos/{folder}/{index:03}.jpg", encoded(drawn_photo(label, index))
    whole = encoded(drawn_photo("hotdog", 0))
    yield "photos/hotdog/cut.jpg", whole[: len(whole) // 2]
    yield "photos/hotdog/empty.jpg", b""
    yield "photos/other/page.jpg", b"<!DOCTYPE html><title>404 Not Found</title>\n"
    yield "new/lunch.jpg", encoded(drawn_photo("hotdog", PICTURES + 1))
    yield "new/street.jpg", encoded(drawn_photo("other", PICTURES + 1))


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
    main()
