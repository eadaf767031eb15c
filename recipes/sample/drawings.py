"""Drawn cats and dogs: a small picture dataset that needs no download.

Every picture is drawn from its own seed, so a shorter dataset is a prefix of a longer one. Colours,
backgrounds, sizes and poses come from the same ranges for both animals: only the shapes of the
face (ears, eyes, muzzle, nose, whiskers, tongue) tell a cat from a dog, and some of them overlap.
"""

import argparse
import colorsys
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from pawprint.core.entry import run
from pawprint.core.files import pack, replacing

Colour = tuple[int, int, int]
Points = np.ndarray  # of an outline, float (n, 2), in drawing coordinates: a head is about 2 wide

SUPERSAMPLING = 3
SIDES = (np.array([-1, 1]), np.array([1, 1]))
FUR = [
    (222, 146, 74), (128, 128, 132), (70, 64, 66), (240, 234, 226),
    (140, 98, 66), (232, 206, 164), (98, 108, 124), (176, 84, 48),
]  # fmt: skip
IRIS = [(120, 170, 60), (214, 160, 40), (90, 150, 200), (110, 66, 34), (60, 40, 30)]
NOSE = [(40, 34, 36), (90, 56, 48), (226, 130, 136)]
PINK, WHITE, BLACK = (226, 142, 150), (248, 246, 242), (26, 22, 24)


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (`factor` below 1) or lighter (above 1)."""
    return tuple(min(255, int(channel * factor)) for channel in colour)


def any_colour(random: Generator) -> Colour:
    """A colour of any hue, neither black nor fully saturated."""
    hue, saturation, value = random.uniform((0, 0.1, 0.25), (1, 0.65, 1))
    return tuple(int(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value))


def one_of(random: Generator, colours: list[Colour]) -> Colour:
    return colours[random.integers(len(colours))]


def ellipse(x: float, y: float, width: float, height: float, tilt: float = 0) -> Points:
    """Outline of an ellipse with half axes `width` and `height`."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    plane = (width * np.cos(angle) + 1j * height * np.sin(angle)) * np.exp(1j * tilt)
    return np.stack([x + plane.real, y + plane.imag], axis=1)


def rounded(corners: list[tuple[float, float]], rounds: int = 3) -> Points:
    """Closed curve that cuts the corners of a polygon `rounds` times."""
    points = np.array(corners, dtype=float)
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        cut = [0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following]
        points = np.stack(cut, axis=1).reshape(-1, 2)
    return points


def random_pose(random: Generator, width: int, height: int) -> np.ndarray:
    """Matrix (3, 3) from drawing coordinates (about -1.5 to 1.5, y down) to pixels."""
    turn = np.radians(np.clip(random.normal(0, 14), -35, 35))
    squash = random.uniform(0.9, 1.1)
    scale = random.uniform(0.22, 0.29) * min(width, height)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    pose, tilt = np.eye(3), np.eye(3)
    pose[:2, :2] = scale * rotation @ np.diag([random.choice([-1, 1]) * squash, 1 / squash])
    pose[:2, 2] = random.uniform(0.44, 0.56, 2) * (width, height)
    tilt[2, :2] = random.uniform(-0.07, 0.07, 2)
    return pose @ tilt


def background(random: Generator, width: int, height: int) -> Image.Image:
    """A plain, graded, noisy, striped, cluttered or blurred RGB background."""
    kind = random.choice(["plain", "graded", "noisy", "striped", "cluttered", "blurred"])
    image = Image.new("RGB", (width, height), any_colour(random))
    if kind == "graded":
        corners = np.array([[any_colour(random) for _ in range(2)] for _ in range(2)], np.uint8)
        image = Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)
    elif kind == "noisy":
        cells = random.integers(60, 200, (*random.integers(4, 24, 2), 3), dtype=np.uint8)
        noise = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
        image = Image.blend(image, noise, 0.4)
    elif kind == "striped":
        colour, slope = any_colour(random), random.uniform(-1, 1) * height
        step, thickness = random.uniform((0.12, 0.04), (0.4, 0.12)) * width
        for x in np.arange(-height, width + height, step):
            line = [(x, 0), (x + slope, height)]
            ImageDraw.Draw(image).line(line, colour, int(thickness))
    elif kind in ("cluttered", "blurred"):
        for _ in range(random.integers(4, 14)):
            x, y, radius = random.uniform((0, 0, 0.04), (1, 1, 0.22)) * (width, height, width)
            sides, turn = random.choice([3, 4, 5, 6, 24]).item(), random.uniform(0, 90)
            shape = (x, y, radius), sides, turn, any_colour(random)
            ImageDraw.Draw(image).regular_polygon(*shape)
    return image.filter(ImageFilter.GaussianBlur(width / 25)) if kind == "blurred" else image


