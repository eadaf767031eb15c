"""Test what an edit costs: the stages that run, the photos that are decoded and embedded.

Each edit is made in a copy of one project, in which real `dvc repro` then runs real stages. An
audit hook records every file of the project that a stage opens: if a stage read a file that it does
not list, its results could become stale.
"""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import change, photo, replace, repro, succeed
from dependencies import recording, surprises
from kills import fingerprint

from pawprint.base import paths
from pawprint.base.columns import IMAGES, SPLIT
from pawprint.base.files import pack
from pawprint.base.tables import read_table
from pawprint.given.archive import members, open_archive, read_member
from stages import clean, features

PHOTOS = 81
CAT, DOG = "drawn/train/cats/cat.0002.jpg", "drawn/train/dogs/dog.0003.jpg"


class Edit(NamedTuple):
    """An edit, the stages that run after it, and how many photos they decode and embed."""

    make: Callable[[Path], object]
    stages: str
    decoded: int = 0
    embedded: int = 0
    targets: tuple[str, ...] = ()  # of DVC, with its options


def params(text: str) -> Callable[[Path], object]:
    return lambda project: change(project, text)


def module(name: str) -> Callable[[Path], object]:
    """Return an edit of the code in this module that changes nothing of what it does."""

    def make(project: Path) -> None:
        with (project / "pawprint" / name).open("a", encoding="utf-8") as file:
            file.write("UNUSED = 0\n")

    return make


def comments(project: Path) -> None:
    replace(project / "params.yaml", "\nsplit:", "\n# a comment\nsplit:")
    with (project / "pawprint/given/decoding/decoder.py").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")


def label(project: Path, *more: str) -> None:
    with (project / paths.LABELS_CSV).open("a", encoding="utf-8") as labels:
        labels.writelines(f"{path},dog\n" for path in (CAT, *more))


def more_labels(project: Path) -> None:
    """Label so many photos of the test set otherwise that others take their places."""
    split = read_table(project / paths.SPLIT_CSV, SPLIT)
    is_moved = (split["split"] == "test") & (split["label"] == "cat")
    label(project, *split["path"][is_moved])


def repack(project: Path, edit: Callable[[dict[str, bytes]], object]) -> None:
    with open_archive(project / paths.RAW_ARCHIVES) as archive:
        files = {name: read_member(archive, name) for name in members(archive)}
    edit(files)
    pack(project.parent / "images.zip", files.items())


def photos(project: Path) -> None:
    """Add a photo, and one with the pixels of another class; replace one and rename one."""

    def edit(files: dict[str, bytes]) -> None:
        files["drawn/train/cats/new.jpg"] = photo(1)
        files["drawn/train/cats/copy.jpg"] = files["drawn/train/dogs/dog.0004.jpg"]
        files[DOG] = photo(2)
        files["drawn/train/cats/renamed.jpg"] = files.pop(CAT)

    repack(project, edit)


def held_out_photos(project: Path) -> None:
    """Remove a photo of the test set, and add two of no class; the splits are kept."""
    split = read_table(project / paths.SPLIT_CSV, SPLIT)
    split[["pixels_sha256", "split"]].to_csv(project / paths.SPLITS_CSV, index=False)
    removed = split["path"][split["split"] == "test"].iloc[0]
    unknown = {f"drawn/unknown/{number}.jpg": photo(number) for number in range(2)}
    repack(project, lambda files: (files.pop(removed), files.update(unknown)))


def nothing(project: Path) -> None:
    """Make no edit."""


def damaged_cache(project: Path) -> None:
    table = (project / paths.IMAGES_CSV).read_bytes()
    for path in (project / ".dvc/cache/files").rglob("*"):
        if path.is_file() and path.read_bytes() == table:
            path.chmod(0o644)
            path.write_bytes(table.replace(b",8,8,", b",8,9,"))


