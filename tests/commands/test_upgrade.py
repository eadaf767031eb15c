"""Test that an upgrade adds params to params.yaml, and keeps the user's values and comments."""

import contextlib
import hashlib
import json
import re
import shutil

import pandas as pd
import pytest
from conftest import PROJECT, refused, run

from pawprint.columns import IMAGES
from pawprint.files import write_json
from pawprint.params.earlier import require_current
from pawprint.params.file import add_missing, flat, overlay, set_params
from pawprint.params.model import load_params
from pawprint.paths import FEATURE_ROW_CODE, IMAGES_CSV, LOCK, STATE, UNKNOWN_CSV, UNLABELLED_CSV
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code, row_code
from pawprint.projects.earlier_params import renew_epochs
from pawprint.projects.upgrade import upgrade
from pawprint.tables import write_table
from pawprint.yaml_file import parse_yaml

TEMPLATE = (PROJECT / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("section", ["clean", "model", "calibrate", "plot"])
def test_params_that_are_missing_come_back_with_their_comments_and_no_other_line_changes(section):
    keys = [name.split(".")[1] for name in flat(TEMPLATE) if name.startswith(f"{section}.")][1:]
    for key in keys:
        lines = TEMPLATE.splitlines()
        start = lines.index(f"{section}:")
        at = start + next(
            n for n, line in enumerate(lines[start:]) if line.startswith(f"  {key}: ")
        )
        rest = [*lines[:at], *lines[at + 1 :]]
        added = add_missing("\n".join(rest), TEMPLATE).splitlines()
        assert flat("\n".join(added)) == flat(TEMPLATE)
        of_template, new = (re.split(" +# ", line) for line in (lines[at], added.pop(start + 1)))
        # A comment may continue on the next lines.
        assert "# ".join(new).startswith("# ".join(of_template))
        assert added == rest


def test_values_and_comments_of_the_user_stay():
    head = "head:\n  # strong\n  dropout: 0.4  # see the wiki\n"
    mine = f"# ours\n{head}fetch: {{source: photos}}  # our own\n"
    added = add_missing(mine, TEMPLATE)
    assert set(mine.splitlines()) <= set(added.splitlines())
    assert flat(added) == flat(TEMPLATE) | {"head.dropout": 0.4, "fetch.source": "photos"}
    assert add_missing(added, TEMPLATE) == added
    assert flat(add_missing("head: {dropout: 0.3}\n", TEMPLATE))["head.dropout"] == 0.3


def test_params_that_are_no_sections_are_one_line():
    with refused("params.yaml: expected sections with params"):
        flat("- 1\n")
    with refused("params.yaml: seed: expected a section"):
        flat("model: {}\nseed: 1\n")


def test_defaults_of_an_upgrade_are_those_of_new_projects(tmp_path):
    write_json(tmp_path / STATE, {"files": {}, "params": flat(TEMPLATE)})
    (tmp_path / "params.yaml").write_text(TEMPLATE, encoding="utf-8")
    (line,) = [line for line in upgrade(tmp_path) if "fine_tune_at" in line]
    assert line.endswith("is kept; the default is now null")
    without = "".join(row for row in TEMPLATE.splitlines(True) if "  fine_tune_at" not in row)
    (tmp_path / "params.yaml").write_text(without, encoding="utf-8")
    upgrade(tmp_path)
    assert flat((tmp_path / "params.yaml").read_text())["model.fine_tune_at"] is None


def test_projects_keep_their_views_and_learn_what_they_cost(tmp_path):
    for changes, has_price in (("model: {fine_tune_at: null}", True), ("{}", False)):
        params = overlay(TEMPLATE, changes)
        write_json(tmp_path / STATE, {"files": {}, "params": flat(params)})
        (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
        (line,) = [line for line in upgrade(tmp_path) if "augment.views" in line]
        assert "4 is kept; the default is now 1" in line
        assert ("4 times" in line and "pawprint try" in line) == has_price
        assert flat((tmp_path / "params.yaml").read_text())["augment.views"] == 4


# Unknown params, which users may have added, and what remains of each section.
GONE = {
    "model.fine_tune_last": 24,
    "calibrate.shadows": {"blur": 2},
    "old.size": 18,
    "old.colour": None,
}
MINE = TEMPLATE.replace(
    "model:\n", "model:\n  # ours\n  fine_tune_last: 24  # as the wiki says;\n  # of 154\n"
).replace(
    "\ncalibrate:\n", "\nold:\n  size: 18\n  colour: null\n\ncalibrate:\n  shadows: {blur: 2}\n"
)
AT_DEFAULT = TEMPLATE.replace("model:\n", "model:\n  # ours\n")
CHANGED = TEMPLATE.replace(
    "model:\n",
    "model:\n  # ours\n  # model.fine_tune_last: 24  # as the wiki says;\n  # of 154\n",
).replace("\ncalibrate:\n", "\n  # old.size: 18\n\ncalibrate:\n  # calibrate.shadows: {blur: 2}\n")


@pytest.mark.parametrize(("earlier", "left"), [(GONE, AT_DEFAULT), ({}, CHANGED)])
def test_params_that_no_longer_exist_go_and_those_of_the_user_become_comments(
    tmp_path, earlier, left
):
    write_json(tmp_path / STATE, {"files": {}, "params": earlier})
    (tmp_path / "params.yaml").write_text(MINE, encoding="utf-8")
    lines = upgrade(tmp_path)
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == left
    said = [line for line in lines if "no longer exists" in line]
    assert {line.split(": ")[1] for line in said} == set(GONE)
    is_advice = any("Set model.fine_tune_at (-24 " in line for line in said)
    assert is_advice == (not earlier)
    assert not any("no longer exists" in line for line in upgrade(tmp_path))


@pytest.mark.parametrize("is_changed", [True, False])
def test_features_that_the_next_run_computes_again_are_counted(tmp_path, is_changed):
    write_json(tmp_path / STATE, {"files": {}, "params": {}})
    (tmp_path / "params.yaml").write_text(TEMPLATE, encoding="utf-8")
    for name in ("requirements.txt", "labels.csv"):
        shutil.copy(PROJECT / name, tmp_path)
    for path, number in ((IMAGES_CSV, 5), (UNKNOWN_CSV, 0), (UNLABELLED_CSV, 2)):
        rows = pd.DataFrame("1", range(number), list(IMAGES))
        write_table(tmp_path / path, rows, dict.fromkeys(IMAGES, "str"))
    code = "" if is_changed else row_code(Code(tmp_path), FEATURE_ROW)
    md5 = hashlib.md5(code.encode()).hexdigest()
    deps = [{"path": FEATURE_ROW_CODE.as_posix(), "md5": md5}]
    write_json(tmp_path / LOCK, {"stages": {"features": {"deps": deps}}})
    lines = [line for line in upgrade(tmp_path) if "features of all" in line]
    assert [line.split(" of all ")[1].split()[0] for line in lines] == ["7"] * is_changed


def test_value_that_is_wrong_by_now_is_named(tmp_path):
    write_json(tmp_path / STATE, {"files": {}, "params": {}})
    params = TEMPLATE.replace("  seed: 1  # random seed; change", "  seed: one  # change")
    (tmp_path / "params.yaml").write_text(params, encoding="utf-8")
    assert any(line.startswith("params.yaml: split.seed: expected") for line in upgrade(tmp_path))


LABELS = {
    "": "path,label,pixels_sha256,how\n",
    "path,label\n": "path,label,pixels_sha256,how\n",
    # Quotes, line ends, the order of columns, empty lines and the mark of Excel are kept.
    'path,label\n"cat/1.jpg","dog"\ncat/2.jpg,cat,,\n': (
        'path,label,pixels_sha256,how\n"cat/1.jpg","dog",,\ncat/2.jpg,cat,,\n'
    ),
    '\ufeffsep=;\r\nlabel;"path"\r\n\r\ndog;"a\r\nb;.jpg"': (
        '\ufeffsep=;\r\nlabel;"path";pixels_sha256;how\r\n\r\ndog;"a\r\nb;.jpg";;'
    ),
    f"path,label,pixels_sha256\na.jpg,cat,{64 * 'a'}\nb.jpg,cat\n": (
        f"path,label,pixels_sha256,how\na.jpg,cat,{64 * 'a'},\nb.jpg,cat,,\n"
    ),
    "path,label,how\na.jpg,cat,page\n": "path,label,how,pixels_sha256\na.jpg,cat,page,\n",
    # These stay as they are.
    "path,label,note\na.jpg,cat,blurred\n": "path,label,note\na.jpg,cat,blurred\n",
    "path,label,\na.jpg,cat,blurred\n": "path,label,\na.jpg,cat,blurred\n",
    "file,label\n": "file,label\n",
}


@pytest.mark.parametrize("before", LABELS)
def test_table_of_labels_gets_its_columns_unless_it_has_others(tmp_path, before):
    """A page of labels then adds lines, and changes none."""
    write_json(tmp_path / STATE, {"files": {}, "params": {}})
    (tmp_path / "params.yaml").write_text(TEMPLATE, encoding="utf-8")
    table = tmp_path / "labels.csv"
    table.write_bytes(before.encode())
    lines = upgrade(tmp_path)
    assert table.read_bytes().decode() == LABELS[before]
    has_rows = LABELS[before] != before and "jpg" in before
    assert any(line.startswith("labels.csv: ") for line in lines) == has_rows
    assert not any(line.startswith("labels.csv: ") for line in upgrade(tmp_path))


def test_table_in_another_encoding_stays(tmp_path):
    write_json(tmp_path / STATE, {"files": {}, "params": {}})
    (tmp_path / "params.yaml").write_text(TEMPLATE, encoding="utf-8")
    content = "path\tlabel\na.jpg\tcat\n".encode("utf-16")
    (tmp_path / "labels.csv").write_bytes(content)
    upgrade(tmp_path)
    assert (tmp_path / "labels.csv").read_bytes() == content


EARLIER = """\
model: {fine_tune_at: null}
train_extract:
  optimizer: lbfgs  # solves a linear head
  epochs: null  # ours
  learning_rate: null
  class_weight: auto
  seed: null
train_finetune:
  epochs: 7
  optimizer: sgd
  learning_rate: 0.02  # why
  class_weight: balanced
  keep_best: true
  early_stopping: {patience: 3, monitor: loss, restore_best_weights: false}
  seed: 4

# The end
calibrate: {temperature: true}
"""


def test_params_of_epochs_of_earlier_versions_keep_their_values():
    text, notes = renew_epochs(EARLIER)
    values = flat(text)
    assert values["train_extract.epochs"] is None
    assert values["train_finetune.epochs"] == {
        "number": 7,
        "optimizer": "sgd",
        "learning_rate": 0.02,
        "keep_best": False,  # replaced by early_stopping without restore_best_weights
        "early_stopping": {"patience": 3},
        "seed": 4,
    }
    assert values["train_finetune.class_weight"] == "balanced"
    assert len(values) == 6 and "# The end\ncalibrate:" in text
    assert [line for line in notes if "early_stopping.monitor: no longer exists" in line]
    assert renew_epochs(text) == (text, [])


def test_params_of_a_project_of_the_version_before_are_right_after_upgrade(tmp_path):
    write_json(tmp_path / STATE, {"files": {}, "params": flat(EARLIER)})
    phases = EARLIER[EARLIER.index("train_extract") : EARLIER.index("\n# The end")]
    today = TEMPLATE[TEMPLATE.index("train_extract:") : TEMPLATE.index("\ncalibrate:")]
    path = tmp_path / "params.yaml"
    path.write_text(TEMPLATE.replace(today, phases), encoding="utf-8")
    with refused("params.yaml", "`pawprint upgrade`"):
        require_current(tmp_path)
    notes = upgrade(tmp_path)
    assert load_params(path).train_finetune.epochs.number == 7
    require_current(tmp_path)
    (fitted,) = [note for note in notes if "train_extract.epochs" in note]
    assert "fits the head" in fitted and "values" not in fitted


@pytest.mark.parametrize(
    ("received", "sections", "is_earlier"),
    [
        ({"plot.errors": 12}, {"plot": {"errors": 12}}, True),
        ({"calibrate.views": 2}, {"calibrate": {"views": 2}}, True),
        ({}, {"calibrate": {"views": 2}}, False),  # a mistake, which the schema reports
        ({}, {"train_finetune": {"epochs": 5, "optimizer": "adam"}}, True),  # from another project
        ({}, {"train_extract": {"epochs": None, "optimizer": "lbfgs"}}, True),
        ({}, {"train_extract": {"epochs": None, "optimizer": "adam"}}, False),
        ({"train_finetune.epochs": 5}, {"train_finetune": {"epochs": 5}}, False),
        ({"augment.RandomErasing": None}, {"augment": {"RandomErasing": {"scale": 1}}}, False),
        ({"plot.errors": 12}, None, False),  # no YAML
    ],
)
def test_params_of_an_earlier_version_are_told_from_mistakes(
    tmp_path, received, sections, is_earlier
):
    """One that `pawprint upgrade` cannot convert must not be told to upgrade."""
    write_json(tmp_path / STATE, {"files": {}, "params": received})
    text = "a: [" if sections is None else json.dumps(parse_yaml(TEMPLATE, "") | sections)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with refused("pawprint upgrade") if is_earlier else contextlib.nullcontext():
        require_current(tmp_path)
    (tmp_path / STATE).unlink()  # the project is a copy of the repository
    require_current(tmp_path)


def test_project_of_an_earlier_version_is_told_to_upgrade_in_one_line(tmp_path):
    write_json(tmp_path / STATE, {"files": {}, "params": flat(EARLIER)})
    (tmp_path / "params.yaml").write_text(EARLIER, encoding="utf-8")
    for command in ("stages.code", "pawprint check", "pawprint try"):
        result = run("python", "-m", *command.split(), cwd=tmp_path, PYTHONPATH=str(PROJECT))
        assert result.returncode == 1
        assert "`pawprint upgrade`" in result.stderr and result.stderr.count("\n") == 1
    with refused("`pawprint upgrade`"):
        set_params(tmp_path, {"split.seed": 2})
