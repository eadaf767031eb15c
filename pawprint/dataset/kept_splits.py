"""splits.csv: writing the splits of a run into it, and how a split follows it."""

from pathlib import Path

import pandas as pd

from pawprint.dataset.user_tables import EMPTY_TABLES, SPLIT_COLUMNS
from pawprint.errors import name_some
from pawprint.files import write_text
from pawprint.project import SPLITS_CSV
from pawprint.written_tables import parse_csv

MAX_DEVIATION = 0.02  # of a fraction, without a line


def keep_splits(path: Path, images: pd.DataFrame, to_train: bool = False) -> pd.DataFrame:
    """Write the splits of a table SPLIT into splits.csv, and return the rows that are new there.

    With `to_train`, new images that are in no group with old ones are training images. Rows of
    other images, and further columns, stay as they are. Raises InputError for a file that is not
    such a table.
    """
    content = path.read_bytes() if path.exists() else EMPTY_TABLES[SPLITS_CSV].encode()
    written = parse_csv(content, str(path), SPLIT_COLUMNS)
    table = pd.DataFrame([cells for _, cells in written.rows], columns=written.names, dtype=str)
    split_of = images.set_index("pixels_sha256")["split"]
    table["split"] = table["pixels_sha256"].map(split_of).fillna(table["split"])
    is_new = ~images["pixels_sha256"].isin(table["pixels_sha256"])
    new = images[is_new]
    if to_train:
        is_with_old = new["group"].isin(images["group"][~is_new])
        new = new.assign(split=new["split"].where(is_with_old, "train"))
    rows = pd.concat([table, new[list(SPLIT_COLUMNS)]]).fillna("")
    write_text(path, rows.rename(columns=str.strip).to_csv(index=False, lineterminator="\n"))
    return new


def describe_kept_splits(
    images: pd.DataFrame, kept_splits: dict[str, str], fractions: dict[str, float]
) -> list[str]:
    """Lines on what splits.csv, `kept_splits`, has to do with a split of the images, a table SPLIT.

    Images without a row; rows that name no image; rows that the split does not follow, because
    groups stay together; and fractions of a class that differ by more than MAX_DEVIATION, and by
    more than an image, from those given, by split.
    """
    if not kept_splits:
        return []
    lines = []
    if new := int((~images["pixels_sha256"].isin(kept_splits)).sum()):
        lines.append(
            f"{new:,} images are not in the file, so later changes can move them. Run `pawprint "
            "keep-splits` to keep them where they are"
        )
    if rows := len(kept_splits.keys() - set(images["pixels_sha256"])):
        lines.append(f"{rows:,} of {len(kept_splits):,} rows are of no usable image")
    expected = images["pixels_sha256"].map(kept_splits)
    moved = images[expected.notna() & (expected != images["split"])]
    if groups := sorted(set(moved["group"])):
        lines.append(
            f"divides {len(groups):,} groups, those of {name_some(groups)}. Each is "
            f"where the first of its images in the file is, so {len(moved):,} images are not where "
            "their row says"
        )
    actual = pd.crosstab(images["label"], images["split"], normalize="index")
    gap = (actual[list(fractions)] - pd.Series(fractions)).stack().abs()
    number = images["label"].value_counts()
    is_off = (gap > MAX_DEVIATION) & (gap * number.reindex(gap.index.get_level_values(0)).array > 1)
    if is_off.any():
        examples = name_some(
            f"{actual.loc[label, split]:.1%} of {number[label]:,} images of {label} for {split}"
            for label, split in gap[is_off].sort_values(ascending=False, kind="stable").index
        )
        lines.append(f"images that stay leave other fractions: {examples}")
    return lines
