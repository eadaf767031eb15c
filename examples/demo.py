"""`make demo`: run the sample recipe offline, in a scratch workspace next to the project.

The folder `demo/` becomes a separate DVC project with a copy of the stages, so that a real run is
never touched, and a second `make demo` only reruns what has changed. Its cats and dogs are drawn.
They have the faults of collected photos: a few pictures in the wrong folder, near-duplicates, and
damaged files. So do the burgers, hot dogs and houses that `python examples/demo.py FOLDER` draws
for docs/tutorial.md.

pawprint/recipes/sample/base.h5 contains the weights of MobileNetV2 (alpha 0.35) in float16. It was
trained to distinguish 30 kinds of drawn objects, not including cats and dogs, and is correct on 81%
of 1,200 held-out pictures. It was made by recipes/sample/pretrain.py in commit 566bd2d.
"""

import argparse
import functools
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from pawprint.base import paths
from pawprint.base.errors import InputError
from pawprint.base.files import pack, replacing, write_text
from pawprint.base.package import folders_of_code
from pawprint.commands.params_file import recipe_values, set_values
from pawprint.given.user_tables import EMPTY_TABLES
from pawprint.pipeline.entry import run

Pen = ImageDraw.ImageDraw  # draws on a square of 200 pixels
# Ranges of hues, in degrees.
BROWN = (15, 45)
RED = (0, 25)
GREEN = (60, 140)
ANY = (0, 360)
MISPLACED = (42, 77)  # numbers of pictures that show the wrong class
REPEATED = 50  # every 50th picture repeats the previous one with more compression
FOOD = ("burger", "hotdog", "other")
FOOD_PICTURES = 100  # per class


def colour(random: Generator, hues: tuple[int, int]) -> str:
    """Draw a colour with a hue from a range."""
    return "hsl({}, {}%, {}%)".format(*random.integers((hues[0], 15, 25), (hues[1], 80, 80)))


def oval(pen: Pen, place: Sequence[float], fill: str) -> None:
    """Draw an ellipse, given its centre and its half axes."""
    x, y, width, height = place
    pen.ellipse((x - width, y - height, x + width, y + height), fill, "black", 2)


def face(pen: Pen, random: Generator, is_cat: bool) -> None:
    """Draw a cat, with pricked ears and a small muzzle, or a dog; a few have the other's ears."""
    fur = colour(random, BROWN)
    second = colour(random, BROWN)
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
    for _ in range(4):  # with these spots, fine-tuning improves on the head
        place = random.uniform((10, 10, 8, 8), (190, 190, 25, 25)).tolist()
        oval(pen, place, colour(random, BROWN))


def burger(pen: Pen, random: Generator) -> None:
    """Draw a burger."""
    bun = colour(random, BROWN)
    high = random.uniform(20, 60)
    pen.chord((30, 90 - high, 170, 90 + high), 180, 360, bun)
    oval(pen, (100, 95, 80, random.uniform(6, 16)), colour(random, GREEN))
    pen.rounded_rectangle((28, 100, 172, 125), 12, colour(random, RED))
    pen.rounded_rectangle((30, 128, 170, 160), 15, bun)


