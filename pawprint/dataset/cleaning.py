"""Decode every image once; list the usable ones, and the reason for each rejected one."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Container
from pathlib import Path, PurePosixPath

import imagehash
from PIL import Image
from tqdm import tqdm

from pawprint.core.errors import InputError, printable
from pawprint.core.params import Clean
from pawprint.dataset.corrections import NEITHER, read_corrections
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.decoder import decode
from pawprint.images.threads import map_in_threads
from pawprint.images.unusable import REASONS, UnusableImageError

ARCHIVE_SPLITS = ("train", "validation")
# TensorFlow Datasets drops a file of PetImages without these letters in its first ten bytes:
# https://github.com/tensorflow/datasets/blob/master/tensorflow_datasets/image_classification/cats_vs_dogs.py
JFIF, JFIF_WITHIN = b"JFIF", 10
FOLDERS_SHOWN = 20  # in an error's one line


def clean(
    params: Clean, archive_path: Path, corrections_path: Path
) -> tuple[list[dict], list[dict]]:
    """Rows of the images that can be used, and of the files that cannot with reason and detail.

    Every file of the archive stands in exactly one of the two, sorted by path; of files of one
    name none is kept, and of images with the same pixels the first, unless they bear both labels.
    A kept path is the member's name as it stands in the archive, a rejected one is that name made
    printable. Raises InputError if a class of `clean.labels` has no folder in the archive, or no
    image is left of it, or a correction is of another image or label.
    """
    label_of_folder = {
        folder.lower(): label for label, folders in params.labels.items() for folder in folders
    }
    kept, rejected = [], []
    with open_archive(archive_path) as archive:
        names = members(archive)
        times = Counter(names)
        _require_folders(params, names, archive_path)
        corrections = read_corrections(corrections_path, times, params.labels)

        def examine(name: str) -> dict:
            if times[name] > 1:
                raise UnusableImageError("duplicate_name", f"{times[name]} files of this name")
            folder = _innermost_folder(name, label_of_folder)
            label = corrections.get(name) or label_of_folder.get(folder)
            if label == NEITHER:
                raise UnusableImageError("neither_class", f"{corrections_path} says {NEITHER}")
            if not label:
                raise UnusableImageError("no_class", "in no folder that clean.labels names")
            data = read_member(archive, name)
            image = decode(data)
            if params.rule == "jfif" and JFIF not in data[:JFIF_WITHIN]:
                raise UnusableImageError("no_jfif_header", "clean.rule is jfif")
            return {
                "path": name,
                "label": label,
                "archive_split": _innermost_folder(name, ARCHIVE_SPLITS),
                "width": image.width,
                "height": image.height,
                "pixels_sha256": pixels_sha256(image),
                # 64 bits of the lowest frequencies: docs/decisions/10
                "perceptual_hash": str(imagehash.phash(image)),
            }

        def examine_or_reject(name: str) -> dict:
            try:
                return examine(name)
            except UnusableImageError as unusable:
                return {
                    "path": printable(name),
                    "reason": unusable.reason,
                    "detail": printable(unusable.detail),
                }

        examined = map_in_threads(examine_or_reject, names)
        for row in tqdm(examined, total=len(names), desc="clean", unit="image", disable=None):
            (rejected if "reason" in row else kept).append(row)
    kept, duplicates = _without_duplicates(kept)
    rejected = sorted(rejected + duplicates, key=lambda row: row["path"])
    for label in params.labels:
        if not any(row["label"] == label for row in kept):
            raise InputError(
                f"{archive_path}: expected a usable image of class {label}. Received: "
                f"{describe(kept, rejected)}. See clean.labels."
            )
    return kept, rejected


def count(kept: list[dict], rejected: list[dict], labels: list[str]) -> dict:
    """`kept` per label and `rejected` per reason, with totals; zeros stand too."""
    per_label = Counter(row["label"] for row in kept)
    per_reason = Counter(row["reason"] for row in rejected)
    return {
        "kept": {"total": len(kept), **{label: per_label[label] for label in labels}},
        "rejected": {"total": len(rejected), **{name: per_reason[name] for name in REASONS}},
    }


def describe(kept: list[dict], rejected: list[dict]) -> str:
    """As in "kept 4 of 7 files (1 empty, 2 truncated)"."""
    per_reason = Counter(row["reason"] for row in rejected)
    reasons = [
        f"{per_reason[name]} {name.replace('_', ' ')}" for name in REASONS if name in per_reason
    ]
    return f"kept {len(kept):,} of {len(kept) + len(rejected):,} files" + (
        f" ({', '.join(reasons)})" if reasons else ""
    )


def pixels_sha256(image: Image.Image) -> str:
    """The same for images that decode to the same RGB pixels, whatever their files."""
    return hashlib.sha256(f"{image.width}x{image.height}:".encode() + image.tobytes()).hexdigest()


def _without_duplicates(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """The rows kept, and those rejected for pixels that another image has too."""
    same = defaultdict(list)
    for row in rows:
        same[row["pixels_sha256"]].append(row)
    kept, rejected = [], []
    for first, *others in same.values():
        labels = {row["label"] for row in (first, *others)}
        if len(labels) == 1:
            kept.append(first)
            rejected += [_duplicate(row, "duplicate", first) for row in others]
        else:
            rejected.append(_duplicate(first, "contradictory", others[0]))
            rejected += [_duplicate(row, "contradictory", first) for row in others]
    return kept, rejected


def _duplicate(row: dict, reason: str, other: dict) -> dict:
    detail = f"{row['label']} with the pixels of {other['path']}, {other['label']}"
    return {"path": printable(row["path"]), "reason": reason, "detail": printable(detail)}


def _require_folders(params: Clean, names: list[str], archive_path: Path) -> None:
    found = {part for name in names for part in PurePosixPath(name).parts[:-1]}
    for label, folders in params.labels.items():
        if not {folder.lower() for folder in folders} & {part.lower() for part in found}:
            raise InputError(
                f"{archive_path}: expected a folder named {' or '.join(folders)} "
                f"(clean.labels.{label}). Received folders: {_some(sorted(found)) or 'none'}."
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:FOLDERS_SHOWN])
    return shown + (f" and {len(names) - FOLDERS_SHOWN:,} more" if names[FOLDERS_SHOWN:] else "")


def _innermost_folder(name: str, known: Container[str]) -> str:
    """The deepest folder above a member that is one of the known, in lower case, or ""."""
    folders = (part.lower() for part in reversed(PurePosixPath(name).parts[:-1]))
    return next((folder for folder in folders if folder in known), "")