class Canvas:
    """A supersampled picture whose shapes are given in drawing coordinates."""

    def __init__(self, random: Generator):
        width, height = (SUPERSAMPLING * random.integers(96, 161, 2)).tolist()
        self.random = random
        self.image = background(random, width, height)
        self.pose = random_pose(random, width, height)
        self.edge = random.choice([0, 0.03, 0.06])

    def pixels(self, points: Points) -> list[tuple[float, float]]:
        projected = np.insert(np.asarray(points, float), 2, 1, axis=1) @ self.pose.T
        return list(map(tuple, projected[:, :2] / projected[:, 2:]))

    def shape(self, points: Points, colour: Colour) -> None:
        """Fill a closed outline; the picture's own style says how strong its edge is."""
        ImageDraw.Draw(self.image).polygon(self.pixels(points), fill=colour)
        if self.edge:
            self.line(np.concatenate([points, points[:2]]), shade(colour, 0.55), self.edge)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """Draw an open line, `width` in drawing coordinates."""
        thickness = max(1, round(width * abs(np.linalg.det(self.pose[:2, :2])) ** 0.5))
        ImageDraw.Draw(self.image).line(self.pixels(points), colour, thickness, joint="curve")

    def inside(self, outline: Points, marks: list[Points], colour: Colour) -> None:
        """Fill `marks` where they lie inside `outline`."""
        masks = Image.new("L", self.image.size), Image.new("L", self.image.size)
        for mask, outlines in zip(masks, ([outline], marks)):
            for each in outlines:
                ImageDraw.Draw(mask).polygon(self.pixels(each), fill=255)
        self.image.paste(colour, mask=ImageChops.multiply(*masks))

    def photograph(self) -> Image.Image:
        """The finished picture: sometimes partly hidden, then lit, blurred and made grainy."""
        random = self.random
        if random.random() < 0.12:  # a bar or a ball covers one side of the subject
            turn, length = random.uniform(0, 2 * np.pi), random.choice([0.4, 4])
            cover = ellipse(1.2 * np.cos(turn), 1.2 * np.sin(turn), 0.4, length, turn)
            self.shape(cover, any_colour(random))
        blur, grain = random.uniform((-0.8, 0), (1.0, 7)).tolist()
        image = self.image.reduce(SUPERSAMPLING).filter(ImageFilter.GaussianBlur(max(0.0, blur)))
        level, across, down = random.uniform((0.8, -0.25, -0.25), (1.15, 0.25, 0.25))
        width, height = image.size
        rows, columns = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
        light = level + across * columns + down * rows  # from one side
        pixels = np.asarray(image, float) * light[..., None]
        pixels += random.normal(0, grain, pixels.shape)
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def pointed_ear(random: Generator, height: float) -> tuple[Points, Points, bool]:
    """Outline, what is seen of the inside, and whether the ear covers the head."""
    tip = np.array([random.uniform(0.6, 1.0), -height])
    outline = rounded([(0.12, -0.65), tip, tip, (0.98, -0.1)], rounds=2)
    middle = np.array([0.58, -0.6])
    return outline, middle + 0.6 * (outline - middle), False


def head_outline(width: float, height: float, jaw: float) -> Points:
    right = [(0.55, -1.05), (1.05, -0.5), (1.1 * jaw, 0.45), (0.5 * jaw, 1.05)]
    return rounded(right + [(-x, y) for x, y in reversed(right)]) * (width, height)


