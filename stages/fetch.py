"""Fetch the images as zip archives; nothing is unpacked.

Reads `fetch.source`: a folder with one subfolder per class, a zip or a tar of such a folder, or a
YAML file with the URL of one. Params: `fetch`. Writes data/raw/archives/: images.zip, or
images-001.zip and so on for a large folder. Run: `python -m stages.fetch`
"""

from functools import partial
from pathlib import Path

from pawprint import project
from pawprint.dataset.sources import fetch
from pawprint.params.data import Fetch
from pawprint.pipeline.entry import run_stage, stamps, watch


def main() -> None:
    source = Path(Fetch.load().source)
    watch(str(source), partial(stamps, source))
    fetch(source, project.RAW_ARCHIVES)
    size = sum(path.stat().st_size for path in project.RAW_ARCHIVES.glob("*.zip"))
    print(f"fetch: {size:,} bytes from {source}")


if __name__ == "__main__":
    run_stage(main)
