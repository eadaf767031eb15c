"""Fetch the images as a zip, which nothing unpacks; or list the files of a folder that DVC tracks.

Reads `fetch.source`: a folder with one subfolder per class, a zip or a tar of such a folder, or a
YAML file with the URL of one. Params: `fetch`. Writes data/raw/archives/: images.zip, or
files.json with the files of a folder that DVC tracks and their MD5. Later stages read them there.
Run: `python -m stages.fetch`
"""

from pathlib import Path

from pawprint import project
from pawprint.dataset.sources import fetch
from pawprint.params.data import Fetch
from pawprint.pipeline.entry import run_stage
from pawprint.pipeline.recorded import tracked_files


def main() -> None:
    source = Path(Fetch.load().source)
    tracked = tracked_files(source) if source.is_dir() else None
    print(f"fetch: {fetch(source, project.RAW_ARCHIVES, tracked)} from {source}")


if __name__ == "__main__":
    run_stage(main)
