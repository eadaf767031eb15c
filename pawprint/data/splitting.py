"""Divide images into a training, a validation and a test set.

To find out why an image is in a split, check these rules in order. The first one that applies
decides:

1. splits.csv: the first row for the image, or for another image in its group.
2. The archive's split, from a folder or metadata.csv.
3. The rank of its group. Groups are ranked by a hash of their content and `split.seed`. In rank
   order, the test set takes each group that brings its images per class closer to
   `split.test_fraction`. The validation set then takes groups in the same way. All remaining groups
   are for training.

Images form a group if `split.group` matches the same text in their paths, or if they have the same
`group` in metadata.csv. If a project has both keys, groups that share an image are one, whatever
their size. Every other image is its own group. Groups that contain near-duplicates of each other
are joined up to a limit. The third rule never divides a group.

A rank depends only on the group and the seed. When an image is added, removed or relabelled, few
other images move: only those at ranks where a set just reaches enough images per class.
"""

from collections import Counter

import numpy as np
import pandas as pd

from pawprint.base.columns import OF_TEST, SPLITS
from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.folds import find, hash_keys, join_keys
from pawprint.base.labels import NEITHER, ONE_CLASS, LabelKind
from pawprint.base.paths import LABELS_TO_REVIEW_CSV
from pawprint.data.near_duplicates import near_duplicates, nearest
from pawprint.pipeline.params.data import Split

# Near-duplicates are joined to groups of at most this fraction of all images, or this number if the
# number is larger.
MAX_GROUP_FRACTION = 0.01
MAX_GROUP = 20
# Images per class: if all are predicted correctly, the 95% interval for the recall begins at 0.70.
FEW = 9
LARGE_PART = 0.5  # of a class
LOOK_ALIKE = (
    "If photos of different objects look alike, as with a fixed camera, set "
    "split.near_duplicate_distance: 0"
)
BLOCK = 2**16  # number of pairs joined at once
TURNS = 50  # orders of groups to try, with several labels
EVERY = ""  # stands for all images of a group
Sizes = dict[int, dict[str, int]]  # number of images per class, keyed by the rank of a group