def hotdog(pen: Pen, random: Generator) -> None:
    """Draw a hot dog."""
    bun = colour(random, BROWN)
    thick = random.uniform(12, 24)
    oval(pen, (100, 100, 80, thick + random.uniform(10, 30)), bun)
    pen.rounded_rectangle((5, 100 - thick, 195, 100 + thick), thick, colour(random, RED))
    mustard = [(x, 100 + 10 * (-1) ** (x // 12)) for x in range(24, 180, 12)]
    pen.line(mustard, colour(random, BROWN), 6, "curve")


def house(pen: Pen, random: Generator) -> None:
    """Draw a house."""
    wall = colour(random, ANY)
    roof = colour(random, ANY)
    pen.rectangle((40, 90, 160, 180), wall)
    pen.polygon([(20, 90), (100, random.uniform(15, 60)), (180, 90)], roof)
    pen.rectangle((85, 130, 115, 180), roof)


SHAPES: dict[str, Callable[[Pen, Generator], None]] = {
    "cat": functools.partial(face, is_cat=True),
    "dog": functools.partial(face, is_cat=False),
    "burger": burger,
    "hotdog": hotdog,
    "other": house,
}


def draw_picture(label: str, number: int, seed: int = 7) -> bytes:
    """Return a JPEG with sides of 96 to 160 pixels, given these values; `number` is above 0."""
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
    grainy = np.asarray(picture) + random.normal(0, random.uniform(0, 12), (height, width, 3))
    file = io.BytesIO()
    picture = Image.fromarray(grainy.clip(0, 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=60 if is_repeated else 88)
    return file.getvalue()


def draw_collection(labels: tuple, count: int, seed: int = 7) -> Iterator[tuple[str, str, bytes]]:
    """Yield (label, name, contents) for `count` pictures per label, and for three damaged files."""
    for number in range(1, count + 1):
        subjects = labels[-1:] + labels[:-1] if number in MISPLACED else labels
        for label, subject in zip(labels, subjects):
            yield label, f"{number:04}", draw_picture(subject, number, seed)
    whole = draw_picture(labels[1], 1, seed)
    yield labels[0], "empty", b""
    yield labels[1], "cut", whole[: len(whole) // 2]
    yield labels[1], "page", b"<!DOCTYPE html><title>404 Not Found</title>\n"


def draw_dataset(train: int = 300, validation: int = 100) -> Iterator[tuple[str, bytes]]:
    """Yield (archive member, contents), with `train` and `validation` images of each animal."""
    for split, count, seed in (("train", train, 7), ("validation", validation, 1007)):
        for label, name, data in draw_collection(("cat", "dog"), count, seed):
            yield f"drawn/{split}/{label}s/{label}.{name}.jpg", data


def write_archive(path: Path, **counts: int) -> None:
    """Write `draw_dataset(**counts)` to a zip, with the same bytes every time."""
    with replacing(path) as partial:
        pack(partial, draw_dataset(**counts))


def draw_tutorial(folder: Path) -> None:
    """Write the pictures for docs/tutorial.md to a new folder. Raises InputError if it exists."""
    if folder.exists():
        raise InputError(f"{folder}: expected a new folder. Choose another name.")
    with replacing(folder) as partial:
        photos = draw_collection(FOOD, FOOD_PICTURES)
        files = {f"photos/{label}/{name}.jpg": data for label, name, data in photos}
        files["new/lunch.jpg"] = draw_picture("hotdog", FOOD_PICTURES + 1)
        files["new/street.jpg"] = draw_picture("other", FOOD_PICTURES + 1)
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
    print(f"demo: {FOOD_PICTURES} pictures each of {', '.join(FOOD)} in {folder / 'photos'}")


PROJECT = Path(__file__).resolve().parents[1]
WORKSPACE = PROJECT / "demo"
ARCHIVE = "drawn.zip"  # as in pawprint/recipes/sample.yaml


def prepare(workspace: Path, params: str) -> None:
    """Turn `workspace` into a DVC project with this project's stages and these params."""
    for folder in folders_of_code(PROJECT):
        shutil.rmtree(workspace / folder, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / folder, workspace / folder, ignore=ignored)
    for file in ("dvc.yaml", ".dvcignore", "requirements.txt"):
        shutil.copy(PROJECT / file, workspace / file)
    for name, text in {**EMPTY_TABLES, paths.PARAMS: params}.items():
        write_text(workspace / name, text)
    (workspace / paths.MODEL_CARD.parent).mkdir(exist_ok=True)
    if not (workspace / ".dvc").exists():
        run_dvc(workspace, "init", "--no-scm", "--quiet")
    shutil.copytree(PROJECT / ".dvc" / "plots", workspace / ".dvc" / "plots", dirs_exist_ok=True)


def run_dvc(workspace: Path, *arguments: str) -> None:
    """Run DVC in `workspace`. If it fails, exit with its status."""
    command = [sys.executable, "-m", "dvc", *arguments]
    if status := subprocess.call(command, cwd=workspace, env=dvc_environment()):
        sys.exit(status)


def dvc_environment() -> dict[str, str]:
    """Return an environment in which `python` is this one when stages run."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def run_sample() -> None:
    """Run the `sample` recipe in the workspace and print its scores."""
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    if WORKSPACE.exists() and not (WORKSPACE / ARCHIVE).exists():
        raise InputError(
            f"{WORKSPACE}: expected a folder that `make demo` made, or none. Received: a folder "
            f"without {ARCHIVE}. Move this folder."
        )
    write_archive(WORKSPACE / ARCHIVE)
    prepare(WORKSPACE, set_values(params, recipe_values("sample")))
    run_dvc(WORKSPACE, "repro")
    run_dvc(WORKSPACE, "metrics", "show", paths.EVALUATE_METRICS.as_posix())
    print(f"\nReport with all pictures: {os.path.relpath(WORKSPACE / paths.REPORT)}")
    print('Next: README.md, "Three commands", trains on your photos.')


def main() -> None:
    """Run the demo, or draw the pictures of the tutorial."""
    parser = argparse.ArgumentParser(prog="python examples/demo.py", description=__doc__)
    tutorial = "new folder for the pictures in docs/tutorial.md; nothing is run"
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help=tutorial)
    folder = parser.parse_args().folder
    if folder:
        draw_tutorial(folder)
    else:
        run_sample()


if __name__ == "__main__":
    run(main)
