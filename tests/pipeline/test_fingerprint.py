"""Test that a fingerprint reflects what a stage does, and not how its code is written."""

import ast
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from conftest import CODE, MODULES, PROJECT, refused, succeed, write_files

from pawprint.base.paths import CODE as CODE_FOLDER
from pawprint.base.paths import FINGERPRINTS
from pawprint.pipeline import fingerprint as tested
from pawprint.pipeline.fingerprint import (
    DECODED_ROW,
    FEATURE_ROW,
    Code,
    describe_difference,
    syntax_of,
)

SAME = {
    "a comment": ("x = 1\n", "# why\nx = 1  # one\n"),
    "a docstring": ("def f():\n    return 1\n", 'def f():\n    "doc"\n    return 1\n'),
    "a docstring before code on its line": ("def f(): return 1\n", 'def f(): "é"; return 1\n'),
    "blank lines and layout": ("x = 1\nf(1, 2)\n", "\nx = 1\n\nf(\n    1,  # first\n    2\n)\n"),
}
OTHER = {
    "a constant": ("x = 1\n", "x = 2\n"),
    "a blank line inside a string": ('x = """a\nb"""\n', 'x = """a\n\nb"""\n'),
    "code after a docstring": ('def f(): "x"; return 1\n', 'def f(): "x"; return 2\n'),
    "a string that is no docstring": ('x = 1\n"a"\n', 'x = 1\n"b"\n'),
}


@pytest.mark.parametrize("change", [*SAME, *OTHER])
def test_what_changes_nothing_is_left_out_and_all_else_counts(change):
    before, after = (SAME | OTHER)[change]
    texts = {ast.dump(syntax_of(source)[0]) for source in (before, after)}
    assert (len(texts) == 1) == (change in SAME)


EMPTY = ("a/__init__", "a/inner/__init__", "a/unused", "b/__init__")


@pytest.fixture
def project(tmp_path) -> Path:
    files = {
        "stages/one.py": "from pawprint.a import used\n",
        "stages/two.py": "import json\n",
        "pawprint/a/used.py": "def f():\n    from pawprint.b import late\n",
        "pawprint/a/templates/page.html": "<html>",
        "pawprint/a/.DS_Store": "",
        "pawprint/a/inner/other.json": "{}",
        "pawprint/a/tables/lut.csv": "1,2\n",
        "pawprint/a/tables/make.py": "print 1\n",
        "pawprint/a/tables/more/lut.csv": "3,4\n",
        "pawprint/a/tables/own/__init__.py": "",
        "pawprint/a/tables/own/lut.csv": "5,6\n",
        "pawprint/b/late.py": "import PIL, numpy, pydantic\n",
        **dict.fromkeys((f"pawprint/{name}.py" for name in EMPTY), ""),
    }
    return write_files(tmp_path, files)


def fingerprints(project: Path) -> dict[str, str]:
    code = Code(project)
    return {stage: code.fingerprint(f"stages/{stage}.py") for stage in ("one", "two")}


def names(fingerprint: str) -> list[str]:
    return [line.split("  ")[-1] for line in fingerprint.splitlines()]


def test_fingerprint_names_what_is_imported_and_nothing_else(project):
    """Imports in functions, parent packages, package data, and versions are included."""
    prints = fingerprints(project)
    assert names(prints["one"]) == [
        "pawprint/a/__init__.py",
        "pawprint/a/tables/lut.csv",
        "pawprint/a/tables/make.py",
        "pawprint/a/tables/more/lut.csv",
        "pawprint/a/templates/page.html",
        "pawprint/a/used.py",
        "pawprint/b/__init__.py",
        "pawprint/b/late.py",
        "stages/one.py",
        f"PIL=={version('pillow')}",
        f"numpy=={version('numpy')}",
    ]
    assert names(prints["two"]) == ["stages/two.py"]


@pytest.mark.parametrize(
    ("file", "text", "changed"),
    [
        ("pawprint/b/late.py", "import numpy\n", ["one"]),
        ("pawprint/a/tables/lut.csv", "1,3\n", ["one"]),
        ("pawprint/a/tables/make.py", "print 2\n", ["one"]),  # for another version of Python
        ("requirements.txt", "numpy==2.5.5\n", []),  # only installed versions count
    ],
)
def test_edit_changes_the_fingerprints_that_it_reaches(project, file, text, changed):
    before = fingerprints(project)
    (project / file).write_text(text, encoding="utf-8")
    after = fingerprints(project)
    assert [stage for stage in after if after[stage] != before[stage]] == changed
    for stage in changed:
        assert file in describe_difference(before[stage], after[stage])


@pytest.mark.parametrize(("package", "is_same"), [("pillow", False), ("pydantic", True)])
def test_upgrade_changes_the_fingerprints_of_what_imports_the_package(
    project, monkeypatch, package, is_same
):
    before = fingerprints(project)
    upgraded = {package: "99.0"}
    monkeypatch.setattr(tested, "version_of", lambda name: upgraded.get(name) or version(name))
    after = fingerprints(project)
    assert after["two"] == before["two"]
    assert (after["one"] == before["one"]) == is_same


