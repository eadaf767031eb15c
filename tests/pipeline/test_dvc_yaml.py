"""Test that Git keeps what dvc.yaml and this code say."""

from pathlib import PurePosixPath

from conftest import PROJECT, succeed
from dvc_yaml import OUTPUTS, STAGES, outputs_of

from pawprint.base.git import ignored
from pawprint.commands.project_files import IGNORED


def test_pictures_that_show_photos_are_kept_out_of_git(tmp_path):
    outputs = [output for stage in STAGES.values() for output in outputs_of(stage)]
    is_in_git = dict(outputs)
    (tmp_path / ".gitignore").write_text(IGNORED, encoding="utf-8")
    succeed("git", "init", "-q", cwd=tmp_path)
    for folder in (PROJECT, tmp_path):
        out_of_git = ignored(folder, is_in_git)
        assert {out for out, in_git in is_in_git.items() if not in_git} == {*out_of_git}


def test_no_stage_depends_on_a_part_of_a_folder():
    """In a clone, `dvc repro --pull` would fetch only part of it, and record that as the whole.

    Folders that no stage uses as a whole are left out: those for fingerprints, splits and features.
    """
    folders = {path for paths in OUTPUTS.values() for path in paths}
    folders -= {"data/code", "data/features", "data/split"}
    for name, stage in STAGES.items():
        assert not {"data/features", "data/split"}.intersection(stage["deps"])
        for dep in stage["deps"]:
            assert not folders.intersection(map(str, PurePosixPath(dep).parents)), (name, dep)
