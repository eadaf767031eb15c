"""Describe what was found in folders: images per class, a tree, and problems with names."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations, takewhile
from operator import eq
from pathlib import PurePosixPath
from unicodedata import normalize

from pawprint.base.classes import NEITHER, UNKNOWN
from pawprint.base.errors import counted, name_some, printable
from pawprint.data.folder_names import Parts, folder_of, split_in_words, with_parents
from pawprint.data.names import count_suffixes, is_image_name, is_visible

MAX_SLIPS = 0.2  # of the images of the class that is meant
SHOWN = 12  # folders in a tree, or classes in a line
# Parts of a path that Windows rejects, or reads as a device.
NOT_ON_WINDOWS = re.compile(
    r'[<>:"|?*]|[. ](/|$)|(^|/)(aux|con|nul|prn|com[1-9]|lpt[1-9])(\.[^/]*)?(/|$)', re.IGNORECASE
)


def describe_class_counts(counts: Counter[str]) -> str:
    """Return text such as "2 classes: cat (20), dog (18); 3 unknown; 5 unlabelled".

    If there are more than SHOWN classes, only the largest and the smallest are listed. `counts`
    contains the number of images for each label: a class, UNKNOWN, or "".
    """
    classes = sorted(label for label in counts if label not in ("", UNKNOWN))
    each = [f"{printable(label)} ({counts[label]:,})" for label in classes]
    if len(classes) > SHOWN:
        numbers = [counts[label] for label in classes]
        largest, smallest = (each[numbers.index(end(numbers))] for end in (max, min))
        each = [f"the largest {largest}", f"the smallest {smallest}"]
        each = each if largest != smallest else [f"{numbers[0]:,} images each"]
    number = "1 class" if len(classes) == 1 else f"{len(classes):,} classes"
    parts = [f"{number}: {', '.join(each)}" if each else "no classes"]
    parts += [f"{counts[UNKNOWN]:,} {UNKNOWN}"] if counts[UNKNOWN] else []
    parts += [f"{counts['']:,} unlabelled"] if counts[""] else []
    return "; ".join(parts)


def describe_alike(counts: Mapping[str, int]) -> str:
    """Return a question about classes whose names seem to mean the same, or "" without any.

    These are a word and its plural, and names that differ by one letter or by two swapped ones, if
    one class has few images. `counts` has the number of images of each class.
    """
    names = {name.lower(): name for name in counts}
    pairs = {
        (name, names[plural])
        for low, name in names.items()
        for plural in (f"{low}s", f"{low}es", f"{low.removesuffix('y')}ies")
        if plural in names
    }
    for few, many in permutations(counts, 2):
        if counts[few] < MAX_SLIPS * counts[many] and _is_slip(few, many):
            pairs.add((few, many))
    shown = sorted({" and ".join(map(printable, sorted(pair))) for pair in pairs})
    return f"are these one class: {name_some(shown)}? If so, see clean.labels" if shown else ""


def _is_slip(one: str, other: str) -> bool:
    """Return whether names differ by a letter, other than the A of grade_A, or by a swap."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = _length_of_common_start(one, other)
    end = _length_of_common_start(one[start:][::-1], other[start:][::-1])
    first, second = one[start : len(one) - end], other[start : len(other) - end]
    if len(first) == len(second) == 2:
        return first == second[::-1]
    is_word = one[:start][-1:].isalpha() and not (first + second).isupper()
    is_one_letter = max(len(first), len(second)) == 1 and (first + second).isalpha()
    return is_one_letter and (end > 0 or is_word)


def _length_of_common_start(one: str, other: str) -> int:
    return sum(takewhile(bool, map(eq, one, other)))


def describe_names(places: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield lines about hidden problems with file names, given each file's label and split.

    These are folders whose files are not read, folders that are named like splits but are not used
    as splits, and paths that are the same on some systems: macOS and Windows ignore case, and macOS
    treats composed and decomposed letters alike. A class named NEITHER is explained. At most SHOWN
    unread folders and five problems of each other kind are listed.
    """
    folders = _unread_folders(places)
    classes = {label.lower() for label, _ in places.values()}
    for is_class, said in ((False, "not a class: "), (True, "")):
        shown = [
            f"{printable(folder)}/ ({count_suffixes(files)})"
            for folder, files in folders.items()
            if (PurePosixPath(folder).name.lower() in classes) == is_class
        ]
        more = f" and {len(shown) - SHOWN:,} more" if shown[SHOWN:] else ""
        if shown:
            names = ", ".join(shown[:SHOWN])
            yield f"{said}no readable image in {names}{more}; see docs/images.md for formats"
    labelled = {name: place for name, place in places.items() if place[0] not in ("", UNKNOWN)}
    number = Counter(
        f"{folder}/"
        for name, (label, split) in labelled.items()
        for folder in folder_of(name)
        if not split and folder != label and split_in_words(folder)
    )
    if unused := sorted(folder for folder in number if number[folder] < len(labelled)):
        yield (
            f"named like splits but not used as splits: {name_some(unused)}; docs/images.md "
            "explains which names are used"
        )
    paths = defaultdict(list)
    for name in places:
        paths[normalize("NFC", name).casefold()].append(name)
    pairs = [" and ".join(map(printable, same)) for same in paths.values() if len(set(same)) > 1]
    if pairs:
        yield f"paths that macOS or Windows treats as the same file: {name_some(pairs)}"
    if NEITHER in {label for label, _ in places.values()}:
        yield f"{NEITHER} is a class: in labels.csv, it excludes no image, but labels it {NEITHER}"
    if rejected := sorted(filter(NOT_ON_WINDOWS.search, places)):
        yield f"paths that cannot exist on Windows: {name_some(rejected)}"


def _unread_folders(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files in each folder that contains files, but no image at any depth.

    Hidden folders and system folders are left out.
    """
    files = defaultdict(list)
    for name in names:
        files[folder_of(name)].append(name)
    with_images: set[Parts] = {()}
    for folder, inside in files.items():
        if any(map(is_image_name, inside)):
            with_images.update(with_parents(folder))
    unread = {"/".join(folder): files[folder] for folder in sorted(files.keys() - with_images)}
    return {folder: unread[folder] for folder in unread if is_visible(f"{folder}/")}


def tree_of(folders: Iterable[Parts]) -> str:
    """Return the folders as a tree, indented by depth, with the number of files in each folder.

    `folders` contains each file's folder.
    """
    files: Counter[Parts] = Counter()
    for parts in folders:
        files.update(dict.fromkeys(with_parents(parts), 0))
        files[parts] += 1
    lines = [_line_of_tree(parts, number) for parts, number in sorted(files.items())]
    more = [f"and {len(lines) - SHOWN:,} more folders"] if lines[SHOWN:] else []
    return "\n".join([*lines[:SHOWN], *more]) or "no files"


def _line_of_tree(parts: Parts, number: int) -> str:
    indent = " " * (2 * len(parts) - 2)
    name = f"{printable(parts[-1])}/" if parts else "(no folder)"
    files = f"  {counted(number, 'file')}" if number else ""
    return f"{indent}{name}{files}"
