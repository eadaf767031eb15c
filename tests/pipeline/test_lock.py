"""Test a project's requirements.txt, which is its lock, and in which users may change lines."""

from importlib.metadata import version

import pytest
from conftest import CODE, MODULES, PROJECT, as_installed

from pawprint.pipeline import lock as lock_file
from pawprint.pipeline.fingerprint import FEATURE_ROW, Code, split_fingerprint

NO_STAGE = ("stages/__init__.py", "stages/code.py")
STAGES = [name for name in MODULES if name.startswith("stages/") and name not in NO_STAGE]
PILLOW = f"pillow=={version('pillow')}"


def pins_of(text: str, folder) -> dict[str, list[str]]:
    (folder / "requirements.txt").write_text(text, encoding="utf-8")
    return lock_file.read_pins(folder / "requirements.txt")


def test_lines_that_name_one_version_are_pins(tmp_path):
    text = (
        "Pillow == 11.3  # as on the server\n"
        "numpy==2.0 ; python_full_version < '3.12'\nnumpy==2.1;python_full_version >= '3.12'\n"
        "tensorflow-cpu==2.19\nuvicorn[standard]==0.5 --hash=sha256:ab\n"
        "pandas>=2\nscipy==1.*\nkeras\n# h5py==3\n-r others.txt\n\n"
        "pawprint-dvc @ git+https://h/p@0123\n"
    )
    assert pins_of(text, tmp_path) == {
        "pillow": ["Pillow==11.3"],
        "numpy": [
            "numpy==2.0 ; python_full_version < '3.12'",
            "numpy==2.1;python_full_version >= '3.12'",
        ],
        "tensorflow": ["tensorflow==2.19"],
        "uvicorn": ["uvicorn==0.5"],
    }


@pytest.mark.parametrize(
    ("pins", "lines"),
    [
        ([PILLOW], [PILLOW]),
        ([f"{PILLOW} ; python_version > '3'", "pillow==0.1 ; python_version < '3'"], None),
        (["pillow==0.1"], [PILLOW]),
        ([f"{PILLOW} ; python_version < '3'"], [PILLOW]),  # no line applies to this environment
        ([], [PILLOW]),
    ],
)
def test_another_installed_version_takes_the_place_of_the_lines(pins, lines):
    assert lock_file.versions_of("pillow", pins) == (lines or pins)


def test_lock_of_a_project_names_what_the_fingerprints_name():
    texts = [CODE.fingerprint(stage) for stage in STAGES]
    pins = {
        pin
        for text in [*texts, CODE.fingerprint(FEATURE_ROW)]
        for pin in split_fingerprint(text)[1]
    }
    named = {pin.partition("==")[0] for pin in pins}
    assert named == {*lock_file.DECIDE_BYTES}
    assert pins == {*lock_file.locked_versions()} or lock_file.not_as_pinned(sorted(pins))


BASE = "pawprint-dvc @ git+https://h/p@1\n\n# Versions:\nnumpy==2.0\npandas==2.2\n\n# Your own:\n"


@pytest.mark.parametrize(
    ("current", "new", "renewed", "kept"),
    [
        (BASE, BASE.replace("==2", "==3"), BASE.replace("==2", "==3"), []),
        # The user's own version next to a renewed one, and an additional package.
        (
            BASE.replace("numpy==2.0", "numpy==2.0.2  # as Colab") + "tools==1\n",
            BASE.replace("@1", "@2").replace("==2", "==3"),
            BASE.replace("@1", "@2")
            .replace("numpy==2.0", "numpy==2.0.2  # as Colab")
            .replace("pandas==2", "pandas==3")
            + "tools==1\n",
            ["numpy"],
        ),
        # A deleted line stays deleted, and a new package is inserted in its place.
        (
            BASE.replace("numpy==2.0\n", ""),
            BASE.replace("pandas", "openvino==5\npandas"),
            BASE.replace("numpy==2.0\n", "").replace("# Versions:\n", "# Versions:\nopenvino==5\n"),
            [],
        ),
        (BASE, BASE.replace("numpy==2.0\n", ""), BASE.replace("numpy==2.0\n", ""), []),
        # Packages with markers need several lines.
        (
            BASE,
            BASE.replace("numpy==2.0", "numpy==2.4 ; a\nnumpy==2.5 ; b"),
            BASE.replace("numpy==2.0", "numpy==2.4 ; a\nnumpy==2.5 ; b"),
            [],
        ),
        (BASE + "-e ../tools\n", BASE, BASE + "-e ../tools\n", []),
    ],
)
def test_lines_that_the_user_has_not_changed_are_renewed(current, new, renewed, kept):
    assert lock_file.renew_lock(current, BASE, new) == (renewed, kept)
    assert lock_file.renew_lock(renewed, new, new) == (renewed, [])


def test_line_that_stands_for_the_package_gives_way_to_one_of_the_user():
    missing, mine = "# pawprint-dvc 0.4.0: add the line\n", "pawprint-dvc @ git+https://h/p@1\n"
    newer = missing.replace("4", "5")
    assert lock_file.renew_lock(missing, missing, newer) == (newer, [])
    assert lock_file.renew_lock(mine, missing, newer) == (mine, ["pawprint-dvc"])


@pytest.fixture
def project(tmp_path) -> Code:
    """Return a project with the lock of the package, in the versions of this environment."""
    text = as_installed((PROJECT / "requirements.txt").read_text(encoding="utf-8"))
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    return Code(tmp_path)


def lock(code: Code, old: str, new: str) -> Code:
    path = code.folder / "requirements.txt"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return Code(code.folder)


SPLIT = "pawprint/stages/split.py"


def test_fingerprint_has_the_version_that_is_installed_and_not_the_one_of_the_lock(project):
    before = project.fingerprint(SPLIT)
    other = lock(project, "\npandas==", "\npandas==0.")
    assert other.fingerprint(SPLIT) == before.replace(*_pandas(project, before))
    assert "pandas==0." in other.as_locked(before)
    assert project.as_locked(before) == before
    without = lock(other, "\npandas==0.", "\n# pandas==")
    assert f"pandas=={version('pandas')}\n" in without.fingerprint(SPLIT)
    assert without.as_locked(before) == before


def _pandas(code: Code, text: str) -> tuple[str, str]:
    (line,) = code.pins["pandas"]
    assert line in text
    return line, f"pandas=={version('pandas')}"


def test_new_numpy_computes_no_row_of_features_again(project):
    before = project.fingerprint(FEATURE_ROW)
    assert lock(project, "\nnumpy==", "\nnumpy==0.").fingerprint(FEATURE_ROW) == before
    pins = split_fingerprint(before)[1]
    assert {pin.partition("==")[0] for pin in pins} == {
        *("opencv-python-headless", "openvino", "pillow", "simplejpeg")
    }
