"""Measure how the pipeline scales with the number of images: `python -m bench.growth`.

The images are made from those in the archive: random parts of them at `--size`, mirrored, rotated
and inverted. The params are those of the recipe `efficientnet-lite0`, which `pawprint init` writes,
at this size. For each number of images and each stage, this prints the seconds and the peak
resident memory, including DVC's share, and the size of the outputs. It then prints the seconds of a
`dvc repro` that has nothing to do, and of one after a corrected label. It repeats the stages after
adding images (`--added`), and also prints how many bytes a remote would receive. With `--script`,
examples/embeddings.py runs first. Run this after `dvc repro`, on a machine that is otherwise idle.
"""

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image, ImageOps

from bench.compare import correct_label, params_for, write_lite0
from examples.demo import PROJECT, dvc_environment, prepare
from pawprint.base import paths
from pawprint.base.yaml_file import read_yaml
from pawprint.commands.params_file import recipe_values, set_values
from pawprint.given.archive import members, open_archive, read_member
from pawprint.given.reading import decode

Cells = dict[str, list[float]]  # seconds, megabytes of memory, and megabytes of outputs


def originals(size: int) -> list[tuple[str, Image.Image]]:
    """Return the class and the pixels of each image in the archive, in random order.

    The longest side is `2 * size` or less.
    """
    with open_archive(paths.RAW_ARCHIVES) as archive:
        names = [name for name in members(archive) if name.endswith(".jpg")]
        random.Random(1).shuffle(names)
        images = [(Path(name).parent.name, decode(read_member(archive, name))) for name in names]
    for _, image in images:
        image.thumbnail((2 * size, 2 * size))
    return images


def altered(
    images: list[tuple[str, Image.Image]], size: int, start: int, end: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and JPEG bytes of altered parts of images, given with their labels."""
    for number in range(start, end):
        label, image = images[number % len(images)]
        yield f"{label}/{number}.jpg", alter(image, size, random.Random(number))


def alter(image: Image.Image, size: int, rng: random.Random) -> bytes:
    sides = [rng.uniform(0.5, 1) * side for side in image.size]
    corner = [rng.uniform(0, side - part) for side, part in zip(image.size, sides)]
    box = (*corner, *(start + part for start, part in zip(corner, sides)))
    image = image.resize((size, size), box=box).rotate(90 * rng.randrange(4))
    image = ImageOps.mirror(image) if rng.random() < 0.5 else image
    image = ImageOps.invert(image) if rng.random() < 0.2 else image
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def apart(function: Callable[..., None], *arguments: object) -> None:
    """Call a function in another process, so that its memory does not count."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        process.submit(function, *arguments).result()


def write_images(archive: Path, options: argparse.Namespace, start: int, end: int) -> None:
    """Append images to the archive, a third of them in the folder `validation`."""
    images = altered(originals(options.size), options.size, start, end)
    with zipfile.ZipFile(archive, "a") as file:
        for number, (name, data) in enumerate(images):
            split = "train" if number % 3 else "validation"
            file.writestr(f"{split}/{name}", data)


def run(folder: Path, *command: str) -> tuple[float, float]:
    """Return the seconds of a Python command, and the peak memory in MB of any of its processes."""
    start = time.perf_counter()
    arguments, environment = [sys.executable, *command], dvc_environment()
    with subprocess.Popen(arguments, cwd=folder, env=environment, stdout=sys.stderr) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - start, usage.ru_maxrss / 1e3  # Linux reports kilobytes


def run_script(archive: Path, folder: Path) -> Cells:
    """Return the cells of examples/embeddings.py, trained on the images in an archive."""
    apart(write_lite0, network := folder / "lite0.onnx")
    with zipfile.ZipFile(archive) as file:
        file.extractall(photos := folder / "photos")
    return {"in all": [*run(PROJECT, "examples/embeddings.py", str(photos), str(network)), 0]}


def run_stages(workspace: Path) -> Cells:
    """Run all stages and return the cells of each, their total, and those of a run without work."""
    before, cells = stored(workspace), {}
    for stage in read_yaml(PROJECT / "dvc.yaml")["stages"]:
        seconds, memory = run(workspace, "-m", "dvc", "repro", "--single-item", stage)
        outs = read_yaml(workspace / paths.LOCK)["stages"][stage].get("outs", [])
        cells[stage] = [seconds, memory, sum(out["size"] for out in outs) / 1e6]
    seconds, memory, outs = zip(*cells.values())
    cells["in all"] = [sum(seconds), max(memory), sum(outs)]
    cells["bytes to a remote"] = [0, 0, stored(workspace) - before]
    idle = min(run(workspace, "-m", "dvc", "repro") for _ in range(3))
    return cells | {"nothing to do": [*idle, 0]}


def stored(workspace: Path) -> float:
    """Return the size of DVC's cache in megabytes."""
    files = (workspace / ".dvc" / "cache").rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def measure(folder: Path, images: int, options: argparse.Namespace) -> dict[str, Cells]:
    """Return the cells, by title, for this number of images and after each change."""
    archive, workspace, size = folder / "images.zip", folder / "workspace", options.size
    apart(write_images, archive, options, 0, images)
    cells = {f"{images:,}, script": run_script(archive, folder)} if options.script else {}
    workspace.mkdir()
    values = recipe_values("efficientnet-lite0")
    values |= {"fetch.source": str(archive), "model.image_size": size}
    values |= {"hardware.kernels": options.kernels}
    prepare(workspace, set_values(params_for(size, seed=1), values))
    cells[f"{images:,}"] = run_stages(workspace)
    correct_label(workspace, folder)
    cells[f"{images:,}, a label"] = {"in all": [*run(workspace, "-m", "dvc", "repro"), 0]}
    if options.added:
        apart(write_images, archive, options, images, images + options.added)
        cells[f"{images:,} + {options.added}"] = run_stages(workspace)
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = [3_000, 30_000, 100_000]
    parser.add_argument("--images", type=int, nargs="+", default=default)
    parser.add_argument("--added", type=int, default=50, help="images after the first run")
    parser.add_argument("--size", type=int, default=224, help="of the images, in pixels")
    parser.add_argument("--kernels", default="portable", help="value of hardware.kernels")
    parser.add_argument("--script", action="store_true", help="also run examples/embeddings.py")
    options = parser.parse_args()
    columns = {}
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            columns |= measure(Path(folder), images, options)
    print("| stage | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in max(columns.values(), key=len):
        cells = (column.get(row) for column in columns.values())
        texts = (
            "{:,.1f} s, {:,.0f} MB, {:,.0f} MB".format(*cell) if cell else "" for cell in cells
        )
        print(f"| {row} | " + " | ".join(texts) + " |")


if __name__ == "__main__":
    main()
