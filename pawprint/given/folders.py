"""Find each image's class and split, from its folders or its row in metadata.csv.

`find_layout` is the entry point, and the functions `describe_…` tell what was found. Rules for
single names are in names.py. `clean.labels` may list the folders for each class; otherwise,
`read_folders` determines which folders are classes, splits or neither. Folders can be read in two
ways. In the outer reading, the class is the first folder below the root or below a split, with
everything in it (Keras, torchvision, Ultralytics). In the inner reading, the class is the last
folder (Hugging Face, fastai).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import permutations
from os.path import commonprefix
from typing import NamedTuple
from unicodedata import normalize

from pawprint.base.errors import InputError, counted, name_some, printable
from pawprint.base.labels import (
    NEITHER,
    ONE_CLASS,
    SEPARATOR,
    SEVERAL_LABELS,
    UNKNOWN,
    UNLABELLED,
    LabelKind,
    is_reserved,
)
from pawprint.given.metadata_csv import Rows
from pawprint.given.names import (
    SPLIT_OF_FOLDER,
    Parts,
    count_suffixes,
    first_split,
    folder_of,
    is_deep,
    is_image_name,
    is_set_apart,
    is_unlabelled,
    is_visible,
    other_words,
    split_in_words,
    with_parents,
)

AUTO = "auto"  # value of clean.labels, like OUTER and INNER
OUTER = "outer"
INNER = "inner"
READINGS = (OUTER, INNER)
MAX_SLIPS = 0.2  # of the images of the class that is meant
SHOWN = 12  # folders in a tree, or classes in a line
# Parts of a path that Windows rejects, or reads as a device.
NOT_ON_WINDOWS = re.compile(
    r'[<>:"|?*]|[. ](/|$)|(^|/)(aux|con|nul|prn|com[1-9]|lpt[1-9])(\.[^/]*)?(/|$)', re.IGNORECASE
)
NUMBERING = "0123456789 ()._-"  # characters around a number, as in 01_mask (2).png
EXPECTED = """\
photos/
  cat/  001.jpg, 002.jpg
  dog/  003.jpg"""


class Place(NamedTuple):
    """A file's label and split, from its folders or from its row in metadata.csv.

    `label` is a class, UNKNOWN, or "" for a file without a label. `split` is train, validation,
    test or "".
    """

    label: str
    split: str


class Layout(NamedTuple):
    """The sorted classes, the place of each file, and the rows in metadata.csv or None without one.

    Places and rows are keyed by file name. Names that are too deep have no place.
    """

    classes: list[str]
    places: dict[str, Place]
    rows: Rows | None
    kind: LabelKind = ONE_CLASS

    def count_labels(self) -> Counter[str]:
        """Return how many images have each label: a class, UNKNOWN, or "" for no label."""
        rows = self.rows or {}
        places = self.places.items()
        labels = [place.label for name, place in places if name in rows or is_image_name(name)]
        return self.kind.count(labels)


def find_layout(
    names: list[str],
    rows: Rows | None,
    labels: dict[str, list[str]] | str,
    archive: str,
    kind: LabelKind = ONE_CLASS,
) -> Layout:
    """Return the classes, labels and splits of these files. `rows` are from `read_metadata_csv`.

    `labels` is `clean.labels`. A mapping lists, for each class, its folders or its labels in
    metadata.csv, ignoring case. A file belongs to the innermost listed folder above it. Without a
    mapping, each label in metadata.csv is a class; without a metadata.csv, `read_folders`
    determines the classes. If no folder is a class, the source has no classes yet, and labels.csv
    provides them. An image may have several labels in metadata.csv if this `kind` does.

    Raises InputError, with a message that begins with `archive`, if a class in the mapping has no
    folder or file or a label cannot be a class, and for the same reasons as `read_folders`.
    """
    names = [name for name in names if not is_deep(name)]
    if rows is None and isinstance(labels, str):
        places = read_folders(names, labels, archive)
        classes = {place.label for place in places.values()} - {"", UNKNOWN}
        return Layout(sorted(classes), places, rows)
    if rows is not None and not kind.exclusive:
        return _layout_of_cells(names, rows, labels, archive)
    folders = {name: folders_of(name, rows) for name in names}
    if isinstance(labels, str):
        labels = {label: [label] for label in _labels_of_rows(rows or {}, archive)}
    label_of_folder = {folder.lower(): label for label in labels for folder in labels[label]}
    places = {name: label_and_split(folders[name], label_of_folder) for name in names}
    present = {place.label for place in places.values()}
    if lacking := [label for label in labels if label not in present]:
        raise InputError(
            f"{archive}: expected a folder or label named {' or '.join(labels[lacking[0]])} "
            f"(clean.labels.{lacking[0]}). Correct clean.labels, or set it to auto. "
            f"Received:\n{tree_of(tuple(reversed(path)) for path in folders.values())}"
        )
    return Layout(sorted(labels), places, rows)


def _layout_of_cells(
    names: list[str], rows: Rows, labels: dict[str, list[str]] | str, archive: str
) -> Layout:
    """Return the layout for a metadata.csv of cells.

    A cell is not the label of an image if `labels` is a mapping that lacks one of its labels.
    """
    given = {name: rows[name] for name in names if name in rows}
    cells = {name: row.label for name, row in given.items() if not is_set_apart((row.label,))}
    if isinstance(labels, str):
        labels = {label: [label] for label in sorted(SEVERAL_LABELS.names_said(cells.values()))}
    joined = (each for each in labels if {*re.split(r"\s*[,;]\s*", each)} <= {*labels} - {each})
    problems = map(SEVERAL_LABELS.problem_of_cell, cells.values())
    problem = SEVERAL_LABELS.problem_of_names(labels) or next(filter(None, problems), "")
    if NEITHER in labels:
        problem = f"expected {NEITHER} alone"
    if other := next(joined, ""):
        problem = f"expected labels joined by {SEPARATOR}. Received: {other!r}"
    if problem:
        raise InputError(f"{archive}: metadata.csv: {printable(problem)}. Correct the labels.")
    label_of = {name.lower(): label for label in labels for name in labels[label]}
    places = dict.fromkeys(names, Place("", ""))
    for name, row in given.items():
        states = SEVERAL_LABELS.states_in(cells.get(name, ""))
        parts = [(label_of.get(label.lower(), ""), state) for label, state in states.items()]
        # Of several names of a label, one that is shown decides, or else one that is not known.
        known = dict(sorted(parts, key=lambda part: (0, -1, 1).index(part[1])))
        label = "" if "" in known else SEVERAL_LABELS.written(known, known)
        places[name] = Place(UNKNOWN if row.label.lower() == UNKNOWN else label, row.split)
    # A label that no image shows cannot be learned yet.
    shown = SEVERAL_LABELS.names_in(place.label for place in places.values())
    return Layout(sorted({*labels} & shown), places, rows, SEVERAL_LABELS)


def _labels_of_rows(rows: Rows, archive: str) -> set[str]:
    labels = {row.label for row in rows.values()}
    labels = {label for label in labels if label.lower() != UNKNOWN and not is_unlabelled(label)}
    if not labels and rows and UNKNOWN not in {row.label.lower() for row in rows.values()}:
        return labels  # the app provides the classes
    if problem := ONE_CLASS.problem_of_labels(labels):
        reserved = {label for label in labels if is_reserved(label)}
        if named := [name for name, row in rows.items() if row.label in reserved]:
            problem += f" in {len(named):,} rows, for {name_some(named)}"
        raise InputError(
            f"{archive}: {printable(problem)}. With clean.labels: auto, each label in metadata.csv "
            "is a class. Correct the labels, or list the classes in clean.labels."
        )
    return labels


def folders_of(name: str, rows: Rows | None) -> list[str]:
    """Return the folders above a file, innermost first, in NFC.

    With `rows`, the label counts as the innermost folder and the split as the folder above it. An
    unlisted file has no folders.
    """
    if rows is None:
        return list(reversed(folder_of(name)))
    return [cell for cell in rows[name][:2] if cell] if name in rows else []


def label_and_split(
    folders: list[str], label_of_folder: dict[str, str], is_outer: bool = False
) -> Place:
    """Return the class, from the innermost folder that names one, and the split, from the rest.

    With `is_outer`, the outermost folder that names a class decides. `folders` begins with the
    innermost folder; the keys in `label_of_folder` are lower-case names. A class may be called
    train; its folder then does not name a split. A folder called unknown that is not a class makes
    everything below it UNKNOWN.
    """
    names = [folder.lower() for folder in folders]
    named = [folder for folder in names if folder in label_of_folder]
    folder = (named[-1] if is_outer else named[0]) if named else None
    is_unknown = UNKNOWN in names and UNKNOWN not in label_of_folder
    if folder and not is_unknown:
        names.remove(folder)
    label = label_of_folder[folder] if folder else ""
    return Place(UNKNOWN if is_unknown else label, first_split(names))


def read_folders(names: Iterable[str], labels: str, archive: str) -> dict[str, Place]:
    """Return each file's place according to its folders. `labels` is AUTO, OUTER or INNER.

    AUTO chooses the reading that finds at least two classes. Images in or below a folder called
    unknown are UNKNOWN. Images have no label if their folder `is_unlabelled`, if no folder above
    them is a class, or if they lie beside or in a split without classes. Without splits,
    all images may be unlabelled.

    Raises InputError, with a message that begins with `archive`, if there is only one class, if no
    image can have a label, if a name cannot be a label, if the two readings differ, or if a folder
    may be either a class or a split.
    """
    names = list(names)
    others = [name for name in names if not is_image_name(name)]
    images = Counter(map(folder_of, names)) - Counter(map(folder_of, others))
    tree = _Tree(path for path in images if not is_set_apart(path))
    splits = _find_splits(tree)
    _require_no_doubt(tree, splits, archive)
    without_classes = _find_without_classes(tree, splits)
    both = {path: _labels(tree, path, splits, without_classes) for path in tree.holders}
    found = {
        reading: {path: labels_of[place] for path, labels_of in both.items()}
        for place, reading in enumerate(READINGS)
    }
    chosen = labels
    if labels == AUTO:
        usable = [name for name in READINGS if len(set(found[name].values()) - {""}) > 1]
        chosen = usable[0] if usable else INNER
        if len(usable) > 1 and found[OUTER] != found[INNER]:
            raise InputError(_two_readings(archive, found, images))
    label_of_folder = found[chosen]
    classes = set(label_of_folder.values()) - {""}
    is_unlabelled_set = any(UNKNOWN not in map(str.lower, path) for path in images)
    # Data sets with such splits list their classes in a file, which is not supported.
    if classes or splits or not is_unlabelled_set:
        _require_classes(classes, names, others, archive)
    return {name: _place(name, label_of_folder, splits) for name in names}


def _place(name: str, label_of_folder: dict[Parts, str], splits: dict[Parts, str]) -> Place:
    path = folder_of(name)
    split = next((splits[above] for above in with_parents(path) if above in splits), "")
    if is_set_apart(path):
        return label_and_split([*reversed(path)], {})
    return Place(label_of_folder.get(path, ""), split)


class _Tree:
    """Folders that contain images (`holders`), and each folder's subfolders with images in them.

    `root` is the folder below which paths start to differ. `inner_root` is the same folder, unless
    a folder on the way contains images itself.
    """

    def __init__(self, holders: Iterable[Parts]) -> None:
        self.holders = set(holders)
        self.children: dict[Parts, list[Parts]] = defaultdict(list)
        for path in sorted({above for held in self.holders for above in with_parents(held)}):
            self.children[path[:-1]].append(path)
        self.root = self._descend(may_hold=True)
        self.inner_root = self._descend(may_hold=False)

    def _descend(self, may_hold: bool) -> Parts:
        root: Parts = ()
        while root not in self.holders and len(self.children[root]) == 1:
            (child,) = self.children[root]
            is_end = not self.children[child] or child[-1].lower() in SPLIT_OF_FOLDER
            if is_end or (child in self.holders and not may_hold):
                break
            root = child
        return root

    def classes_in(self, path: Parts) -> list[Parts]:
        """Return the subfolders that may be classes, or the folder itself if it contains images."""
        end = self.end_of(path)
        return [end] if end in self.holders else self.children[end]

    def repeats(self, path: Parts) -> Parts | None:
        """Return a folder's only subfolder if it has the same name and the folder has no images."""
        is_only = path and path not in self.holders and len(self.children[path]) == 1
        if is_only and self.children[path][0][-1].lower() == path[-1].lower():
            return self.children[path][0]
        return None

    def is_bare(self, path: Parts, classes: frozenset[str] = frozenset()) -> bool:
        """Return whether a folder contains images but no classes.

        The images may be in its only subfolder, if both have the same name, or if the subfolder is
        not named after one of several `classes`.
        """
        end = self.end_of(path)
        name = end[-1].lower()
        is_class = name != path[-1].lower() and (len(classes) < 2 or name in classes)
        return end in self.holders and not self.children[end] and not is_class

    def end_of(self, path: Parts) -> Parts:
        """Descend through single subfolders, to a folder with images or with several subfolders."""
        while path not in self.holders and len(self.children[path]) == 1:
            (path,) = self.children[path]
        return path