def split(
    images: pd.DataFrame, params: Split, kept_splits: dict[str, str], kind: LabelKind = ONE_CLASS
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Return each image's split, the near-duplicates, and the number of divided pairs.

    `images` is an IMAGES table. The returned tables are SPLIT, sorted by path, and NEAR_DUPLICATES,
    sorted by group and path, with the column `is_across`: whether a near-duplicate is in another
    group. `kept_splits` maps the `pixels_sha256` in each row of splits.csv to its split, in row
    order. With several labels, an image is in the class of its rarest one.

    Each class has images in each split, unless it has too few groups. A class with one group is
    only in training, and a class with two is in training and validation. If the archive's
    validation or test split lacks a class, that split receives training images of the class. If an
    archive has validation but no test images, the validation images are divided in the ratio of the
    two fractions.

    Raises InputError if the archive assigns a split to only some images or has no training split,
    if `split.group` does not match any path or, together with the column `group`, leaves a class
    too few groups, if a class has no training image, or if a split that lacks classes has one.
    """
    columns = [*images, "split"]
    images = images.assign(
        cell=images["label"],
        label=kind.strata(images["label"]),
        shown=images["label"].map(kind.labels_in),
    )
    # This order is independent of file names.
    images = images.sort_values(["perceptual_hash", "pixels_sha256"], ignore_index=True)
    keys = _keys(images, params)
    images["group"] = join_keys(*keys)

    # Look up the splits in splits.csv and in the archive.
    images["row"] = images["pixels_sha256"].map({key: n for n, key in enumerate(kept_splits)})
    images["row_split"] = [kept_splits.get(key, "") for key in images["pixels_sha256"]]
    images["given"] = _given_splits(images, params.use_archive_split)
    images["is_drawn"] = _is_drawn(images)
    _require_groups(images[images["is_drawn"]], keys)

    # Join groups and rank them.
    pairs = near_duplicates(images["perceptual_hash"], params.near_duplicate_distance)
    images["joined"] = _join_groups(images, pairs)
    images["rank"] = _rank_groups(images, params.seed)

    # Assign splits by rows first, then by the archive, and finally by ranks.
    images["kept"] = _kept_splits(images)
    images["split"] = images["given"].mask(images["kept"] != "", images["kept"])
    ranks = images["rank"]
    last = ranks.max()
    for turn in range(1 if kind.exclusive else min(last, TURNS)):
        images["rank"] = (ranks - 1 + turn) % last + 1
        drawn = _draw_all(images, params, kind)
        problem = _problem_of_all(drawn, pairs)
        if not problem:
            break
    else:
        raise InputError(problem)
    images = drawn

    is_across = _has_near_in_other(images, images["joined"], pairs)
    images["group"] = images["path"].groupby(images["rank"]).transform("min")
    images = images.assign(label=images["cell"])[columns]
    closest = nearest(pairs)
    duplicates = images.loc[closest["image"]].assign(
        nearest=images["path"].loc[closest["nearest"]].array,
        contradicts=_contradictions(images, pairs, kind)
        .reindex(closest["image"], fill_value="")
        .array,
        is_across=is_across[closest["image"]].array,
        distance=closest["distance"].array,
    )
    splits = images["split"].to_numpy()
    divided = int((splits[pairs["first"]] != splits[pairs["second"]]).sum())
    return images.sort_values("path"), duplicates.sort_values(["group", "path"]), divided


def _contradictions(images: pd.DataFrame, pairs: pd.DataFrame, kind: LabelKind) -> pd.Series:
    """Return the path to the nearest near-duplicate with a different label, keyed by position.

    `pairs` is the result of `near_duplicates`.
    """
    labels = images["label"].to_numpy()
    pairs = pairs[labels[pairs["first"]] != labels[pairs["second"]]]
    cells = zip(labels[pairs["first"]], labels[pairs["second"]])
    closest = nearest(pairs[np.array([kind.contradict(*each) for each in cells], bool)])
    return images["path"].loc[closest["nearest"]].set_axis(closest["image"])


def _has_near_in_other(images: pd.DataFrame, groups: pd.Series, pairs: pd.DataFrame) -> pd.Series:
    """Return whether each image has a near-duplicate in another group."""
    ends = pairs[["first", "second"]].to_numpy()
    of_ends = groups.to_numpy()[ends]
    is_across = images.index.isin(ends[of_ends[:, 0] != of_ends[:, 1]].ravel())
    # Of those with the same hash, only the first has pairs with other hashes.
    return pd.Series(is_across).groupby(images["perceptual_hash"]).transform("any")


def describe_copied(usable: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Explain that most training images of some classes are copies of test images, or return "".

    `usable` is an IMAGES table, and `rejected` a REJECTED table.
    """
    details = rejected["detail"][rejected["reason"] == "duplicate"]
    copies = details.str.extract(f"^(.*){OF_TEST}", expand=False).value_counts()
    others = usable["label"][usable["archive_split"] != "test"].map(printable).value_counts()
    copies = copies[copies > others.reindex(copies.index, fill_value=0)]
    if copies.empty:
        return ""
    found = f"{copies.sum():,} with the pixels of test images ({name_some(copies.index)})"
    return (
        f"expected training images that are not in the test set. Received: {found}. Remove these "
        "copies from the test set, or set split.use_archive_split to false."
    )


def describe_alike(images: pd.DataFrame, duplicates: pd.DataFrame) -> str:
    """Return a line about classes in which most images have more near-duplicates than a group.

    `images` is a SPLIT table, and `duplicates` is the result of `split`.
    """
    numbers = duplicates["label"][duplicates["is_across"]].value_counts()
    large = numbers[numbers >= LARGE_PART * images["label"].value_counts()[numbers.index]]
    if large.empty:
        return ""
    names = name_some(sorted(large.index))
    return f"{large.sum():,} images have near-duplicates outside their group: {names}. {LOOK_ALIKE}"


def describe_contradictions(duplicates: pd.DataFrame) -> str:
    """Return a line about near-duplicates with different labels, or "" if there are none.

    If one pair of classes accounts for at least half, the line names the pair, because a folder may
    exist twice. `duplicates` is a NEAR_DUPLICATES table.
    """
    labels = duplicates.set_index("path")["label"]
    rows = duplicates[duplicates["contradicts"] != ""]
    if rows.empty:
        return ""
    pairs = zip(rows["label"], rows["contradicts"].map(labels))
    (classes, number), *_ = Counter(tuple(sorted(pair)) for pair in pairs).most_common(1)
    text = f"{len(rows):,} images have near-duplicates with different labels"
    if 2 * number >= len(rows):
        text += f", {number:,} of them {printable(' or '.join(classes))}"
    return f"{text}; {LABELS_TO_REVIEW_CSV} will list them first"


def describe_keys(images: pd.DataFrame, params: Split) -> str:
    """Return a line about how many groups two keys make together, or "" without both keys.

    `images` is an IMAGES table.
    """
    keys = _keys(images, params)
    column, matched, joined = (key[key != ""].nunique() for key in (*keys, join_keys(*keys)))
    found = f"{counted(column, 'group')} of the column and {matched:,} of split.group"
    return f"{found} make {joined:,}" if column and matched else ""


def _keys(images: pd.DataFrame, params: Split) -> tuple[pd.Series, pd.Series]:
    """Return each image's text in the column `group`, and by `split.group`, or "" without one."""
    if params.group is None:
        return images["group"], pd.Series("", images.index)
    paths = images["path"]
    matched = paths.str.extract(params.group, expand=False).fillna("")
    if (matched == "").all():
        raise InputError(
            f"split.group: expected an expression that matches paths such as {paths.min()}. "
            f"Received: {params.group}, which matches none of {len(paths):,}."
        )
    return images["group"], matched


def _require_groups(images: pd.DataFrame, keys: tuple[pd.Series, pd.Series]) -> None:
    """Raise InputError if two keys leave a class fewer groups than splits, and one alone more."""
    if any((key == "").all() for key in keys):
        return
    joined, column, matched = (
        key.mask(key == "", images["pixels_sha256"]).groupby(images["label"]).nunique()
        for key in (images["group"], *keys)
    )
    for label in joined.index[joined < len(SPLITS)]:
        if max(column[label], matched[label]) >= len(SPLITS):
            raise InputError(
                f"split.group: expected {len(SPLITS)} or more groups of class {printable(label)}. "
                f"Received: {joined[label]} with the column group of metadata.csv (alone, it makes "
                f"{column[label]:,}, and split.group {matched[label]:,}). Images that share either "
                "are in one group: narrow split.group, or change the column."
            )


def _given_splits(images: pd.DataFrame, is_used: bool) -> pd.Series:
    """Return the archive's splits, or "train" for all images if these are missing or unused."""
    splits = set(images["archive_split"]) if is_used else set()
    if "" in splits and len(splits) > 1:
        raise InputError(
            "split: expected the archive to assign a split to every image, or to none. Received: "
            f"{images['path'][images['archive_split'] == ''].min()}, which is not in a folder "
            "named train, validation or test, unlike other images. Move this image, or set "
            "split.use_archive_split to false."
        )
    if splits and not splits & {"", "train"}:
        raise InputError(
            "split: expected a folder named train in the archive, next to its other splits. "
            f"Received: only {' and '.join(sorted(splits))}. Add this folder, or set "
            "split.use_archive_split to false."
        )
    if splits & {"validation", "test"}:
        return images["archive_split"]
    return pd.Series("train", images.index)


def _is_drawn(images: pd.DataFrame) -> pd.Series:
    """Return whether ranks determine an image's split. Other images stay in the archive's split.

    Ranks apply to training images whose class is missing from the archive's validation or test
    split, and to validation images if the archive has no test split.
    """
    given = images["given"]
    lacks_validation = _is_lacking(images, given == "validation")
    if not (given == "test").any():
        return (given == "validation") | ((given == "train") & lacks_validation)
    return (given == "train") & (lacks_validation | _is_lacking(images, given == "test"))


def _is_lacking(images: pd.DataFrame, others: pd.Series) -> pd.Series:
    """Return whether the class of each image is lacking in `others`, bool `(images,)`.

    With several labels, one that any of `others` shows is not lacking, whatever their rarest label.
    NEITHER is lacking only if there are no `others`.
    """
    is_needed = images["shown"].str.len() > 0 if others.any() else True
    return ~images["label"].isin(images["shown"][others].explode()) & is_needed


def _join_groups(images: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    """Return each image's group number, int64 `(images,)`, with near-duplicates joined.

    The nearest `pairs` are joined first. Groups stay separate if together they would be too large,
    or if splits.csv assigns them to different splits.
    """
    own = images["group"].mask(images["group"] == "", images["pixels_sha256"]).factorize()[0]
    sizes = np.bincount(own).tolist()
    splits = _first_rows(images, own).reindex(range(len(sizes)), fill_value="").tolist()
    largest = max(MAX_GROUP, MAX_GROUP_FRACTION * len(images))
    joined = list(range(len(sizes)))
    ends = own[pairs.sort_values(["distance", "first", "second"])[["first", "second"]]]
    for start in range(0, len(ends), BLOCK):  # a list of all pairs would take gigabytes
        for first, second in ends[start : start + BLOCK].tolist():
            one = find(joined, first)
            other = find(joined, second)
            if one == other or sizes[one] + sizes[other] > largest:
                continue
            if splits[one] == splits[other] or "" in (splits[one], splits[other]):
                joined[other] = one
                sizes[one] += sizes[other]
                splits[one] = splits[one] or splits[other]
    return pd.factorize(np.array([find(joined, group) for group in own.tolist()], int))[0]


def _first_rows(images: pd.DataFrame, group: np.ndarray) -> pd.Series:
    """Return each group's split: the first row in splits.csv for its drawn images."""
    rows = images.assign(group=group)[images["is_drawn"] & (images["row_split"] != "")]
    return rows.sort_values("row").groupby("group")["row_split"].first()


def _rank_groups(images: pd.DataFrame, seed: int) -> pd.Series:
    """Return each image's group rank, from 1, by a hash of the group's text or first image."""
    content = images["group"].mask(images["group"] == "", images["perceptual_hash"])
    content = content.groupby(images["joined"]).first()
    hashes = pd.Series(hash_keys(content, str(seed)), content.index)
    return images["joined"].map(hashes.rank(method="first").astype(int))


def _kept_splits(images: pd.DataFrame) -> pd.Series:
    """Return each image's split in splits.csv, or "" if the archive or the ranks decide.

    A drawn image follows its group's first row. Any other image follows its own row.
    """
    first = _first_rows(images, images["rank"].array).reindex(images["rank"], fill_value="")
    return images["row_split"].mask(images["is_drawn"], first.array)


def _draw_all(images: pd.DataFrame, params: Split, kind: LabelKind) -> pd.DataFrame:
    """Return the images after all draws, in rank order."""
    if not (images["given"] == "test").any():
        ratio = params.test_fraction / (params.test_fraction + params.validation_fraction)
        images = _draw(images, "validation", "test", ratio, kind)
    images = _draw(images, "train", "test", params.test_fraction, kind)
    return _draw(images, "train", "validation", params.validation_fraction, kind)


def _draw(
    images: pd.DataFrame, source: str, target: str, fraction: float, kind: LabelKind
) -> pd.DataFrame:
    """Move groups of images from one split to another, in rank order.

    `target` gets this fraction of the archive's validation images or, if `source` is training, of
    all images whose class is missing from the archive's `target`. The fraction applies to each
    class, as closely as the groups allow. Groups remain for other splits that lack the class.
    """
    label = images["label"]
    if source == "validation":
        is_counted = (images["given"] == "validation") & (images["split"] != "train")
    else:
        is_counted = _is_lacking(images, (images["split"] == target) & (images["given"] != "train"))
    if not is_counted.any():
        return images
    wanted = label[is_counted].value_counts() * fraction
    number = int(images["split"].isin([source, target]).sum())
    if wanted.sum() >= number:
        raise InputError(
            f"split.{target}_fraction: expected a fraction that leaves images for {source}. "
            f"Received: {wanted.sum():,.0f} of {number:,} for {target}. Decrease the fraction."
        )
    present = label[images["split"] == target].value_counts()
    wanted -= present.reindex(wanted.index, fill_value=0)
    lacking = {name: _classes_lacking(images, source, name) for name in SPLITS}
    others = {"validation", source} - {target}
    reserved = {name: sum(name in lacking[other] for other in others) for name in wanted.index}
    can_move = (images["split"] == source) & (images["kept"] == "")
    sizes, missing, kinds = _sizes(images[can_move]), wanted.to_dict(), None
    if not kind.exclusive and any(len(numbers) > 1 for numbers in sizes.values()):
        # A group may show all labels: reserving one for validation might leave none for training,
        # and one for each label might be most of the images.
        sizes = {rank: {**numbers, EVERY: sum(numbers.values())} for rank, numbers in sizes.items()}
        missing[EVERY] = sum(missing.values())
        reserved = {}
        kinds = 2 - len({*label.unique()} - lacking[target])
    names = _names(images[can_move])
    ranks = _choose(sizes, missing, reserved, lacking[target], names, kinds)
    is_chosen = can_move & images["rank"].isin(ranks)
    return images.assign(split=images["split"].mask(is_chosen, target))


def _classes_lacking(images: pd.DataFrame, source: str, name: str) -> set[str]:
    """Return the classes missing from a split, ignoring images that come from `source`."""
    is_fixed = (images["kept"] != "") | (images["given"] != source)
    present = images["label"][is_fixed & (images["split"] == name)]
    return {*images["label"].unique()} - {*present.unique()}


def _sizes(images: pd.DataFrame) -> Sizes:
    """Return the sizes of all groups, in rank order."""
    sizes: Sizes = {}
    for (rank, label), number in images.groupby(["rank", "label"]).size().items():
        sizes.setdefault(rank, {})[label] = number
    return sizes


def _names(images: pd.DataFrame) -> dict[int, set[str]]:
    """Return the labels of each group by rank: those shown, and those that sort its images."""
    names: dict[int, set[str]] = {}
    for rank, shown, label in zip(images["rank"], images["shown"], images["label"]):
        names.setdefault(rank, set()).update(shown, [label])
    return names


def _choose(
    sizes: Sizes,
    wanted: dict[str, float],
    reserved: dict[str, int],
    lacking: set[str],
    names: dict[int, set[str]],
    kinds: int | None = None,
) -> list[int]:
    """Return the ranks of the groups that bring the images per class closest to `wanted`.

    In the order of `sizes`, from `_sizes`, a group is taken if it brings the numbers closer.
    Classes that are missing from `wanted` are not needed. For each class, `reserved` groups are
    left over, by default one, whose images show it: `names` is from `_names`. At the end, if a
    class in `lacking` has received no group, its smallest group is taken. With a number of `kinds`,
    none is taken once so many classes, and enough of EVERY, are there.
    """
    missing = Counter(wanted)
    # Number of groups.
    remaining = Counter(label for rank in sizes for label in names[rank])
    chosen = []
    for rank, numbers in sizes.items():
        change = sum(abs(missing[label] - n) - abs(missing[label]) for label, n in numbers.items())
        if change < 0 and _is_free(names[rank], remaining, reserved):
            chosen.append(rank)
            missing.subtract(numbers)
            remaining.subtract(names[rank])
    for label in sorted(remaining.keys() & wanted.keys() & lacking):
        received = {name for rank in chosen for name in sizes[rank]} - {EVERY}
        is_enough = kinds is not None and len(received) >= kinds and missing[EVERY] <= 0
        if label in received or is_enough:
            continue
        with_class = {rank: numbers for rank, numbers in sizes.items() if label in numbers}
        free = [rank for rank in with_class if _is_free(names[rank], remaining, reserved)]
        if free:
            smallest = min(free, key=lambda rank: sum(sizes[rank].values()))
            chosen.append(smallest)
            missing.subtract(sizes[smallest])
            remaining.subtract(names[smallest])
    return chosen


def _is_free(names: set[str], remaining: Counter[str], reserved: dict[str, int]) -> bool:
    """Return whether a group can be taken because enough groups with its labels remain."""
    return all(remaining[label] > reserved.get(label, 1) for label in names)


def _problem_of_all(images: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Return the problem if training lacks a class, or another split a class and all but one."""
    own = images["group"].mask(images["group"] == "", images["pixels_sha256"])
    images = images.assign(is_alike=_has_near_in_other(images, own, pairs))
    shown = images[["split", "shown"]].explode("shown").dropna()
    for name in SPLITS:
        kinds = {*images["label"][images["split"] == name]}
        missing = sorted({*shown["shown"]} - {*shown["shown"][shown["split"] == name]})
        if name == "train" and len(kinds) < 2:  # if all images show a label, none can lack it
            missing = missing or sorted({*images["label"]} - kinds)
        if missing and (name == "train" or len(kinds) < 2):
            rows = images[[missing[0] in (labels or [NEITHER]) for labels in images["shown"]]]
            advice = (
                "Add images, or see split.group, split.near_duplicate_distance, "
                "split.use_archive_split and splits.csv."
            )
            if rows["is_alike"].mean() >= LARGE_PART:
                advice = f"{rows['is_alike'].sum():,} of them are near-duplicates. {LOOK_ALIKE}."
            return (
                f"split: expected images of class {missing[0]} for {name}. Received: none of "
                f"its {len(rows):,} images (groups: {rows['rank'].nunique():,}). Training requires "
                "images of every class, and validation and test require images of at least two. "
                f"{advice}"
            )
    return ""


def describe_lacking(images: pd.DataFrame) -> list[str]:
    """Return a line on validation, and one on test, if some classes have no images there."""
    found = images.groupby("label")["split"].agg(set)
    few = {
        name: [label for label, splits in found.items() if name not in splits]
        for name in ("validation", "test")
    }
    return [f"too few images for {name}: {name_some(few[name])}" for name in few if few[name]]


def describe_few(images: pd.DataFrame) -> str:
    """Return text such as "few test images, 1 of bee, …", or "" if all classes exceed FEW."""
    numbers = (images["split"] == "test").groupby(images["label"]).sum()
    few = [f"{number} of {label}" for label, number in numbers.items() if number <= FEW]
    return f"few test images, {name_some(few)}: their recall is imprecise" if few else ""


def divided_groups(images: pd.DataFrame) -> list[str]:
    """Return the groups that are in several splits, given the columns `group` and `split`."""
    splits = images.groupby("group")["split"].nunique()
    return [*splits.index[splits > 1]]