@pytest.mark.parametrize(
    "line", ["import absent_package\n", "import own_helper\n", "import (\n", "from . import a\n"]
)
def test_what_cannot_be_followed_is_one_line_that_names_the_module(project, line):
    (project / "stages/two.py").write_text(line, encoding="utf-8")
    write_files(project, {"own_helper.py": ""})  # no stage would follow its edits in a repository
    with refused("stages/two.py"):
        Code(project).fingerprint("stages/two.py")


def test_every_stage_has_the_versions_that_decide_its_bytes():
    """`paths` is left out, because dvc.yaml contains the same paths."""
    for stage, packages in (
        ("train_finetune", {"keras", "numpy", "openvino", "tensorflow"}),
        ("clean", {"cv2", "numpy", "PIL"}),
        ("train_extract", {"numpy", "threadpoolctl"}),
    ):
        lines = names(CODE.fingerprint(f"stages/{stage}.py"))
        found = {name.partition("==")[0] for name in lines}
        assert "pawprint/base/columns.py" in lines and "pawprint/base/paths.py" not in lines
        assert packages <= found and not found & {"tqdm", "dvc", "pydantic"}
        assert ("PIL" in found) == (stage == "clean")


def row_codes(code: Code) -> dict[str, str]:
    rows = {"features": FEATURE_ROW, "decoded": DECODED_ROW}
    return {name: code.fingerprint(module) for name, module in rows.items()}


def test_rows_are_computed_again_after_an_edit_of_what_decides_them_and_of_nothing_else(tmp_path):
    """Rows of features also depend on the JPEG decoder, which decodes at a reduced size."""
    for folder in ("pawprint", "stages"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(PROJECT / "requirements.txt", tmp_path)
    before = row_codes(Code(tmp_path))
    assert before == row_codes(CODE)
    for module, changed in (
        ("network/rows.py", {"features"}),
        ("network/views.py", {"features"}),
        ("base/runtime.py", {"features"}),
        ("given/decoding/jpeg.py", {"features", "decoded"}),
        ("given/decoding/formats.py", {"decoded"}),
        ("given/decoding/content.py", {"decoded"}),
        ("base/columns.py", set()),
        ("base/errors.py", set()),
        ("network/feature_reuse.py", set()),
        ("base/files.py", set()),
        ("base/git.py", set()),
        ("given/archive.py", set()),
        ("given/reading.py", set()),
    ):
        with (tmp_path / "pawprint" / module).open("a") as file:
            file.write("\n\nADDED = 1\n")
        after = row_codes(Code(tmp_path))
        assert {name for name in after if after[name] != before[name]} == changed, module
        before = after


def test_code_is_parsed_again_only_for_an_edit_or_another_installed_version(tmp_path):
    repository = tmp_path / "copy"
    for folder in ("pawprint", "stages"):
        shutil.copytree(PROJECT / folder, repository / folder)
    shutil.copy(PROJECT / "params.yaml", repository)

    def written(**environment: str) -> dict[str, str]:
        code = "import ast; from pawprint.pipeline import fingerprint; from stages import code"
        if environment.pop("KEPT", ""):  # nothing is parsed, and no distribution is looked up
            code += "; ast.parse = fingerprint.distributions = None"
        succeed("python", "-c", f"{code}; code.write_fingerprints()", cwd=repository, **environment)
        return {
            path.stem: path.read_text("utf-8") for path in (repository / CODE_FOLDER).glob("*.txt")
        }

    first = written()
    assert written(KEPT="1") == first
    kept = repository / FINGERPRINTS
    kept.write_text("{", encoding="utf-8")
    assert written() == first and written(KEPT="1") == first
    upgraded = {"simplejpeg-99.0.dist-info/METADATA": "Name: simplejpeg\nVersion: 99.0\n"}
    site = write_files(tmp_path / "site", upgraded)
    second = written(PYTHONPATH=str(site))
    importing = {name for name, text in first.items() if "\nsimplejpeg==" in text}
    assert {name for name in first if first[name] != second[name]} == importing < first.keys()
    assert all("\nsimplejpeg==99.0\n" in second[name] for name in importing)
    with (repository / "stages/split.py").open("a", encoding="utf-8") as file:
        file.write("ADDED = 1\n")
    third = written(PYTHONPATH=str(site))
    assert {name for name in second if second[name] != third[name]} == {"split"}


def test_key_of_a_decoded_row_is_a_folder_that_imports_nothing_of_ours():
    modules = {path for path in MODULES if path.startswith("pawprint/given/decoding/")}
    assert CODE.closure(DECODED_ROW) == modules | {"pawprint/given/__init__.py"}


def test_new_numpy_computes_no_row_of_features_again():
    """It only stores their numbers."""
    row, decoded = (names(CODE.fingerprint(script)) for script in (FEATURE_ROW, DECODED_ROW))
    assert {name.partition("==")[0] for name in row if "==" in name} == {
        *("PIL", "cv2", "openvino", "simplejpeg")
    }
    assert f"numpy=={version('numpy')}" in decoded