def cat_face(random: Generator) -> dict[str, Any]:
    """Upright pointed (rarely folded) ears, a wide head, large eyes and a small short muzzle."""
    folded, eye = random.random() < 0.06, random.uniform(0.22, 0.3)
    if folded:
        tip = random.uniform((0.55, -0.5), (0.75, -0.35))
        ear = rounded([(0.2, -0.85), (0.7, -1.1), (1.05, -0.6), tip], rounds=2), None, True
    else:
        ear = pointed_ear(random, random.uniform(1.4, 1.75))
    return {
        "ear": ear,
        "head": head_outline(*random.uniform((0.98, 0.82, 0.9), (1.15, 0.98, 1.05))),
        "eye": (eye, eye * random.uniform(0.65, 1)),
        "eye_tilt": random.uniform(0, 0.35),
        "pupil": random.uniform((0.15, 0.9), (0.6, 0.95)),
        "muzzle": random.uniform((0.36, 0.24), (0.48, 0.34)),
        "nose": random.uniform(0.1, 0.16),
        "whiskers": random.random() < 0.6,
        "tongue": random.random() < 0.04,
    }


def dog_face(random: Generator) -> dict[str, Any]:
    """Hanging, tipped or (rarely) pricked ears, a long head, a long muzzle and a big nose."""
    out, low = random.uniform((1.2, 0.6), (1.55, 1.2))
    hang = [(0.35, -0.9), (0.95, -0.95), (out, -0.2), (out, low), (0.85, low), (0.75, -0.1)]
    hanging = rounded(hang), None, random.random() < 0.7
    tip = random.uniform((1.0, -0.4), (1.35, -0.1))
    bend = [(0.2, -0.8), (0.55, -1.35), (1.05, -1.25), tip, tip, (0.7, -0.75)]
    tipped = rounded(bend, rounds=2), None, True
    pricked = pointed_ear(random, random.uniform(1.4, 1.8))
    eye = random.uniform(0.14, 0.22)
    return {
        "ear": (hanging, tipped, pricked)[random.choice(3, p=[0.82, 0.13, 0.05])],
        "head": head_outline(*random.uniform((0.85, 0.92, 0.75), (1.05, 1.1, 0.95))),
        "eye": (eye, eye * random.uniform(0.8, 1.1)),
        "eye_tilt": random.uniform(-0.2, 0.15),
        "pupil": random.uniform((0.5, 0.6), (0.75, 0.85)),
        "muzzle": random.uniform((0.42, 0.48), (0.58, 0.68)),
        "nose": random.uniform(0.2, 0.3),
        "whiskers": False,
        "tongue": random.random() < 0.75,
    }


def portrait(random: Generator, face: dict[str, Any]) -> Image.Image:
    """A face in one fur."""
    canvas = Canvas(random)
    fur, second = (shade(fur, random.uniform(0.85, 1.1)) for fur in random.permutation(FUR)[:2])
    ear_colour = fur if random.random() < 0.6 else second
    if random.random() < 0.7:  # a body
        canvas.shape(ellipse(0, 2.1, random.uniform(0.8, 1.2), 1.5), fur)
    if random.random() < 0.3:  # a collar
        canvas.shape(ellipse(0, 1.0, 0.7, 0.22), any_colour(random))
    outline, inside, in_front = face["ear"]

    def ears() -> None:
        for side in SIDES:
            shift = random.normal(0, 0.04, 2)
            canvas.shape((outline + shift) * side, ear_colour)
            if inside is not None:
                canvas.shape((inside + shift) * side, PINK)

    if not in_front:
        ears()
    canvas.shape(face["head"], fur)
    canvas.inside(face["head"], markings(random), second)
    if in_front:
        ears()
    iris = one_of(random, IRIS)
    apart, look = random.uniform((0.36, -0.04), (0.46, 0.04))
    pupil = np.multiply(face["eye"], face["pupil"])
    for side in SIDES:
        canvas.shape(ellipse(apart, -0.15, *face["eye"], -face["eye_tilt"]) * side, iris)
        canvas.shape(ellipse(apart * side[0] + look, -0.15, *pupil), BLACK)
        canvas.shape(ellipse(apart * side[0] + 0.05, -0.2, 0.045, 0.045), WHITE)
    draw_muzzle(canvas, face, one_of(random, [shade(fur, 1.25), WHITE]))
    return canvas.photograph()


