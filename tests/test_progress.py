"""Test that progress is written to a file for the app, but only if somebody looks at it."""

from pathlib import Path

import pytest

from pawprint import progress


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """Return the file that the environment variable contains."""
    monkeypatch.setenv(progress.VARIABLE, str(tmp_path / "progress"))
    monkeypatch.setattr(progress, "SECONDS", 0)
    return tmp_path / "progress"


def test_items_come_with_their_progress_until_the_end(file, capfd):
    seen = [progress.read_progress(file) for _ in progress.track("abcd", "letters")]
    assert [found and found[:2] for found in seen] == [
        None,
        *(("letters", percent) for percent in (25, 50, 75)),
    ]
    assert "3/4" in seen[-1].detail
    assert list(file.parent.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_progress_of_an_unknown_total_has_no_percent(file):
    with progress.track(None, "download", None, "B") as bar:
        bar.update(3_000_000)
        assert progress.read_progress(file) == ("download", None, "3.00M")


def test_progress_that_cannot_be_written_or_read_stops_nothing(file):
    file.mkdir()  # instead of the file
    assert list(progress.track("abc", "letters")) == ["a", "b", "c"]
    assert progress.read_progress(file) is None
    file.rmdir()
    file.write_text('["lett')
    assert progress.read_progress(file) is None


def test_pipe_without_a_reader_of_progress_stays_silent(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    assert list(progress.track("abc", "letters")) == ["a", "b", "c"]
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