FEATURES = ("features",)
FORCED = ("--force", "--single-item")
EDITS = {
    "comments": Edit(comments, ""),
    "temperature": Edit(params("calibrate: {temperature: false}"), "evaluate plot"),
    "cleaning": Edit(module("data/cleaning.py"), "clean", targets=("split",)),
    "label": Edit(label, "split train_extract train_finetune predict evaluate plot"),
    "labels that move photos": Edit(more_labels, "split features", targets=FEATURES),
    "photos": Edit(photos, "fetch clean split features", 2, 2, FEATURES),
    "decoder": Edit(
        module("given/decoding/formats.py"), "clean split features", PHOTOS, 0, FEATURES
    ),
    "row of features": Edit(module("network/rows.py"), "features", 0, PHOTOS, FEATURES),
    "nothing, forced": Edit(nothing, "clean features", targets=(*FORCED, "clean", "features")),
    "damaged cache, forced": Edit(damaged_cache, "clean", PHOTOS, 0, (*FORCED, "clean")),
}
SLOW = {
    "score": Edit(module("scores/metrics.py"), "evaluate plot"),
    "held-out photos": Edit(
        held_out_photos, "fetch clean split features predict evaluate", 2, 2, ("evaluate",)
    ),
    "views": Edit(params("augment: {views: 3}"), "features", 0, 41, FEATURES),
    "bits": Edit(params("clean: {bits: 12}"), "clean split features", PHOTOS, 0, FEATURES),
    "rule": Edit(params("clean: {rule: jfif}"), "clean split", PHOTOS, 0, FEATURES),
    "epochs": Edit(
        params("train_finetune: {epochs: {number: 1}}"), "train_finetune predict evaluate plot"
    ),
}


def count(pattern: str, printed: str) -> int:
    """Return the number that a stage printed, or 0."""
    match = re.search(pattern, printed)
    return int(match[1]) if match else 0


@pytest.mark.parametrize(
    "name", [*EDITS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_edit_runs_decodes_and_embeds_what_it_decides_and_no_more(tiny_copy, name):
    edit, project, records = (EDITS | SLOW)[name], tiny_copy, tiny_copy.parent / "records"
    edit.make(project)
    printed = succeed("dvc", "repro", *edit.targets, cwd=project, **recording(records))
    ran = [stage for stage in re.findall("Running stage '(.*)'", printed) if stage != "code"]
    assert ran == edit.stages.split()
    kept = len(read_table(project / paths.IMAGES_CSV, IMAGES)) if "clean" in ran else 0
    assert kept - count("clean: (.*) images were not decoded again", printed) == edit.decoded
    assert count("features: (.*) images computed", printed) == edit.embedded
    for stage in ran:
        assert surprises(project, stage, records / f"{stage}.txt") == set()
    if 0 < edit.decoded < PHOTOS:
        check_from_nothing(project)


def check_from_nothing(project: Path) -> None:
    """Check that outputs with reused rows equal those of a run that cannot reuse anything."""
    before = fingerprint(project, ["data/clean", "data/features"])
    (project / paths.LOCK).unlink()
    with contextlib.chdir(project):
        clean.main()
        features.main()()
    assert fingerprint(project, ["data/clean", "data/features"]) == before


RESULTS = ["data/outputs", "models/network", "models/served", "plots/predictions.csv"]


@pytest.mark.slow
def test_model_is_that_of_a_fresh_run_whether_it_was_tuned_before_or_not(tiny_copy):
    """Without fine-tuning, a label skips the stage train_finetune."""
    project, untuned = tiny_copy, params("model: {fine_tune_at: null}")
    untuned(project)
    assert "train_finetune" in repro(project)
    label(project)
    assert "train_finetune" not in repro(project)
    change(project, "model: {fine_tune_at: 54}")
    assert "train_finetune" in repro(project)
    replace(project / paths.LABELS_CSV, f"{CAT},dog", f"{DOG},cat")
    check_against_forced(project)
    untuned(project)
    check_against_forced(project)


def check_against_forced(project: Path) -> None:
    """Check that a run gives the same model and predictions as one in which all stages run."""
    repro(project)
    found = fingerprint(project, RESULTS)
    repro(project, "--force", "evaluate")
    assert fingerprint(project, RESULTS) == found
