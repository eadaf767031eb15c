"""Test what an edit costs: the stages that run, the photos that are decoded and embedded.

Each edit is made in a copy of one project, in which real `dvc repro` then runs real stages. An
audit hook records every file of the project that a stage opens: if a stage read a file that it does
not list, its results could become stale.
"""

import io
import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import (
    FROZEN,
    OFFLINE,
    change,
    commit,
    encode,
    git_project,
    photo,
    photos_of,
    printed,
    replace,
    repro,
    succeed,
    write_files,
)
from dependencies import recording, surprises
from dvc_yaml import OUTPUTS
from kills import MADE, fingerprint
from PIL import Image

from pawprint.base import paths
from pawprint.base.columns import IMAGES, SPLIT, SPLITS
from pawprint.base.files import pack
from pawprint.base.tables import read_table
from pawprint.base.yaml_file import read_yaml
from pawprint.given.archive import members, open_archive, read_member

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
    "label": Edit(label, "split train_extract predict evaluate plot"),
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
    "epochs": Edit(params("train_finetune: {epochs: {number: 1}}"), "train_finetune plot"),
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


RESULTS = ["data/outputs", "models/network", "models/served", "plots/predictions.csv"]


@pytest.mark.slow
def test_model_is_that_of_a_fresh_run_whether_it_was_tuned_before_or_not(tiny_copy):
    """Without fine-tuning, a label skips the stage train_finetune."""
    project = tiny_copy
    label(project)
    assert "train_finetune" not in repro(project)
    change(project, "model: {fine_tune_at: 54}")
    assert "train_finetune" in repro(project)
    replace(project / paths.LABELS_CSV, f"{CAT},dog", f"{DOG},cat")
    check_against_forced(project)
    change(project, "model: {fine_tune_at: null}")
    check_against_forced(project)


def check_against_forced(project: Path) -> None:
    """Check that a run gives the same model and predictions as one in which all stages run."""
    repro(project)
    found = fingerprint(project, RESULTS)
    repro(project, "--force", "evaluate")
    assert fingerprint(project, RESULTS) == found


NAMES = [f"{label}/{number:02}.jpg" for label in ("cat", "dog") for number in range(30)]
# Its sides are so long that a JPEG is decoded at half its size.
LARGE = encode(Image.open(io.BytesIO(photo(99))).resize((400, 400)))


def names_and_formats(project: Path) -> None:
    """Rename a photo and a folder, add an unlabelled photo, and save one as PNG in its place."""
    folder = project / "photos"
    (folder / "cat/03.jpg").rename(folder / "cat/renamed.jpg")
    (folder / "cat").rename(folder / "kitten")
    write_files(folder, {"unlabelled/1.jpg": photo(100)})
    Image.open(io.BytesIO(LARGE)).save(folder / "dog/large.jpg", "PNG")


def columns_and_rows(project: Path) -> None:
    """Write a table with a split, a group and a site for each photo, and correct two labels."""
    rows = ["file_name,label,split,group,site\n"]
    for number, path in enumerate(sorted(project.glob("photos/*/*"))):
        label, split = path.parent.name, (*SPLITS, "train", "train")[number % 5]
        rows.append(f"{label}/{path.name},{label},{split},{number // 10},{'ab'[number % 2]}\n")
    write_files(project / "photos", {"metadata.csv": "".join(rows)})
    replace(project / "photos/metadata.csv", "kitten/05.jpg,kitten", "kitten/05.jpg,dog")
    kept = read_table(project / paths.SPLIT_CSV, SPLIT).set_index("path")["pixels_sha256"]
    row = f"kitten/gone.jpg,dog,{kept['kitten/06.jpg']}"
    write_files(project, {"labels.csv": f"path,label,pixels_sha256\n{row}\n"})


def recipe(project: Path) -> None:
    commit(project, "Before the recipe")
    printed(project, "recipes", "use", "three-classes")
    change(project, "{train_extract: {class_weight: null}, train_finetune: {epochs: {number: 1}}}")


# A param of each section but those of the recipe.
EACH = """{clean: {bits: 12}, split: {seed: 2}, model: {resize: pad}, hardware: {threads: 1},
  augment: {views: 3}, head: {dropout: 0.5}, calibrate: {max_error: 0.5}}"""
STEPS = (names_and_formats, columns_and_rows, params(EACH), recipe)


@pytest.mark.slow
def test_each_edit_gives_what_a_new_project_gives(tmp_path):
    changes = FROZEN.replace("../images.zip", "photos")
    project = git_project(tmp_path / "project", f"{changes}{OFFLINE}clean: {{labels: auto}}")
    write_files(project / "photos", photos_of(NAMES) | {"dog/large.jpg": LARGE})
    succeed("dvc", "add", "photos", cwd=project)
    repro(project)
    commit(project, "First")
    first = made(project)
    for number, edit in enumerate(STEPS):
        edit(project)
        new = without_results(project, tmp_path / f"new {number}")
        with ThreadPoolExecutor(2) as pool:
            [*pool.map(repro, (project, new))]
        assert made(project) == made(new)
    succeed("git", "checkout", "-qf", "HEAD~1", cwd=project)
    succeed("dvc", "checkout", "-q", cwd=project)
    assert repro(project) == []
    assert made(project) == first


def without_results(project: Path, copy: Path) -> Path:
    """Return a copy of a project in which nothing can be reused but the pre-trained network."""
    shutil.copytree(project, copy, symlinks=True)
    stages = {"backbone": read_yaml(copy / paths.LOCK)["stages"]["backbone"]}
    results = {path for stage in set(OUTPUTS) - {"backbone"} for path in OUTPUTS[stage]}
    for path in map(copy.joinpath, (".dvc/cache", ".dvc/tmp", *results)):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (copy / paths.LOCK).write_text(json.dumps({"schema": "2.0", "stages": stages}))
    return copy


def made(project: Path) -> tuple[object, ...]:
    return read_yaml(project / paths.LOCK), fingerprint(project, MADE[:-1])
