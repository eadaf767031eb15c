"""Assign images to training, validation or test by a hash of their content."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd

from pawprint.columns import SPLITS
from pawprint.dataset.near_duplicates import near_duplicates, nearest
from pawprint.errors import InputError, name_some, printable
from pawprint.params.data import Split

# Near-duplicates are joined to groups of at most this fraction, or this number if it is larger.
MAX_GROUP_FRACTION, MAX_GROUP = 0.01, 20
# Images of a class: with all predictions correct, the 95% interval of its recall begins at 0.70.
FEW = 9
BLOCK = 2**16  # pairs joined at a time


def split(
    images: pd.DataFrame, params: Split, kept_splits: dict[str, str], dates: pd.Series | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return the split of each image, the near-duplicates, and how many pairs of them are divided.

    `images` is a table IMAGES; the tables returned are SPLIT, sorted by path, and NEAR_DUPLICATES,
    sorted by group and path.

    Images of one group are in one split. `group`, a regular expression with one capturing group
    that is searched for in the path, names the group of an image; without it the column `group`
    does, unless it is "". Near-duplicates are joined to groups of at most 1 % of the images, or 20.

    Each class has as nearly `test_fraction` and `validation_fraction` of its images in test and
    validation as its groups allow, and at least one in each split, unless it has too few: then it
    is in training and, from two groups on, in validation. Groups are taken in the order
    of a hash of their content and the seed. So few images change their split if others are added
    or removed, and none if images are renamed, unless their names give the groups.

    With `dates`, in seconds by path, the images of the last dates are test, and those of the dates
    before are validation, as if the archive had these splits. A group has the last of its dates.

    With `use_archive_split`, the archive's own splits stay as they are. If it has validation and no
    test, its validation images are divided in the ratio of the two fractions. A class without
    validation or test images in the archive gets them from its training images, as do all classes
    if the archive has no such split. An archive with train alone is divided as one without splits.

    `kept_splits`, of splits.csv, gives splits by `pixels_sha256`, before all of these. The other
    images of a group are where the first of its images there is, also those that have another split
    there, except for splits of the archive that stay. Near-duplicates of groups that have different
    splits there do not join them. What is left goes where the fractions need it.

    Raises InputError if the archive has a split for only some images, or none for training, if
    no path has the named group, and if a class has no training image, or fewer than two classes
    have images in a split.
    """
    images = images.sort_values(["perceptual_hash", "pixels_sha256"], ignore_index=True)
    images["group"] = _group_names(images, params.group)
    if dates is not None:
        images["archive_split"] = _splits_by_date(
            images.assign(date=images["path"].map(dates)), params
        )
    archive = _archive_splits(images, params.use_archive_split or dates is not None)
    pairs = near_duplicates(images["perceptual_hash"], params.near_duplicate_distance)
    places = _after_draws(_before_draws(images, archive, pairs, params, kept_splits), params)
    _require_all(places)
    group = images["path"].groupby(places["unit"]).transform("min")
    images = images.assign(split=places["split"], group=group)
    closest = nearest(pairs)
    duplicates = images.loc[closest["image"]].assign(
        nearest=images["path"].loc[closest["nearest"]].array, distance=closest["distance"].array
    )
    splits = images["split"].to_numpy()
    divided = int((splits[pairs["first"]] != splits[pairs["second"]]).sum())
    return images.sort_values("path"), duplicates.sort_values(["group", "path"]), divided


def _before_draws(
    images: pd.DataFrame,
    archive: pd.Series,
    pairs: pd.DataFrame,
    params: Split,
    kept_splits: dict[str, str],
) -> pd.DataFrame:
    """What the draws need of each image, a row each, with these columns.

    `label`; `unit`, of `_units`; `archive`, of `_archive_splits`; `kept`, the split that splits.csv
    gives it, or ""; `split`, that or the archive's. A draw may change it where `kept` is "".
    """
    is_drawn = _is_drawn(images["label"], archive)
    index = dict(zip(images["pixels_sha256"], images.index))
    kept = {index[pixels]: name for pixels, name in kept_splits.items() if pixels in index}
    splits = pd.Series(kept, dtype=str)  # by the index of the image, in the order of splits.csv
    of_units = splits[is_drawn[splits.index]]
    unit = _units(images, pairs, of_units, params.seed)
    in_file = splits.reindex(images.index, fill_value="")
    in_file = in_file.mask(is_drawn, _first_in(unit, of_units)[unit])
    return images[["label"]].assign(
        unit=unit,
        archive=archive,
        kept=in_file,
        split=in_file.where(in_file != "", archive),
    )


