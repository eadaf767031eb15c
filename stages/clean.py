"""Decode every image once, before a damaged one can spoil training.

Lists the images with the labels of their source, and the files that cannot be used with a reason.
Files with the bytes of an image of the last recorded result are not decoded again. `split` applies
labels.csv and removes copies, so that a corrected label does not run this stage. Reads
data/raw/archives/. Params: `clean`. Writes data/clean/images.csv, data/clean/metadata.csv and
data/clean/rejected.csv. Run: `python -m stages.clean`
"""

from collections.abc import Iterator

import pandas as pd

from pawprint.base import paths
from pawprint.base.columns import IMAGES, METADATA, REJECTED
from pawprint.base.errors import name_some
from pawprint.base.files import read_text
from pawprint.base.labels import SEPARATOR
from pawprint.base.tables import write_table
from pawprint.data import cleaning
from pawprint.data.rejected import describe_files, describe_pointers
from pawprint.data.unusual import describe_dark
from pawprint.given.archive import describe_encoding, members, open_archive
from pawprint.given.folders import describe_class_counts, describe_names, find_layout
from pawprint.given.metadata_csv import further_columns, read_metadata_csv
from pawprint.pipeline.entry import report, run_stage
from pawprint.pipeline.params.data import Clean
from pawprint.pipeline.recorded import Recorded


def main() -> None:
    """List the images and the rejected files, and print a summary."""
    params = Clean.load()
    known = Recorded().table("clean", paths.IMAGES_CSV, IMAGES)
    known = cleaning.NO_IMAGES if known is None else known
    with open_archive(paths.RAW_ARCHIVES, params.bits) as archive:
        names = members(archive)
        rows = read_metadata_csv(archive, names)
        layout = find_layout(names, rows, params.labels, archive.filename, params.kind)
        report("clean", [describe_encoding(archive)])
        counts = describe_class_counts(layout.count_labels(), params.kind)
        print(f"clean: {counts}", flush=True)
        several = [name for name in layout.classes if SEPARATOR in name]
        if several and params.kind.exclusive:
            todo = "if these are several labels, set clean.several_labels: true"
            report("clean", [f"classes with {SEPARATOR}: {name_some(several)}; {todo}"])
        code = read_text(paths.DECODED_ROW_CODE)
        images, rejected = cleaning.clean(archive, layout, params.rule, known, code)
    write_table(paths.IMAGES_CSV, images, IMAGES)
    write_table(paths.METADATA_CSV, further_columns(rows, images["path"]), METADATA)
    write_table(paths.CLEAN_REJECTED_CSV, rejected, REJECTED)
    report("clean", describe(images, rejected, known))
    bits = cleaning.describe_bits(images, params.bits)
    report("clean", [bits or describe_dark(images), cleaning.describe_pages(images)])
    report("clean", describe_names(layout.places))


def describe(images: pd.DataFrame, rejected: pd.DataFrame, known: pd.DataFrame) -> Iterator[str]:
    """Yield lines about the files; `known` contains the images of the last recorded result."""
    if len(rejected):
        yield f"{describe_files(images, rejected)}; see {paths.CLEAN_REJECTED_CSV}"
    if reused := images["key"].isin(known["key"]).sum():
        yield f"{reused:,} images were not decoded again, because their files have not changed"
    yield describe_pointers(rejected)


if __name__ == "__main__":
    run_stage(main)
