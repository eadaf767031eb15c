"""Test what `plot` says about the last commit."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, change, commit, git_init, write_files
from made_up_run import OF_FILE, write_photos

from pawprint.base import paths
from pawprint.base.columns import (
    HISTORY,
    IMAGES,
    JUDGED,
    MEASURES,
    METADATA,
    PREDICTED_CLASSES,
    REJECTED,
    SPLIT,
)
from pawprint.base.files import md5, read_json, write_json
from pawprint.base.labels import UNKNOWN
from pawprint.base.tables import read_table, write_table
from pawprint.base.yaml_file import read_yaml
from pawprint.given.user_tables import EMPTY_TABLES
from pawprint.report.since_commit import describe_since_commit, images_of
from pawprint.scores.prediction_table import with_image
from stages import split

RECORDED = {
    "clean": [],
    "split": [paths.SPLIT_CSV, paths.UNKNOWN_CSV, paths.REJECTED_CSV],
    "train_extract": [paths.CROSS_VALIDATION_CSV, paths.CROSS_VALIDATION_JSON],
    "evaluate": [paths.PREDICTED_CLASSES_CSV["test"]],
    "plot": [],
}
NONE_REJECTED = pd.DataFrame(columns=list(REJECTED))


def images(label: str, numbers: range) -> pd.DataFrame:
    hashes = [hashlib.sha256(f"{label}{number}".encode()).hexdigest() for number in numbers]
    table = pd.DataFrame({"path": [f"all/{label}/{n}.jpg" for n in numbers]})
    return table.assign(
        label=label,
        group="",
        width=300,
        height=100,
        **dict.fromkeys(MEASURES, 9.0),
        pixels_sha256=hashes,
        perceptual_hash=hashes,
        taken="",
        camera="",
        **OF_FILE,
    )


WASTE = pd.concat([images(label, range(40)) for label in ("glass", "metal", "paper")])


class Committed:
    """A project whose last commit contains a run of `split` as DVC records it."""

    def __init__(self, folder: Path, table: pd.DataFrame = WASTE) -> None:
        self.folder = folder
        self.md5s: dict[Path, str] = {}  # MD5s of the files that DVC tracks
        folder.mkdir()
        shutil.copy(PROJECT / "params.yaml", folder)
        write_files(folder, {str(path): text for path, text in EMPTY_TABLES.items()})
        (folder / ".gitignore").write_text("/data\n/.dvc\n")
        git_init(folder)
        self.split(table)
        self.commit()

    def split(self, table: pd.DataFrame, unknown: pd.DataFrame = WASTE[:0]) -> None:
        self.images = table.reset_index(drop=True)
        write_table(self.folder / paths.IMAGES_CSV, pd.concat([table, unknown]), IMAGES)
        metadata = pd.DataFrame(columns=list(METADATA))
        write_table(self.folder / paths.METADATA_CSV, metadata, METADATA)
        write_photos(self.folder, table["path"])
        write_table(self.folder / paths.CLEAN_REJECTED_CSV, NONE_REJECTED, REJECTED)
        with contextlib.chdir(self.folder):
            split.main()

    def commit(self) -> None:
        stages = {}
        with contextlib.chdir(self.folder):
            for stage, listed in RECORDED.items():
                present = [path for path in listed if path.exists()]
                outs = [{"path": path.as_posix(), "md5": md5(path)} for path in present]
                for path, out in zip(present, outs):
                    self.md5s[path] = out["md5"]
                    cached = self.folder / ".dvc/cache/files/md5" / out["md5"][:2]
                    cached.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, cached / out["md5"][2:])
                stages[stage] = {"outs": outs}
            params = read_yaml(paths.PARAMS)
            stages["plot"]["params"] = {"params.yaml": params}
            paths.LOCK.write_text(json.dumps({"stages": stages}))
        commit(self.folder, "Run")


@pytest.fixture
def committed(tmp_path) -> Committed:
    return Committed(tmp_path / "project")


@pytest.mark.parametrize("number", [0, 60])
def test_split_counts_the_groups_of_both_keys_and_names_the_table_with_a_column(
    committed, capsys, number
):
    """Other advice than the column would make a second key, if there is a column."""
    change(committed.folder, "split: {group: 'all/(.*/[0-9])'}")
    committed.split(WASTE.assign(group=[f"{n // 3}" * (n < number) for n in range(len(WASTE))]))
    assert ("20 groups of the column and 30 of" in capsys.readouterr().out) == bool(number)
    assert ("group" in read_json(committed.folder / paths.SERIES_JSON)) == bool(number)


def relabelled(table: pd.DataFrame, pixels: str, label: str) -> pd.DataFrame:
    return table.assign(label=table["label"].mask(table["pixels_sha256"] == pixels, label))


def since(
    committed: Committed, unknown: pd.DataFrame = WASTE[:0], rejected=NONE_REJECTED
) -> list[str]:
    with contextlib.chdir(committed.folder):
        rows = read_table(paths.SPLIT_CSV, SPLIT)
        params = read_yaml(paths.PARAMS)
        return describe_since_commit(images_of(rows, unknown, rejected), params)


def test_end_of_a_run_says_what_changed_in_labels_photos_and_splits(committed):
    assert since(committed) == [
        "Since the last commit: the same photos, labels, splits, params and code"
    ]
    more = [images(label, range(40, 50)) for label in ("metal", "glass")]
    unknown = images(UNKNOWN, range(2))
    table = pd.concat([committed.images, *more], ignore_index=True)
    committed.split(relabelled(table, table["pixels_sha256"][0], "metal")[:-1], unknown)
    damaged = pd.DataFrame([("glass/49.jpg", "glass", "truncated", "")], columns=list(REJECTED))
    line, advice = since(committed, unknown, damaged)
    assert line.startswith(
        "Since the last commit: 1 label corrected (glass to metal), 21 photos added (metal 10, "
        "glass 9, unknown 2), 1 file rejected (not counted before), "
    )
    assert line.count(" moved (") == 1
    assert "`git commit`" in advice and "`pawprint discard`" in advice
    committed.split(WASTE[:-30])
    assert since(committed)[0] == "Since the last commit: 30 photos removed (paper)"
    cache = (committed.folder / ".dvc").rename(committed.folder.parent / "cache")
    assert "are unknown: run `dvc pull` before a run" in since(committed)[0]
    cache.rename(committed.folder / ".dvc")
    text = (committed.folder / paths.LOCK).read_text()
    older = text.replace("split/unknown.csv", "clean/unknown.csv")  # of another version
    (committed.folder / paths.LOCK).write_text(older)
    commit(committed.folder, "Older run")
    assert since(committed)[0].endswith("are unknown")
    (committed.folder / paths.LOCK).unlink()
    commit(committed.folder, "No run")
    assert since(committed) == []


def test_params_of_the_last_run_are_named_with_their_values(committed):
    """They come from its run, not from params.yaml, which may have been committed earlier."""
    secret = "https://user:correct-horse@host/photos.zip"
    change(committed.folder, f"fetch: {{source: '{secret}'}}")
    committed.commit()
    change(
        committed.folder,
        "calibrate: {max_error: 0.05}\naugment: {RandomRotation: {factor: 0.2}}\n"
        "fetch: {source: photos}",
    )
    commit(committed.folder, "Params")
    assert since(committed)[0] == (
        "Since the last commit: fetch.source: https://host/photos.zip → photos, "
        "augment.RandomRotation.factor: 0.03 → 0.2, calibrate.max_error: null → 0.05"
    )


def predict(
    committed: Committed, wrong: int, *, is_tuned: bool = False, epochs: int = 0, c: float = 1
) -> None:
    """Write predictions of a run with `wrong` errors in each set; 0 epochs mean a fitted head."""
    rows = read_table(committed.folder / paths.SPLIT_CSV, SPLIT)
    other = rows["label"].map({"glass": "metal", "metal": "glass"}).fillna("glass")
    rows = rows.assign(likely=other, number=rows.groupby("split").cumcount())
    is_wrong = rows["number"] < wrong
    losses = 0.1 + rows["number"] / 1000 + 2 * is_wrong
    tables = rows.assign(
        actual=rows["label"],
        predicted=rows["label"].mask(is_wrong, other),
        loss=losses,
        probability=np.exp(-losses),
        likely_probability=1 - np.exp(-losses),
    )
    for name, path in paths.PREDICTED_CLASSES_CSV.items():
        part = with_image(tables[tables["split"] == name])
        write_table(committed.folder / path, part, PREDICTED_CLASSES)
    history = pd.DataFrame({name: [1] for name in HISTORY}).assign(kept=is_tuned)
    write_table(committed.folder / paths.FINETUNE_HISTORY_CSV, history, HISTORY)
    of_head = pd.concat([history.assign(epoch=n) for n in range(1, epochs + 1) or [0]])
    write_table(committed.folder / paths.EXTRACT_HISTORY_CSV, of_head, HISTORY)
    training = tables[tables["split"] == "train"]
    write_table(committed.folder / paths.CROSS_VALIDATION_CSV, training, JUDGED)
    write_json(committed.folder / paths.CROSS_VALIDATION_JSON, {"C": c})


def test_verdict_is_left_out_without_the_tables_of_the_last_run(committed):
    predict(committed, 0)
    committed.commit()
    identical = "The predictions of the last commit and this run are identical on all 120 images"
    assert since(committed)[1].startswith(identical)
    predict(committed, 15)
    _, verdict, beside, advice = since(committed)
    assert "differs between computers" in advice
    assert verdict.startswith("This run is worse than the last commit: log loss ")
    assert "on 96 validation images and training images (in folds)." in verdict
    assert "deciding nothing, 24 test images: " in beside
    predict(committed, 15, c=1 + 1e-9)
    assert since(committed)[1] == verdict
    predict(committed, 15, c=30)
    assert "Cross-validation chose other values (C: 1 → 30)" in since(committed)[1]
    for epochs in ({"is_tuned": True}, {"epochs": 3}):
        predict(committed, 15, **epochs)
        assert "on 24 validation images, which have also chosen the epoch" in since(committed)[1]
    committed.split(WASTE.replace({"glass": "bottle", "metal": "can"}))
    predict(committed, 0)
    assert since(committed)[1].startswith("Nothing can be compared: the last commit and this run ")
    for name in (paths.CROSS_VALIDATION_CSV, paths.SPLIT_CSV):
        shutil.rmtree(committed.folder / ".dvc/cache/files/md5" / committed.md5s[name][:2])
        assert not any("this run" in line for line in since(committed)[1:-1])


def test_stages_with_other_code_are_named(committed):
    lock = committed.folder / paths.LOCK
    content = json.loads(lock.read_text())
    for stage in content["stages"]:
        path = committed.folder / paths.CODE / f"{stage}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(stage)
        content["stages"][stage].setdefault("deps", []).append(
            {"path": f"data/code/{stage}.txt", "md5": md5(path)}
        )
    lock.write_text(json.dumps(content))
    commit(committed.folder, "Run")
    assert since(committed)[0].endswith("the same photos, labels, splits, params and code")
    for stage in ("clean", "plot"):  # `plot` does not change predictions
        (committed.folder / paths.CODE / f"{stage}.txt").write_text("other")
    assert since(committed)[0] == "Since the last commit: other code or packages (of clean)"
