"""What the pipeline takes as the images grow: `python -m bench.growth [--images 1000 3000]`.

Repeats the images of the archive, shrunk, turned, mirrored and inverted so that no two look alike,
at 96 px with the committed network and views, and one epoch of each phase. Prints, for each number
of images, seconds and the largest resident memory of each stage, DVC's part included; seconds of a
`dvc repro` that has nothing to do and of `dvc version`; and the bytes of the stored features. Run
after `dvc repro`.
"""

import argparse
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageOps

from bench.compare import params_for, with_epochs
from pawprint import project
from pawprint.files import pack, read_yaml
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.decoder import decode
from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.demo import PROJECT, dvc_environment, prepare

SIZE = 96
# (left, upper, right, lower) of the part of an image that is kept, as fractions.
PARTS = ((0, 0, 1, 1), (0, 0, 2 / 3, 2 / 3), (1 / 3, 1 / 3, 1, 1))


def repeated_images(number: int) -> Iterator[tuple[str, bytes]]:
    """The archive's images again and again, each time altered in another way."""
    with open_archive(project.RAW_ARCHIVES) as archive:
        names = [name for name in members(archive) if name.endswith(".jpg")]
        random.Random(1).shuffle(names)  # the first thousand are of all folders
        for index in range(number):
            turn, name = divmod(index, len(names))
            yield f"{turn}/{names[name]}", alter(read_member(archive, names[name]), turn)


def alter(data: bytes, turn: int) -> bytes:
    """The image in one of 48 ways: a part of it, mirrored, turned by quarters, colors inverted."""
    image = decode(data)
    box = [round(edge * side) for edge, side in zip(PARTS[turn // 16], image.size * 2)]
    image = image.resize((SIZE, SIZE), box=box)
    if turn // 8 % 2:
        image = ImageOps.invert(image)
    if turn // 4 % 2:
        image = ImageOps.mirror(image)
    buffer = io.BytesIO()
    image.rotate(90 * (turn % 4)).save(buffer, "JPEG")
    return buffer.getvalue()


def run(workspace: Path, *arguments: str) -> tuple[float, float]:
    """Seconds of a DVC command, and the largest resident memory of any of its processes in MB."""
    start = time.perf_counter()
    command, environment = [sys.executable, "-m", "dvc", *arguments], dvc_environment()
    with subprocess.Popen(
        command, cwd=workspace, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    return time.perf_counter() - start, usage.ru_maxrss / 1e3  # Linux counts in kilobytes


def measure(number: int) -> dict[str, str]:
    """The cells of one column."""
    with tempfile.TemporaryDirectory() as folder:
        archive, workspace = Path(folder, "images.zip"), Path(folder, "workspace")
        workspace.mkdir()
        pack(archive, repeated_images(number))
        source = f"fetch: {{source: {archive}}}"
        prepare(workspace, with_epochs(overlay(params_for(SIZE, seed=1), source), 1))
        cells, total = {}, 0.0
        for stage in read_yaml(PROJECT / "dvc.yaml")["stages"]:
            seconds, memory = run(workspace, "repro", "--single-item", stage)
            cells[stage] = f"{seconds:.1f} s, {memory:,.0f} MB"
            total += seconds
        cells["all stages"] = f"{total:.1f} s"
        for name, command in (
            ("`dvc repro`, nothing to do", "repro"),
            ("`dvc version`", "version"),
        ):
            cells[name] = f"{min(run(workspace, command)[0] for _ in range(3)):.1f} s"
        stored = sum(file.stat().st_size for file in (workspace / project.FEATURES).iterdir())
        return cells | {"stored features": f"{stored / 1e6:,.0f} MB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = [1000, 3000, 10000, 30000, 100000]
    parser.add_argument("--images", type=int, nargs="+", default=default)
    columns = {number: measure(number) for number in parser.parse_args().images}
    print("| images | " + " | ".join(f"{number:,}" for number in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in next(iter(columns.values())):
        print(f"| {row} | " + " | ".join(column[row] for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