def markings(random: Generator) -> list[Points]:
    """Outlines of nothing, stripes, a blaze, a mask or patches."""
    places = random.uniform(-0.9, 0.9, (random.integers(1, 4), 2))
    choices = [
        [],
        [ellipse(x, -0.75, 0.05, 0.3, -x / 3) for x in (-0.3, 0, 0.3)]
        + [ellipse(x, y, 0.3, 0.05, x * y / 3) for x in (-1, 1) for y in (0.15, 0.4)],
        [rounded([(-0.1, -1), (0.1, -1), (0.2, 0), (0.7, 1), (-0.7, 1), (-0.2, 0)])],
        [ellipse(0, -0.7, 1.2, random.uniform(0.5, 0.9))],
        [ellipse(x, y, *random.uniform(0.25, 0.5, 2)) for x, y in places],
    ]
    return choices[random.integers(len(choices))]


def draw_muzzle(canvas: Canvas, face: dict[str, Any], colour: Colour) -> None:
    """Muzzle, nose and mouth, and where the face has them a tongue and whiskers."""
    (width, height), nose = face["muzzle"], face["nose"]
    middle = 0.2 + 0.62 * height
    lips = middle + 0.35 * height
    ink = BLACK if sum(colour) > 240 else shade(WHITE, 0.6)
    if face["tongue"]:
        canvas.shape(ellipse(0, lips + 0.22, 0.16, 0.3), PINK)
    canvas.shape(ellipse(0, middle, width, height), colour)
    for side in SIDES:
        mouth = [(0, middle), (0, lips - 0.1), (0.08, lips), (0.2, lips), (0.3, lips - 0.08)]
        canvas.line(mouth * side, ink, 0.04)
        for rise in (-0.12, 0.02, 0.16) if face["whiskers"] else ():
            whisker = [(0.25, middle + rise / 2), (1.25, middle + 2 * rise)]
            canvas.line(whisker * side, WHITE, 0.025)
    tip = rounded([(-1, -0.5), (1, -0.5), (0.5, 1), (-0.5, 1)], rounds=2)
    canvas.shape(tip * nose + (0, middle - 0.5 * height), one_of(canvas.random, NOSE))


ANIMALS = {"cats": cat_face, "dogs": dog_face}
SPLITS = ("train", "validation")


def drawn_picture(seed: int, animal: str, split: str, index: int) -> Image.Image:
    """The RGB picture, 96 to 160 pixels a side, that belongs to these four values."""
    random = np.random.default_rng([seed, [*ANIMALS].index(animal), SPLITS.index(split), index])
    return portrait(random, ANIMALS[animal](random))


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def drawn_dataset(
    train: int = 600, validation: int = 200, seed: int = 7
) -> Iterator[tuple[str, bytes]]:
    """Yield (archive member name, file contents): JPEG pictures, then files that `clean` rejects.

    `train` and `validation` count the pictures of each animal; a member is named like
    `drawn/train/cats/cat.0001.jpg`.
    """
    for split, count in zip(SPLITS, (train, validation)):
        for animal in ANIMALS:
            for index in range(1, count + 1):
                name = f"drawn/{split}/{animal}/{animal.removesuffix('s')}.{index:04}.jpg"
                yield name, encoded(drawn_picture(seed, animal, split, index))
    picture = encoded(drawn_picture(seed, "cats", "train", 0))
    cut = picture[: len(picture) // 2]
    yield "drawn/train/cats/cat.empty.jpg", b""
    yield "drawn/train/cats/cat.cut.jpg", cut
    yield "drawn/train/dogs/dog.text.jpg", b"A dog was meant to sit here.\n"
    yield "drawn/train/dogs/dog.header.jpg", bytes(64) + picture[64:]
    yield "drawn/validation/cats/cat.page.jpg", b"<!DOCTYPE html><title>404 Not Found</title>\n"
    yield "drawn/validation/dogs/dog.cut.jpg", cut


def write_archive(path: Path, **counts: int) -> None:
    """Write `drawn_dataset(**counts)` as one zip, the same bytes every time."""
    with replacing(path) as partial:
        pack(partial, drawn_dataset(**counts))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m recipes.sample.drawings", description="Draw cats and dogs into a zip."
    )
    parser.add_argument("zip", type=Path)
    write_archive(parser.parse_args().zip)


if __name__ == "__main__":
    run(main)