def _after_draws(places: pd.DataFrame, params: Split) -> pd.DataFrame:
    """The table of `_before_draws` with the splits after the draws: test before validation."""
    labels, archive = places["label"], places["archive"]
    fractions = {"test": params.test_fraction, "validation": params.validation_fraction}
    if not (archive == "test").any():
        pool = (archive == "validation") & places["split"].isin(["validation", "test"])
        ratio = params.test_fraction / sum(fractions.values())
        places = _draw(places, pool, "validation", "test", ratio)
    for target, fraction in fractions.items():
        of_archive = labels[(places["split"] == target) & (archive != "train")]
        places = _draw(places, ~labels.isin(of_archive), "train", target, fraction)
    return places


def _draw(
    places: pd.DataFrame, pool: pd.Series, source: str, target: str, fraction: float
) -> pd.DataFrame:
    """Move units from a split to another, which gets a fraction of each class of a pool.

    `pool` is a mask of images. A class keeps units for other splits that have none of it.
    """
    if not pool.any():
        return places
    labels, splits = places["label"], places["split"]
    demand = labels[pool].value_counts() * fraction
    total = int(splits.isin([source, target]).sum())
    if demand.sum() >= total:
        raise InputError(
            f"split.{target}_fraction: expected a fraction that leaves images for {source}. "
            f"Received: {demand.sum():,.0f} of {total:,} for {target}. Decrease it."
        )
    demand -= labels[splits == target].value_counts().reindex(demand.index, fill_value=0)
    is_fixed = (places["kept"] != "") | (places["archive"] != source)
    absent = {name: set(labels) - set(labels[is_fixed & (splits == name)]) for name in SPLITS}
    others = {"validation", source} - {target}
    reserved = {label: sum(label in absent[name] for name in others) for label in demand.index}
    can_move = (splits == source) & (places["kept"] == "")
    units = _nearest(_sizes(places[can_move]), demand.to_dict(), reserved, absent[target])
    return places.assign(split=splits.mask(can_move & places["unit"].isin(units), target))


def _sizes(places: pd.DataFrame) -> dict[int, dict[str, int]]:
    """The numbers of images of each unit by class; units in their order."""
    sizes: dict[int, dict[str, int]] = {}
    for (unit, label), number in places.groupby(["unit", "label"]).size().items():
        sizes.setdefault(unit, {})[label] = number
    return sizes


def _nearest(
    units: dict[int, dict[str, int]],
    demand: dict[str, float],
    reserved: dict[str, int],
    absent: set[str],
) -> list[int]:
    """Units that bring each class as near to the number wanted as units in this order can.

    Each unit has numbers of images by class. It is taken if the classes come nearer to what is
    still wanted. A class of `absent` of which none is taken gives its smallest unit. `reserved`
    units of each class, by default one, are not taken. Of a class that is not in `demand` none is
    wanted.
    """
    remaining = Counter(label for sizes in units.values() for label in sizes)
    demand = Counter(demand)

    def is_free(sizes: dict[str, int]) -> bool:
        return all(remaining[label] > reserved.get(label, 1) for label in sizes)

    chosen = []
    for unit, sizes in units.items():
        change = sum(abs(demand[label] - n) - abs(demand[label]) for label, n in sizes.items())
        if change < 0 and is_free(sizes):
            chosen.append(unit)
            demand.subtract(sizes)
            remaining.subtract(sizes.keys())
    for label in sorted(remaining.keys() & absent):
        if any(label in units[unit] for unit in chosen):
            continue
        free = [unit for unit, sizes in units.items() if label in sizes and is_free(sizes)]
        if free:
            smallest = min(free, key=lambda unit: sum(units[unit].values()))
            chosen.append(smallest)
            remaining.subtract(units[smallest].keys())
    return chosen