def _find_splits(tree: _Tree) -> dict[Parts, str]:
    """Return the split that each split folder stands for.

    A folder named like a split is a split, except in two cases, in which it is a class: if it
    contains images and lies inside a split (train/train next to train/car); or if it is called
    train, contains images, and lies next to classes but not to another split.
    """
    splits: dict[Parts, str] = {}
    for parent in sorted(tree.children, key=len):
        if parent in splits and (inner := tree.repeats(parent)):
            splits[inner] = splits[parent]
            continue
        children = tree.children[parent]
        named = [path for path in children if path[-1].lower() in SPLIT_OF_FOLDER]
        is_class = parent == tree.root and len(named) == 1 and len(children) > 1
        for path in named:
            split = SPLIT_OF_FOLDER[path[-1].lower()]
            is_class_here = parent in splits or (is_class and split == "train")
            if not (is_class_here and path in tree.holders):
                splits[path] = split
        splits |= _find_splits_by_word(tree, children)
    return splits


def _require_no_doubt(tree: _Tree, splits: dict[Parts, str], archive: str) -> None:
    """Raise InputError if a split folder next to class folders directly contains images.

    Such a folder could be a class (valid/ next to invalid/) or a split (test/ next to cat/).
    """
    children = tree.children[tree.root]
    bare = [path for path in children if path in splits and tree.is_bare(path)]
    siblings = [path for path in children if path not in splits]
    if bare and siblings and all(map(tree.is_bare, splits)):
        raise InputError(
            f"{archive}: expected no images directly in a folder that is named like a split and is "
            f"next to class folders. Received: {printable(repr('/'.join(bare[0])))} "
            f"beside {printable(repr(siblings[0][-1]))}. List the classes and their folders in "
            "clean.labels; for a new project, rename the folder if it is a class."
        )


