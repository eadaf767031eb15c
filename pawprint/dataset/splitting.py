"""Assign images to training, validation or test by a hash of their content."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd

from pawprint.columns import SPLITS
from pawprint.dataset.near_duplicates import near_duplicates, nearest
from pawprint.errors import InputError

# Near-duplicates are joined to groups of at most this fraction, or this number if it is larger.
MAX_GROUP_FRACTION, MAX_GROUP = 0.01, 20
# Images of a class: with all predictions correct, the 95% interval of its recall begins at 0.70.
FEW = 9
MAX_NAMED = 5  # classes in a line
BLOCK = 2**16  # pairs joined at a time


def split(
    images: pd.DataFrame,
    kept: dict[str, str] | None = None,
    *,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
    group: str | None = None,
    near_duplicate_distance: int,
    use_archive_split: bool,
    move_near_duplicates: bool = False,
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

    With `use_archive_split`, the archive's own splits stay as they are. If it has validation and no
    test, its validation images are divided in the ratio of the two fractions. A class without
    validation or test images in the archive gets them from its training images, as do all classes
    if the archive has no such split. An archive with train alone is divided as one without splits.
    With `move_near_duplicates`, the archive's validation images in a group with training images
    become training images; the column `moved` names them.

    `kept`, of splits.csv, gives splits by `pixels_sha256`, before all of these. The other images of
    a group are where the first of its images in `kept` is, also those that `kept` has elsewhere,
    except for splits of the archive that stay. Near-duplicates of groups that `kept` has in
    different splits do not join them. What is left goes where the fractions need it.

    Raises InputError if the archive has a split for only some images, or none for training, if
    no path has the named group, and if a class has no training image, or fewer than two classes
    have images in a split.
    """
    images = images.sort_values(["perceptual_hash", "pixels_sha256"], ignore_index=True)
    given = images["archive_split"] if use_archive_split else pd.Series("", images.index)
    _require_whole(given, images["path"])
    keeps_validation, keeps_test = (given == "validation").any(), (given == "test").any()
    name = images["group"] if group is None else _names(group, images["path"])
    content = name.where(name != "", images["perceptual_hash"])
    pairs = near_duplicates(images["perceptual_hash"], near_duplicate_distance)
    if not (keeps_validation or keeps_test):
        given = pd.Series("train", images.index)
    is_drawn = given == ("validation" if keeps_validation else "train")  # others are as given
    is_drawn &= not (keeps_validation and keeps_test)
    # So are training images of a class of which the archive has none in another split.
    for other in {"validation", "test" if keeps_test else "validation"}:
        is_drawn |= (given == "train") & ~images["label"].isin(images["label"][given == other])
    own = _of_images(kept or {}, images["pixels_sha256"])
    of_groups = own[is_drawn[own.index]]
    unit = name.where(name != "", images["pixels_sha256"]).factorize()[0]
    unit = _join(unit, pairs, _first_in(unit, of_groups))
    placed = own.reindex(images.index, fill_value="")
    placed = placed.mask(is_drawn, _first_in(unit, of_groups)[unit])

    in_train = (given == "train").groupby(unit).transform("any")
    images["moved"] = move_near_duplicates & in_train & (given == "validation")
    images["moved"] &= placed.isin(["", "train"])
    images["split"] = placed.where(placed != "", given.mask(images["moved"], "train"))
    draw = content.groupby(unit).first().map(lambda text: _uniform(seed, text))
    order = draw.sort_values(kind="stable").index
    is_free = (placed == "") & ~images["moved"].groupby(unit).transform("any")

    def take(source: str, target: str, fraction: float, of: pd.DataFrame, *others: str) -> None:
        """Move units of the classes of `of`; each class keeps units for the other splits."""
        here, there = (images["split"] == source) & is_free, images["split"] == target
        stays = (placed != "") | (given != source)
        has = set(zip(images["label"][stays], images["split"][stays]))
        sizes: dict[int, dict[str, int]] = {}
        table = images[here].groupby([unit[here], "label"]).size()
        for (key, label), number in table.items():
            sizes.setdefault(key, {})[label] = number
        wanted = of["label"].value_counts() * fraction
        both = int((images["split"].isin([source, target])).sum())
        if wanted.sum() >= both:
            raise InputError(
                f"split.{target}_fraction: expected a fraction that leaves images for {source}. "
                f"Received: {wanted.sum():,.0f} of {both:,} for {target}. Decrease it."
            )
        left = {label: sum((label, name) not in has for name in others) for label in wanted.index}
        lacking = {label for label in wanted.index if (label, target) not in has}
        wanted = wanted.sub(images["label"][there].value_counts(), fill_value=0).to_dict()
        units = {key: sizes[key] for key in order if key in sizes}
        images.loc[here & np.isin(unit, _nearest(units, wanted, left, lacking)), "split"] = target

    if keeps_validation and not keeps_test:
        of = images[(given == "validation") & images["split"].isin(["validation", "test"])]
        ratio = test_fraction / (validation_fraction + test_fraction)
        take("validation", "test", ratio, of, "validation")
    for target, fraction, others in (
        ("test", test_fraction, ("validation", "train")),
        ("validation", validation_fraction, ("train",)),
    ):
        of_archive = images["label"][(images["split"] == target) & (given != "train")]
        has_none = ~images["label"].isin(of_archive)
        if has_none.any():
            take("train", target, fraction, images[has_none], *others)
    _require_all(images, unit)

    images["group"] = images["path"].groupby(unit).transform("min")
    closest = nearest(pairs)
    listed = images.loc[closest["image"]].assign(
        nearest=images["path"].loc[closest["nearest"]].array, distance=closest["distance"].array
    )
    splits = images["split"].to_numpy()
    divided = int((splits[pairs["first"]] != splits[pairs["second"]]).sum())
    return images.sort_values("path"), listed.sort_values(["group", "path"]), divided