def _splits_by_date(images: pd.DataFrame, params: Split) -> pd.Series:
    """The split of each image by the column `date`: all images of a date are in the same."""
    is_alone = images["group"] == ""
    dates = images.groupby("group")["date"].transform("max").mask(is_alone, images["date"])
    fractions = dates.value_counts().sort_index(ascending=False).cumsum() / len(
        dates
    )  # on or after it
    if len(fractions) < len(SPLITS):
        raise InputError(
            f"split.date: expected {len(SPLITS)} or more dates. Received: {len(fractions)} in the "
            f"column {params.date}."
        )
    # The first date is for training, and one before those of test for validation.
    test = (fractions[:-2] - params.test_fraction).abs().idxmin()
    earlier = fractions[(fractions.index < test) & (fractions.index > fractions.index[-1])]
    validation = (earlier - params.test_fraction - params.validation_fraction).abs().idxmin()
    split = pd.Series("train", images.index)
    return split.mask(dates >= validation, "validation").mask(dates >= test, "test")


def _archive_splits(images: pd.DataFrame, is_used: bool) -> pd.Series:
    """The archive's split of each image; "train" of all if it has no other, or if none is used."""
    splits = set(images["archive_split"]) if is_used else set()
    if "" in splits and len(splits) > 1:
        raise InputError(
            "split: expected a split in the archive for every image, or for none. Received: "
            f"{images['path'][images['archive_split'] == ''].min()}, which is in no folder train, "
            "validation or test, and others that are. Move it, or set split.use_archive_split to "
            "false."
        )
    if splits and not splits & {"", "train"}:
        raise InputError(
            "split: expected a folder train in the archive beside its other splits. Received: "
            f"only {' and '.join(sorted(splits))}. Add it, or set split.use_archive_split to false."
        )
    is_divided = not splits.isdisjoint({"validation", "test"})
    return images["archive_split"] if is_divided else pd.Series("train", images.index)


def _is_drawn(labels: pd.Series, archive: pd.Series) -> pd.Series:
    """Whether a draw decides on an image: else it stays in its split of the archive.

    It does on validation images of an archive without test, and on training images of a class that
    the archive has not in validation, or not in its test split.
    """
    has_test = (archive == "test").any()
    is_complete = labels.isin(labels[archive == "validation"])
    if has_test:
        return (archive == "train") & ~(is_complete & labels.isin(labels[archive == "test"]))
    return (archive == "validation") | ((archive == "train") & ~is_complete)


def _units(images: pd.DataFrame, pairs: pd.DataFrame, splits: pd.Series, seed: int) -> np.ndarray:
    """int64 `(images,)`: the unit, which moves as a whole, of each image.

    That is its group, or itself, with near-duplicates. The numbers, from 0, are the order in which
    units are drawn.
    """
    names = images["group"]
    unit = names.where(names != "", images["pixels_sha256"]).factorize()[0]
    unit = _join(unit, pairs, _first_in(unit, splits))
    content = names.where(names != "", images["perceptual_hash"]).groupby(unit).first()
    order = np.argsort([_uniform(seed, text) for text in content], kind="stable")
    return np.argsort(order)[unit]


def _group_names(images: pd.DataFrame, pattern: str | None) -> pd.Series:
    """What the group of the pattern matches in each path, or the column `group`; "" for none."""
    if pattern is None:
        return images["group"]
    paths = images["path"]
    names = paths.str.extract(pattern, expand=False).fillna("")
    if (names == "").all():
        raise InputError(
            f"split.group: expected an expression that is found in paths such as {paths.min()}. "
            f"Received: {pattern}, found in none of {len(paths):,}."
        )
    return names


def _first_in(unit: np.ndarray, splits: pd.Series) -> np.ndarray:
    """Text `(units,)`: for each unit the first split in `splits`, which is by image, or ""."""
    first = splits.groupby(unit[splits.index]).first()
    return first.reindex(range(unit.max(initial=-1) + 1), fill_value="").to_numpy()


def _join(unit: np.ndarray, pairs: pd.DataFrame, split_of_unit: np.ndarray) -> np.ndarray:
    """Join the units of near-duplicates, nearest pairs first, but none above the largest size.

    `unit` is int64 `(images,)` of numbers from 0; so is the result. `split_of_unit` has
    "" for a unit without a split; units of two splits are not joined.
    """
    parent, size = np.arange(len(unit)).tolist(), np.bincount(unit).tolist()
    largest = max(MAX_GROUP, MAX_GROUP_FRACTION * len(unit))
    splits = split_of_unit.tolist()
    ends = unit[pairs.sort_values(["distance", "first", "second"])[["first", "second"]]]
    for start in range(0, len(ends), BLOCK):  # all at once as lists would take gigabytes
        for first, second in ends[start : start + BLOCK].tolist():
            root, other_root = _root(parent, first), _root(parent, second)
            if root == other_root or size[root] + size[other_root] > largest:
                continue
            if len({splits[root], splits[other_root]} - {""}) < 2:
                parent[other_root] = root
                size[root] += size[other_root]
                splits[root] = splits[root] or splits[other_root]
    return pd.factorize(np.array([_root(parent, key) for key in unit.tolist()], int))[0]