def _find_splits_by_word(tree: _Tree, siblings: list[Parts]) -> dict[Parts, str]:
    """Return the split folders among folders such as seg_train and seg_test, if there are any.

    One of the folders must be for training, and no two may be the same split. Either no folder
    contains images directly and all have the same subfolders; or all but the training folder
    contain images without classes, and their names differ from the training folder's only in the
    word for the split, as in cars_test/ and cars_train/.
    """
    named = {path: split for path in siblings if (split := split_in_words(path[-1]))}
    splits = {path: split for path, split in named.items() if path not in tree.holders}
    kinds = list(splits.values())
    classes = {_names(tree.classes_in(path)) for path in splits}
    are_splits = len(kinds) > 1 and len(set(kinds)) == len(kinds) and "train" in kinds
    if are_splits and len(classes) == 1:
        return splits
    trains = [path for path, split in named.items() if split == "train"]
    splits = {}
    for train in trains:
        others = {
            path: split
            for path, split in named.items()
            if path not in trains and _is_rest_of(tree, path, train)
        }
        splits |= {train: "train", **others} if others else {}
    return splits


def _is_rest_of(tree: _Tree, path: Parts, train: Parts) -> bool:
    """Return whether a folder without classes and the training folder differ in one word only.

    The folder contains its images directly or, like the training classes, one level deeper.
    """
    inner, inner_train = (tree.end_of(each)[len(each) :] for each in (path, train))
    classes = _names(tree.classes_in(train))
    is_bare = tree.is_bare(path) or (inner == inner_train and tree.is_bare(path, classes))
    is_mixed = train in tree.holders and not tree.is_bare(train)
    return is_bare and not is_mixed and other_words(path[-1]) == other_words(train[-1])