def _names(pattern: str, paths: pd.Series) -> pd.Series:
    """What the group of the pattern matches in each path, or ""."""
    names = paths.str.extract(pattern, expand=False).fillna("")
    if (names == "").all():
        raise InputError(
            f"split.group: expected an expression that is found in paths such as {paths.min()}. "
            f"Received: {pattern}, found in none of {len(paths):,}."
        )
    return names


def _of_images(kept: dict[str, str], pixels_sha256: pd.Series) -> pd.Series:
    """The splits in `kept`, in its order, by the index of the image."""
    image_of = dict(zip(pixels_sha256, pixels_sha256.index))
    known = [pixels for pixels in kept if pixels in image_of]
    return pd.Series({image_of[pixels]: kept[pixels] for pixels in known}, dtype=str)


def _first_in(unit: np.ndarray, own: pd.Series) -> np.ndarray:
    """Text `(units,)`: for each unit the first split in `own`, which is by image, or ""."""
    first = own.groupby(unit[own.index]).first()
    return first.reindex(range(unit.max(initial=-1) + 1), fill_value="").to_numpy()


def _join(unit: np.ndarray, pairs: pd.DataFrame, placed: np.ndarray) -> np.ndarray:
    """Join the units of near-duplicates, nearest pairs first, but none above the largest size.

    `unit` is int64 `(images,)` of numbers from 0; so is the result. `placed` has the split of a
    unit, or "": units of two splits are not joined.
    """
    parent, size = np.arange(len(unit)).tolist(), np.bincount(unit).tolist()
    largest = max(MAX_GROUP, MAX_GROUP_FRACTION * len(unit))
    splits = placed.tolist()

    def root(key: int) -> int:
        while parent[key] != key:
            parent[key] = key = parent[parent[key]]
        return key

    joined = unit[pairs.sort_values(["distance", "first", "second"])[["first", "second"]]]
    for start in range(0, len(joined), BLOCK):  # all at once as lists would take gigabytes
        for first, second in joined[start : start + BLOCK].tolist():
            one, other = root(first), root(second)
            if one == other or size[one] + size[other] > largest:
                continue
            if len({splits[one], splits[other]} - {""}) < 2:
                parent[other] = one
                size[one] += size[other]
                splits[one] = splits[one] or splits[other]
    return pd.factorize(np.array([root(key) for key in unit.tolist()], int))[0]


