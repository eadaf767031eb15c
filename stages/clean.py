"""Decode every image once and write down which can be used, and why the others cannot.

Applies the corrections of labels.csv, and keeps one of several images with the same pixels.
Reads data/raw/archives/ and labels.csv. Params: `clean`. Writes data/clean/images.csv,
data/clean/rejected.csv and metrics/clean.json. Run: `python -m stages.clean`
"""

from pawprint.core import paths
from pawprint.core.files import write_csv, write_json
from pawprint.core.params import load_params
from pawprint.dataset.cleaning import clean, count, describe

IMAGE_COLUMNS = [
    "path", "label", "archive_split", "width", "height", "pixels_sha256", "perceptual_hash",
]  # fmt: skip
REJECTED_COLUMNS = ["path", "reason", "detail"]


def main() -> None:
    params = load_params()
    kept, rejected = clean(params.clean, paths.RAW_IMAGES, paths.LABELS)
    counts = count(kept, rejected, list(params.clean.labels))
    write_csv(paths.CLEAN_IMAGES, IMAGE_COLUMNS, kept)
    write_csv(paths.CLEAN_REJECTED, REJECTED_COLUMNS, rejected)
    write_json(paths.CLEAN_METRICS, counts)
    why = f"; {paths.CLEAN_REJECTED} says why" if rejected else ""
    print(f"clean: {describe(kept, rejected)}{why}")


if __name__ == "__main__":
    main()