def _names(paths: Iterable[Parts]) -> frozenset[str]:
    return frozenset(path[-1].lower() for path in paths)


def _find_without_classes(tree: _Tree, splits: dict[Parts, str]) -> set[Parts]:
    """Return folders whose images have no class, in or next to splits with classes.

    Examples are test/test/, predict/ and val/images/ next to train/CLASS/. A CLASS/ next to
    train/CLASS/ is not included.
    """
    found = set()
    for parent, children in list(tree.children.items()):
        divided = [path for path in children if path in splits and not tree.is_bare(path)]
        train = [path for path in divided if splits[path] == "train"]
        classes = _names(name for path in train or divided for name in tree.classes_in(path))
        if divided and parent not in splits:
            found |= {
                path
                for path in set(children).difference(train)
                if path[-1].lower() not in classes and tree.is_bare(path, classes)
            }
    return found


def _labels(
    tree: _Tree, path: Parts, splits: dict[Parts, str], without_classes: set[Parts]
) -> tuple[str, str]:
    """Return the first and the last folder below the root that is not a split, or "" for each.

    In the inner reading, a class folder may contain splits, as in cat/train, unless it also
    contains classes, as in d/test next to d/train/cat.
    """
    above = with_parents(path)
    if without_classes.intersection(above):
        return "", ""
    folders = [each for each in above if each not in splits]
    outer = [each[-1] for each in folders if len(each) > len(tree.root)]
    inner = [each for each in folders if len(each) > len(tree.inner_root)]
    if inner and path in splits and _holds_classes(tree, inner[0], splits):
        inner = []
    return outer[-1] if outer else "", inner[0][-1] if inner else ""