def _nearest(
    units: dict[int, dict[str, int]],
    wanted: dict[str, float],
    left: dict[str, int],
    lacking: set[str],
) -> list[int]:
    """Units that bring each class as near to the number wanted as units in this order can.

    Each unit has numbers of images by class. It is taken if the classes come nearer to what is
    still wanted. A class of `lacking` of which none is taken gives its smallest unit. `left` units
    of each class, by default one, are not taken. Of a class that is not in `wanted` none is wanted.
    """
    remaining = Counter(label for sizes in units.values() for label in sizes)
    wanted = Counter(wanted)
    taken = []

    def take(key: int) -> None:
        taken.append(key)
        for label, number in units[key].items():
            wanted[label] -= number
            remaining[label] -= 1

    def is_free(key: int) -> bool:
        return all(remaining[label] > left.get(label, 1) for label in units[key])

    for key, sizes in units.items():
        change = sum(abs(wanted[label] - n) - abs(wanted[label]) for label, n in sizes.items())
        if change < 0 and is_free(key):
            take(key)
    for label in sorted(remaining.keys() & lacking):
        free = [key for key, sizes in units.items() if label in sizes and is_free(key)]
        if free and not any(label in units[key] for key in taken):
            take(min(free, key=lambda key: sum(units[key].values())))
    return taken


def _require_whole(given: pd.Series, path: pd.Series) -> None:
    found = set(given)
    if "" in found and len(found) > 1:
        raise InputError(
            "split: expected a split in the archive for every image, or for none. Received: "
            f"{path[given == ''].min()}, which is in no folder train, validation or test, and "
            "others that are. Move it, or set split.use_archive_split to false."
        )
    if found and not found & {"", "train"}:
        raise InputError(
            "split: expected a folder train in the archive beside its other splits. Received: "
            f"only {' and '.join(sorted(found))}. Add it, or set split.use_archive_split to false."
        )


def _require_all(images: pd.DataFrame, unit: np.ndarray) -> None:
    for name in SPLITS:
        present = set(images["label"][images["split"] == name])
        missing = sorted(set(images["label"]) - present)
        if missing and (name == "train" or len(present) < 2):
            rows = images[images["label"] == missing[0]]
            groups = len(np.unique(unit[rows.index]))
            raise InputError(
                f"split: expected images of class {missing[0]} for {name}. Received: none of "
                f"{len(rows):,}, in groups: {groups:,}. Training needs images of every class, "
                "validation and test of two or more. Add images, or see split.group, "
                "split.near_duplicate_distance, split.use_archive_split and splits.csv."
            )


def describe_completed(images: pd.DataFrame) -> list[str]:
    """A line for each of validation and test without images of some classes in the archive.

    `images` has the columns `label`, `archive_split`, "" if that is not used, and `split`.
    """
    lines, classes = [], images["label"].nunique()
    for name in ("validation", "test"):
        given, present = (
            set(images["label"][images[column] == name]) for column in ("archive_split", "split")
        )
        few = classes - len(present)
        if given and len(given) < classes:
            lines.append(
                f"{classes - len(given)} of {classes} classes have no {name} images in the "
                f"archive; {len(present - given)} get them from their training images, {few} have "
                "too few"
            )
        elif few:
            lines.append(f"{few} of {classes} classes have too few images for {name}")
    return lines


def describe_few(images: pd.DataFrame) -> str:
    """Such as "few test images, 1 of bee, 4 of cow: …", or "" if all classes have more than FEW.

    `images` has the columns `label` and `split`.
    """
    of_class = images["label"][images["split"] == "test"].value_counts().sort_index()
    few = [f"{number} of {label}" for label, number in of_class.items() if number <= FEW]
    more = f" and {len(few) - MAX_NAMED} more classes" if few[MAX_NAMED:] else ""
    listed = ", ".join(few[:MAX_NAMED])
    return f"few test images, {listed}{more}: their recall says little" if few else ""


def _uniform(seed: int, content: str) -> float:
    """A number in [0, 1) that is the same on every platform and Python version."""
    digest = hashlib.sha256(f"{seed}:{content}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def divided_groups(images: pd.DataFrame) -> int:
    """How many groups have images in several splits, of a table with columns `group`, `split`."""
    return int((images.groupby("group")["split"].nunique() > 1).sum())


def training_images(split: pd.DataFrame, number: int) -> pd.DataFrame:
    """At most so many training images of a table SPLIT: those with the lowest hashes of pixels."""
    return split[split["split"] == "train"].sort_values("pixels_sha256")[:number]
