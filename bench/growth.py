"""Measure how the pipeline scales with the number of images: `python -m bench.growth`.

The images are made from those in the archive at 96 px: random parts of them, mirrored, rotated and
inverted. The params are those of the recipe `efficientnet-lite0`, which `pawprint init` writes, at
96 px. For each number of images and each stage, this prints the seconds and the peak resident
memory, including DVC's share, and the size of the outputs. It then prints the seconds of a `dvc
repro` that has nothing to do. It repeats everything after one corrected label, and after adding
images (`--added`), and also prints how many bytes a remote would receive. Run this after `dvc
repro`, on a machine that is otherwise idle.
"""

import argparse
import io
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image, ImageOps

from bench.compare import correct_label, params_for
from examples.demo import PROJECT, dvc_environment, prepare
from pawprint.base import paths
from pawprint.base.yaml_file import read_yaml
from pawprint.commands.params_file import overlay
from pawprint.commands.recipes import apply_recipe
from pawprint.data.archive import members, open_archive, read_member
from pawprint.data.reading import decode

SIZE = 96
LARGEST = 2 * SIZE  # longest side of the images that are cropped
Cells = dict[str, list[float]]  # seconds, megabytes of memory, and megabytes of outputs


def originals() -> list[tuple[str, Image.Image]]:
    """Return the class and the pixels of each image in the archive, in random order."""
    with open_archive(paths.RAW_ARCHIVES) as archive:
        names = [name for name in members(archive) if name.endswith(".jpg")]
        random.Random(1).shuffle(names)
        images = [(Path(name).parent.name, decode(read_member(archive, name))) for name in names]
    for _, image in images:
        image.thumbnail((LARGEST, LARGEST))
    return images


def altered(
    images: list[tuple[str, Image.Image]], start: int, end: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and JPEG bytes of altered parts of images, given with their labels."""
    for number in range(start, end):
        label, image = images[number % len(images)]
        yield f"{label}/{number}.jpg", alter(image, random.Random(number))


def alter(image: Image.Image, rng: random.Random) -> bytes:
    sides = [rng.uniform(0.5, 1) * side for side in image.size]
    corner = [rng.uniform(0, side - part) for side, part in zip(image.size, sides)]
    box = (*corner, *(start + part for start, part in zip(corner, sides)))
    image = image.resize((SIZE, SIZE), box=box).rotate(90 * rng.randrange(4))
    image = ImageOps.mirror(image) if rng.random() < 0.5 else image
    image = ImageOps.invert(image) if rng.random() < 0.2 else image
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def write_images(archive: Path, start: int, end: int) -> None:
    """Append images to the archive in another process, so that its memory does not count."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        process.submit(_write_images, archive, start, end).result()


def _write_images(archive: Path, start: int, end: int) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        for name, data in altered(originals(), start, end):
            file.writestr(name, data)


def run(workspace: Path, *arguments: str) -> tuple[float, float]:
    """Return the seconds of a DVC command, and the peak memory in MB of any of its processes."""
    start = time.perf_counter()
    command, environment = [sys.executable, "-m", "dvc", *arguments], dvc_environment()
    with subprocess.Popen(command, cwd=workspace, env=environment, stdout=sys.stderr) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - start, usage.ru_maxrss / 1e3  # Linux reports kilobytes


def run_stages(workspace: Path) -> Cells:
    """Run all stages and return the cells of each, their total, and those of a run without work."""
    before, cells = stored(workspace), {}
    for stage in read_yaml(PROJECT / "dvc.yaml")["stages"]:
        seconds, memory = run(workspace, "repro", "--single-item", stage)
        outs = read_yaml(workspace / paths.LOCK)["stages"][stage].get("outs", [])
        cells[stage] = [seconds, memory, sum(out["size"] for out in outs) / 1e6]
    seconds, memory, outs = zip(*cells.values())
    cells["in all"] = [sum(seconds), max(memory), sum(outs)]
    cells["bytes to a remote"] = [0, 0, stored(workspace) - before]
    return cells | {"nothing to do": [*min(run(workspace, "repro") for _ in range(3)), 0]}


def stored(workspace: Path) -> float:
    """Return the size of DVC's cache in megabytes."""
    files = (workspace / ".dvc" / "cache").rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def measure(folder: Path, images: int, added: int) -> dict[str, Cells]:
    """Return the cells, by title, for this number of images and after each change."""
    archive, workspace = folder / "images.zip", folder / "workspace"
    write_images(archive, 0, images)
    workspace.mkdir()
    params = apply_recipe(params_for(SIZE, seed=1), "efficientnet-lite0")
    changes = f"fetch: {{source: {archive}}}\nmodel: {{image_size: {SIZE}}}"
    prepare(workspace, overlay(params, changes))
    cells = {f"{images:,}": run_stages(workspace)}
    correct_label(workspace, folder)
    cells[f"{images:,}, a label"] = run_stages(workspace)
    if added:
        write_images(archive, images, images + added)
        cells[f"{images:,} + {added}"] = run_stages(workspace)
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = [10_000, 100_000]
    parser.add_argument("--images", type=int, nargs="+", default=default)
    parser.add_argument("--added", type=int, default=50, help="images after the first run")
    arguments = parser.parse_args()
    columns = {}
    for images in arguments.images:
        with tempfile.TemporaryDirectory() as folder:
            columns |= measure(Path(folder), images, arguments.added)
    print("| stage | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in dict.fromkeys(itertools.chain(*columns.values())):
        cells = (column.get(row, [0, 0, 0]) for column in columns.values())
        texts = (f"{time:,.1f} s, {memory:,.0f} MB, {out:,.0f} MB" for time, memory, out in cells)
        print(f"| {row} | " + " | ".join(texts) + " |")


if __name__ == "__main__":
    main()
