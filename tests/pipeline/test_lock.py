"""Test the versions in a new project's requirements.txt."""

from importlib.metadata import version

import pytest

from pawprint.commands.project_files import as_installed, locked_versions

PILLOW = f"pillow=={version('pillow')}"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([PILLOW], None),
        ([f"{PILLOW} ; python_version > '3'", "pillow==0.1 ; python_version < '3'"], None),
        (["pillow==0.1"], [PILLOW]),
        ([f"{PILLOW} ; python_version < '3'"], [PILLOW]),  # no line applies to this environment
        ([], [PILLOW]),
    ],
)
def test_another_installed_version_takes_the_place_of_the_lines(lines, expected):
    assert as_installed("pillow", lines) == (expected or lines)
    assert as_installed("no-such-package", ["no-such-package==1"]) == ["no-such-package==1"]


def test_dvc_and_what_it_needs_stand_apart_from_what_computes():
    """A new version of what DVC needs, such as pathspec, can break DVC."""
    ours, of_dvc = locked_versions()
    names, others = ({line.partition("==")[0] for line in lines} for lines in (ours, of_dvc))
    assert {"numpy", "openvino", "pillow", "tensorflow"} <= names
    assert {"dvc", "dvc-data", "pathspec", "dulwich"} <= others and not names & others
    assert PILLOW in ours or any(line.startswith(f"{PILLOW} ;") for line in ours)