def _holds_classes(tree: _Tree, path: Parts, splits: dict[Parts, str]) -> bool:
    return any(
        child not in splits or _holds_classes(tree, child, splits) for child in tree.children[path]
    )


def _two_readings(archive: str, found: dict[str, dict[Parts, str]], images: Counter[Parts]) -> str:
    """Return a message that lists the classes in both readings with their counts."""
    example = min(path for path, label in found[OUTER].items() if label != found[INNER][path])
    readings = []
    for reading in READINGS:
        label_of = found[reading]
        counts = Counter(label_of[path] for path in images.elements() if path in label_of)
        readings.append(f"`clean.labels: {reading}` gives {describe_class_counts(counts)}")
    return (
        f"{archive}: expected the first and the last folder above each image to give the same "
        f"class. Received: two classes for {printable('/'.join(example))!r}: "
        f"{' and '.join(readings)}. Choose one: for a new project, add --labels outer or "
        "--labels inner; in a project, set clean.labels in params.yaml."
    )


def _require_classes(classes: set[str], names: list[str], others: list[str], archive: str) -> None:
    if problem := ONE_CLASS.problem_of_labels(classes):
        is_short = others and len(classes) < 2
        note = f"Other files: {count_suffixes(others)}. " if is_short else ""
        raise InputError(
            f"{archive}: {printable(problem)}. Each folder of images is a class, unless it is "
            "named like a split. Extract any archives, and move the images into one folder per "
            "class, or all into a folder `unlabelled` to label them in `pawprint app`; put labels "
            "in a metadata.csv; or list the classes and their folders in clean.labels. "
            f"{note}Expected, for example:\n{EXPECTED}\nReceived:\n{tree_of(map(folder_of, names))}"
        )


def describe_class_counts(counts: Counter[str], kind: LabelKind = ONE_CLASS) -> str:
    """Return text such as "2 classes: cat (20), dog (18); 3 unknown; 5 unlabelled".

    If there are more than SHOWN classes, only the largest and the smallest are listed. `counts` is
    from `count_labels`; it contains the number of images for each class, UNKNOWN and "". With
    several labels, NEITHER is not one of them.
    """
    others = dict.fromkeys(kind.empty, "with none of them") | {UNKNOWN: UNKNOWN, "": UNLABELLED}
    classes = sorted(counts.keys() - others)
    each = [f"{printable(label)} ({counts[label]:,})" for label in classes]
    if len(classes) > SHOWN:
        numbers = [counts[label] for label in classes]
        largest, smallest = (each[numbers.index(end(numbers))] for end in (max, min))
        each = [f"the largest {largest}", f"the smallest {smallest}"]
        each = each if largest != smallest else [f"{numbers[0]:,} images each"]
    number = counted(len(classes), kind.noun)
    parts = [f"{number}: {', '.join(each)}" if each else number]
    parts += [f"{counts[label]:,} {name}" for label, name in others.items() if counts[label]]
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
    start = len(commonprefix([one, other]))  # noqa: RUF071 - of letters
    end = len(commonprefix([one[start:][::-1], other[start:][::-1]]))  # noqa: RUF071
    first, second = one[start : len(one) - end], other[start : len(other) - end]
    if len(first) == len(second) == 2:
        return first == second[::-1]
    is_word = one[:start][-1:].isalpha() and not (first + second).isupper()
    is_one_letter = max(len(first), len(second)) == 1 and (first + second).isalpha()
    return is_one_letter and (end > 0 or is_word)


