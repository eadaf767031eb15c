"""What the pipeline takes as the images grow: `python -m bench.growth [--images 1000 3000]`.

Repeats the images of the archive, turned, mirrored and inverted so that no two look alike,
at 224 px with the committed network and views, and one epoch of each phase. Prints, for each number
of images, seconds of each stage, of a `dvc repro` that has nothing to do and of `dvc version`, the
bytes of the stored features, and the largest resident memory of any process. Run after `dvc repro`.
"""

import argparse
import io
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageOps

from bench.compare import params_for, run_pipeline
from pawprint.core import paths
from pawprint.core.files import pack
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.decoder import decode
from recipes.overlay import overlay
from recipes.sample.demo import dvc_environment, prepare


def repeated_images(number: int) -> Iterator[tuple[str, bytes]]:
    """The archive's images again and again, each time altered in another way."""
    with open_archive(paths.RAW_ARCHIVES) as archive:
        names = [name for name in members(archive) if name.endswith(".jpg")]
        random.Random(1).shuffle(names)  # the first thousand are of all folders
        for index in range(number):
            turn, name = divmod(index, len(names))
            data = read_member(archive, names[name])
            yield f"{turn}/{names[name]}", alter(data, turn) if turn else data


def alter(data: bytes, turn: int) -> bytes:
    """The JPEG in one of 15 other ways: turned by quarters, mirrored, its colours inverted."""
    image = decode(data)
    inverted, mirrored, quarters = turn // 8, turn // 4 % 2, turn % 4
    if inverted:
        image = ImageOps.invert(image)
    if mirrored:
        image = ImageOps.mirror(image)
    buffer = io.BytesIO()
    image.rotate(90 * quarters, expand=True).save(buffer, "JPEG")
    return buffer.getvalue()


def seconds_of(workspace: Path, *arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=workspace,
        env=dvc_environment(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


def measure(number: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        archive, workspace = Path(folder, "images.zip"), Path(folder, "workspace")
        workspace.mkdir()
        pack(archive, repeated_images(number))
        params = overlay(
            params_for(epochs=1, seed=1), f"fetch: {{source: {archive}, watch: {archive}}}"
        )
        prepare(workspace, params)
        seconds = run_pipeline(workspace)["seconds"]
        files = (workspace / paths.FEATURES).iterdir()
        return seconds | {
            "no-op": min(seconds_of(workspace, "repro") for _ in range(3)),
            "dvc version": min(seconds_of(workspace, "version") for _ in range(3)),
            "features, MB": sum(file.stat().st_size for file in files) / 1e6,
            # Of all runs so far, in kilobytes; the numbers of images should rise.
            "memory, MB": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 3000, 10000, 25000])
    columns = {number: measure(number) for number in parser.parse_args().images}
    print("| images | " + " | ".join(f"{number:,}" for number in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for row in next(iter(columns.values())):
        print(
            f"| {row} | " + " | ".join(f"{column[row]:,.1f}" for column in columns.values()) + " |"
        )


if __name__ == "__main__":
    main()