def _root(parent: list[int], key: int) -> int:
    """The unit that stands for all that are joined with this one; shortens the way to it."""
    while parent[key] != key:
        parent[key] = key = parent[parent[key]]
    return key


def _require_all(places: pd.DataFrame) -> None:
    """Raise InputError for a class without training images, or a split of fewer than two."""
    for name in SPLITS:
        present = set(places["label"][places["split"] == name])
        missing = sorted(set(places["label"]) - present)
        if missing and (name == "train" or len(present) < 2):
            rows = places[places["label"] == missing[0]]
            raise InputError(
                f"split: expected images of class {missing[0]} for {name}. Received: none of "
                f"{len(rows):,}, in groups: {rows['unit'].nunique():,}. Training needs images of "
                "every class, validation and test of two or more. Add images, or see split.group, "
                "split.near_duplicate_distance, split.use_archive_split and splits.csv."
            )


def read_dates(images: pd.DataFrame, metadata: pd.DataFrame, column: str) -> pd.Series:
    """The times in a column of a table METADATA, in seconds, by path of each of the images.

    Raises InputError if there is no such column, or for an image without a date there.
    """
    cells = metadata[metadata["column"] == column.lower()].set_index("path")["value"]
    if cells.empty:
        names = ", ".join(metadata["column"].unique()) or "none"
        raise InputError(
            "split.date: expected a column of metadata.csv beside label, split and group. "
            f"Received: {column}; there are: {printable(names)}."
        )
    cells = cells.reindex(images["path"])
    dates = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce")
    if dates.isna().any():
        path = dates.index[dates.isna()][0]
        raise InputError(
            f"split.date: expected a date such as 2026-03-17 in the column {column} of "
            f"metadata.csv for every image. Received: {printable(repr(cells.fillna('')[path]))} "
            f"for {printable(path)}. Correct it."
        )
    return dates.dt.as_unit("s").astype("int64")


def describe_dates(rows: pd.DataFrame, dates: pd.Series, column: str) -> str:
    """Such as "taken: train 2025-01-03 to 2025-10-30, validation …", of rows of `split`."""
    days = pd.to_datetime(rows["path"].map(dates), unit="s").dt.date
    ends = days.groupby(rows["split"]).agg(["min", "max"])
    ranges = (f"{name} {' to '.join(map(str, ends.loc[name]))}" for name in SPLITS)
    return f"{column}: {', '.join(ranges)}"


def describe_completed(images: pd.DataFrame) -> list[str]:
    """A line for each of validation and test without images of some classes in the archive.

    `images` has the columns `label`, `archive_split`, "" if that is not used, and `split`.
    """
    lines, classes = [], images["label"].nunique()
    for name in ("validation", "test"):
        in_archive, in_split = (
            set(images["label"][images[column] == name]) for column in ("archive_split", "split")
        )
        few = classes - len(in_split)
        if in_archive and len(in_archive) < classes:
            lines.append(
                f"{classes - len(in_archive)} of {classes} classes have no {name} images in the "
                f"archive; {len(in_split - in_archive)} get them from their training images, {few} "
                "have too few"
            )
        elif few:
            lines.append(f"{few} of {classes} classes have too few images for {name}")
    return lines


def describe_few(images: pd.DataFrame) -> str:
    """Such as "few test images, 1 of bee, 4 of cow: …", or "" if all classes have more than FEW.

    `images` has the columns `label` and `split`.
    """
    is_test = images["split"] == "test"
    of_class = is_test.groupby(images["label"]).sum()
    few = [f"{number} of {label}" for label, number in of_class.items() if number <= FEW]
    return f"few test images, {name_some(few)}: their recall says little" if few else ""


def _uniform(seed: int, content: str) -> float:
    """A number in [0, 1) that is the same on every platform and Python version."""
    digest = hashlib.sha256(f"{seed}:{content}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def divided_groups(images: pd.DataFrame) -> int:
    """How many groups have images in several splits, of a table with columns `group`, `split`."""
    return int((images.groupby("group")["split"].nunique() > 1).sum())