def describe_names(places: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield lines about hidden problems with file names, given each file's label and split.

    These are masks beside photos, folders whose files are not read, folders that are named like
    splits but are not used as splits, and paths that are the same on some systems: macOS and
    Windows ignore case, and macOS treats composed and decomposed letters alike. A class named
    NEITHER is explained. At most SHOWN unread folders and five problems of each other kind are
    listed.
    """
    yield from _describe_marked(places)
    if unread := _unread_folders(places):
        names = [f"{folder}/ ({count_suffixes(files)})" for folder, files in unread.items()]
        yield f"no readable image in {name_some(names, SHOWN)}; formats: `pawprint docs images`"
    labelled = {name: place for name, place in places.items() if place[0] not in ("", UNKNOWN)}
    number = Counter(
        f"{folder}/"
        for name, (label, split) in labelled.items()
        for folder in folder_of(name)
        if not split and folder != label and split_in_words(folder)
    )
    if unused := sorted(folder for folder in number if number[folder] < len(labelled)):
        yield (
            f"named like splits but not used as splits: {name_some(unused)}; see "
            "`pawprint docs splits`"
        )
    paths = defaultdict(list)
    for name in places:
        paths[normalize("NFC", name).casefold()].append(name)
    pairs = [" and ".join(map(printable, same)) for same in paths.values() if len(set(same)) > 1]
    if pairs:
        yield f"paths that macOS or Windows treats as the same file: {name_some(pairs)}"
    if NEITHER in {label for label, _ in places.values()}:
        yield f"in labels.csv, {NEITHER} excludes no image, but labels it {NEITHER}"
    if rejected := sorted(filter(NOT_ON_WINDOWS.search, places)):
        yield f"paths that cannot exist on Windows: {name_some(rejected)}"


def _describe_marked(places: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """Yield a line about files such as 01_mask.png beside 01.png, for most photos of a class."""
    images = {name: label for name, (label, _) in places.items() if label and is_image_name(name)}
    stems = {name.rpartition(".")[0]: label for name, label in images.items()}
    counts = Counter((label, _mark(stem, stems)) for stem, label in stems.items())
    least = {label: max(2, counts[label, ""] / 2) for label, _ in counts}
    marks = sorted({mark for (label, mark), n in counts.items() if mark and n >= least[label]})
    if marks:
        number = sum(number for (_, mark), number in counts.items() if mark in marks)
        ends = "|".join(f"{re.escape(mark)}[^A-Za-z/]*" for mark in marks)
        yield (
            f"{number:,} of {len(images):,} files end in {name_some(marks)} beside a file of the "
            "same name: if they are masks, move them away; if they belong together, set "
            f"split.group: '^(.*?)(?:{ends})?[.][^./]*$'"
        )


def _mark(stem: str, stems: Container[str]) -> str:
    """Return what follows another of the `stems` in this one, without a number, or ""."""
    for end in range(len(stem) - 1, stem.rfind("/") + 1, -1):
        if stem[:end] in stems and (mark := stem[end:].rstrip(NUMBERING)):
            return mark
    return ""


def _unread_folders(names: Collection[str]) -> dict[str, list[str]]:
    """Return the files in each folder that contains files, but no image at any depth.

    Hidden folders and system folders are left out.
    """
    holders = {folder_of(name) for name in names if is_image_name(name)}
    with_images = {above for folder in holders for above in with_parents(folder)} | {()}
    unread = defaultdict(list)
    for name in names:
        if (folder := folder_of(name)) not in with_images:
            unread["/".join(folder)].append(name)
    return {folder: unread[folder] for folder in sorted(unread) if is_visible(f"{folder}/")}


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
