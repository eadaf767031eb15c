"""The line of requirements.txt for the package: what pip records, and how users write it."""

import pytest

from pawprint.errors import InputError
from pawprint.templates import files as module
from pawprint.templates.files import read_line, require_installed, requirement, requirements

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(url: str, revision: str | None = None) -> dict:
    info = {"vcs": "git", "commit_id": COMMIT, "requested_revision": revision}
    return {"url": url, "vcs_info": info}


def wheel(url: str) -> dict:
    return {"url": url, "archive_info": {"hashes": {"sha256": "ab12"}}}


@pytest.fixture
def installed(monkeypatch):
    """Sets what pip recorded of the installed package."""
    return lambda origin: monkeypatch.setattr(module, "_installed", lambda: ("0.2.0", origin))


@pytest.mark.parametrize(
    ("origin", "earlier", "line"),
    [
        (None, None, "pawprint-dvc==0.2.0"),
        (git("https://h/p", "v0.2.0"), None, "pawprint-dvc @ git+https://h/p@v0.2.0"),
        (git("https://h/p", "main"), None, f"pawprint-dvc @ git+https://h/p@{COMMIT}"),
        (
            git("https://h/p"),
            "Pawprint_DVC[app] @ git+https://${TOKEN}@h/p@v0.1.0",
            f"pawprint-dvc[app] @ git+https://${{TOKEN}}@h/p@{COMMIT}",
        ),
        (git("file:///p"), None, f"git+file:///p@{COMMIT}#egg=pawprint-dvc"),
        (wheel("file:///p.whl"), None, "pawprint-dvc @ file:///p.whl#sha256=ab12"),
        (
            {"url": "file:///pawprint-dvc/src", "dir_info": {"editable": True}},
            "pawprint-dvc[app]==0.1.0",
            "pawprint-dvc[app] @ file:///pawprint-dvc/src",
        ),
    ],
)  # fmt: skip
def test_line_names_the_package_by_its_origin_without_secrets(installed, origin, earlier, line):
    installed(origin)
    assert requirement(read_line(earlier) if earlier else None) == line


def test_upgrade_keeps_lines_of_other_packages_whole_and_drops_others_with_their_hashes(installed):
    installed(None)
    own = "our-tools==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via us\n"
    earlier = "numpy==1.0 \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\n    # via pandas\n"
    text = requirements(f"# ours\n\n{earlier}{own}pawprint-dvc==0.1 --hash=sha256:ee\n-e ../x\n")
    assert text == requirements() + f"# ours\n{own}-e ../x\n"
    assert requirements(text) == text


@pytest.mark.parametrize(
    ("origin", "line", "is_it"),
    [
        (None, "pawprint-dvc==0.2.0", True),
        (None, "pawprint-dvc==0.2.1", False),
        (git("https://h/p"), "pawprint-dvc @ git+https://${TOKEN}@h/p  # private", True),
        (git("https://h/p"), "git+https://h/p@0123456#egg=pawprint-dvc[app]", True),
        (git("https://h/p"), "pawprint-dvc @ git+https://h/p@0123457", False),
        (git("ssh://git@h/p", "v0.2.0"), "pawprint-dvc[app] @ git+ssh://alice@h/p@v0.2.0", True),
        (git("https://h/~a@b/p"), f"pawprint-dvc @ git+https://h/~a@b/p@{COMMIT}", True),
        (git("https://h/~a@b/p"), "pawprint-dvc @ git+https://t@h/~a@b/p@0123456", True),
        (git("https://h/a@b", "v0.2.0"), "pawprint-dvc @ git+https://h/a@b@v0.2.0", True),
        (git("https://h/a@b"), "pawprint-dvc @ git+https://h/a@c@0123456", False),
        (git("file:///a@b/p"), f"git+file:///a@b/p@{COMMIT}#egg=pawprint-dvc", True),
        (git("file:///a@b/p"), "git+file:///a@b/p#egg=pawprint-dvc", False),
        (wheel("https://h/a@b/p.whl"), "pawprint-dvc @ https://h/a@b/p.whl#sha256=ab12", True),
        (wheel("https://h/p.whl"), "pawprint-dvc @ https://h/p.whl?token=x#sha256=ab12", True),
        (wheel("https://h/p.whl"), "pawprint-dvc @ https://h/p.whl#sha256=cd34", False),
    ],
)
def test_package_of_another_place_is_refused(installed, tmp_path, origin, line, is_it):
    installed(origin)
    path = tmp_path / "requirements.txt"
    path.write_text(f"numpy==2.0\n{line}\n", encoding="utf-8")
    if is_it:
        return require_installed(path)
    with pytest.raises(InputError, match="expected the package that is installed, "):
        require_installed(path)
