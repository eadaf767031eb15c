"""Test that the `code` stage finds errors in edited files before DVC removes an output."""

import contextlib
import hashlib
from pathlib import Path

import pytest
from conftest import PROJECT, git_project, overlay, photos_of, refused, repro, run, write_files

from pawprint.base import paths
from pawprint.base.errors import InputError
from pawprint.base.files import pack
from pawprint.base.package import DVC_IGNORE
from pawprint.base.yaml_file import parse_yaml
from pawprint.given.decoding.formats import FORMATS
from pawprint.given.names import SUFFIXES
from pawprint.pipeline.params.data import Split
from pawprint.pipeline.params.model import load_params
from pawprint.pipeline.recorded import Recorded
from stages.code import check_tables, describe, describe_idle, write_fingerprints

NAMES = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(3)]
TABLES = {"labels.csv": "path,label\n", "splits.csv": "pixels_sha256,split\n"}
LABELS = "clean: {labels: auto}"


def check(folder: Path, source: str, changes: str = LABELS) -> None:
    text = overlay((PROJECT / "params.yaml").read_text(encoding="utf-8"), changes)
    write_files(folder, {"params.yaml": text})
    with contextlib.chdir(folder):
        check_tables(load_params(), Path(source))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with photos, as a folder and as a zip, and empty tables."""
    photos = dict.fromkeys(NAMES, b"not read")
    pack(tmp_path / "photos.zip", photos.items())
    return write_files(tmp_path, {f"photos/{name}": data for name, data in photos.items()} | TABLES)


@pytest.mark.parametrize(
    ("table", "rows", "parts"),
    [
        ("labels.csv", "cat/9.jpg,dog\n", ("line 2", "cat/9.jpg")),
        ("labels.csv", "cat/1.jpg,dgo\n", ("line 2", "cat, dog or none", "dgo")),
        ("labels.csv", '"cat/1.jpg,dog\n', ("CSV",)),
        ("splits.csv", f"{64 * 'a'},tets\n", ("line 2", "tets")),
    ],
)
@pytest.mark.parametrize("source", ["photos", "photos.zip"])
def test_error_in_a_table_is_found_without_reading_photos(folder, source, table, rows, parts):
    check(folder, source)
    write_files(folder, {table: TABLES[table] + rows})
    with refused(table, *parts):
        check(folder, source)


def test_columns_of_the_tables_are_checked_where_the_photos_are_not_known(folder):
    for table in TABLES:
        write_files(folder, {table: "name,text\n"})
        with refused(table, "line 1", "name,text"):
            check(folder, "elsewhere.tar")
        write_files(folder, {table: TABLES[table]})


def test_folders_and_thresholds_of_other_classes_are_found(folder):
    with pytest.raises(InputError, match=r"photos: .*clean\.labels\.bird"):
        check(folder, "photos", "clean: {labels: {cat: [cat], bird: [bird]}}")
    with refused("params.yaml: calibrate.threshold", "dgo", "dog"):
        check(folder, "photos", f"{LABELS}\ncalibrate: {{threshold: {{dgo: 0.4}}}}")


def test_labels_that_later_stages_take_are_taken(folder):
    name = "photos/cat/cafe\u0301.jpg"  # decomposed, as on macOS
    rows = f"cat/caf\u00e9.jpg,dog\nold.jpg,dog,{64 * 'a'}\ndog/0.jpg,none\n"
    write_files(folder, {name: "", "labels.csv": f"path,label,pixels_sha256\n{rows}"})
    check(folder, "photos")
    table = "file_name,label\n" + "".join(f"{each},{each[0]}\n" for each in NAMES)
    write_files(folder, {"photos/metadata.csv": table, "labels.csv": "path,label\ncat/0.jpg,d\n"})
    check(folder, "photos")
    write_files(folder, {"labels.csv": "path,label\ncat/0.jpg,c|new\n"})
    changes = (
        "clean: {labels: auto, several_labels: true, not_asked: [new]}\nmodel: {fine_tune_at: null}"
    )
    check(folder, "photos", f"{changes}\ncalibrate: {{threshold: {{new: 0.4}}}}")


def test_photos_that_dvc_leaves_out_are_not_compared(folder):
    write_files(folder, {"photos/cat/raw/1.jpg": "", "labels.csv": "path,label\ncat/0.jpg,dog\n"})
    with refused("the same class"):
        check(folder, "photos")
    for path in (DVC_IGNORE, Path("photos/cat", DVC_IGNORE)):
        write_files(folder, {path: "raw\n"})
        check(folder, "photos")
        (folder / path).unlink()


def test_wrong_table_leaves_all_outputs_in_place(tmp_path):
    write_files(tmp_path / "photos", photos_of(NAMES))
    project = git_project(tmp_path / "project", f"fetch: {{source: ../photos}}\n{LABELS}")
    assert repro(project, "clean") == ["fetch", "clean"]
    outputs = {path: path.stat().st_ino for path in (project / "data").rglob("*")}
    write_files(project, {"labels.csv": "path,label\ncat/0.jpg,dgo\n"})
    result = run("dvc", "repro", "clean", cwd=project)
    assert result.returncode and "labels.csv: line 2: " in result.stderr
    assert "has removed" not in result.stderr
    assert {path: path.stat().st_ino for path in (project / "data").rglob("*")} == outputs


def test_names_of_images_are_those_of_the_formats_that_are_read():
    from PIL import Image

    formats = Image.registered_extensions()
    assert {suffix for suffix, name in formats.items() if name in FORMATS} == SUFFIXES


def test_stage_that_never_ran_is_no_change_of_code():
    """After `dvc repro split`, which `try` runs, a full run does not change any fingerprint."""
    texts = {"clean": "1  pawprint/a.py\n", "features": "2  pawprint/b.py\n"}
    assert describe(Recorded(""), texts)[0].startswith("this is the first run here")
    md5 = hashlib.md5(texts["clean"].encode()).hexdigest()
    deps = f"[{{path: data/code/clean.txt, md5: {md5}}}]"
    after_split = Recorded(f"stages: {{clean: {{deps: {deps}}}}}")
    assert describe(after_split, texts) == ["no stage's code changed"]
    edited = texts | {"clean": "3  pawprint/a.py\n"}
    assert describe(after_split, edited)[0].startswith("clean changed")


def test_edit_that_changes_nothing_is_named_until_it_has_run(tmp_path):
    frozen, tuned = "model: {fine_tune_at: null}", "model: {fine_tune_at: auto}"
    finetune, dropout = "train_finetune: {class_weight: null}", "head: {dropout: 0.5}"
    for changes, edit, names in (
        (frozen, f"{finetune}\nhead: {{output: logits}}", ["train_finetune"]),
        (frozen, dropout, ["head.dropout"]),
        (f"{frozen}\ntrain_extract: {{epochs: {{}}}}", dropout, []),
        (tuned, f"{finetune}\n{dropout}", []),
    ):
        before = overlay((PROJECT / "params.yaml").read_text(encoding="utf-8"), changes)
        write_files(tmp_path, {"params.yaml": (after := overlay(before, edit))})
        params, content = load_params(tmp_path / "params.yaml"), parse_yaml(after, "")
        recorded = Recorded("")
        assert describe_idle(params, content, recorded) == []
        for text, found in ((before, names), (after, [])):
            recorded.stages["train_finetune"] = {"params": {"params.yaml": parse_yaml(text, "")}}
            lines = describe_idle(params, content, recorded)
            assert [line.split()[0] for line in lines] == found


def test_params_that_the_page_shows_are_not_rounded(tmp_path, monkeypatch):
    text = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    write_files(tmp_path, {"params.yaml": overlay(text, "split: {test_fraction: 0.1666666667}")})
    monkeypatch.chdir(tmp_path)
    write_fingerprints()
    assert Split.load(path=paths.SHOWN_PARAMS) == Split.load()
