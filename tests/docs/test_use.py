"""docs/use.md, "One month": its commands work, and the circle closes."""

import contextlib
import shutil
from pathlib import Path

import pytest
from conftest import PROJECT, SAMPLE_WEIGHTS, change, clone, commit, set_author, write_files
from installed import SMALL
from pages import blocks, commands

from pawprint import project
from pawprint.columns import SPLIT
from pawprint.images.decoder import pixels_sha256, read_image
from pawprint.recipes.sample.drawings import drawn_picture
from pawprint.tables import read_table

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from streamlit.testing.v1 import AppTest

PAGE = (PROJECT / "docs" / "use.md").read_text(encoding="utf-8")
MONTH = PAGE.partition("### One month")[2].partition("\n## ")[0]


def drawn(first: int, last: int) -> dict[str, bytes]:
    """Drawn cats and dogs of these numbers, by class and file."""
    return {
        f"{label}/{label} {number}.jpg": drawn_picture(label, number)
        for label in ("cat", "dog")
        for number in range(first, last)
    }


def label_all(folder: Path) -> int:
    """Label the photos of ../may.csv in the app, each as its name says; how many it asked for."""

    def script() -> None:
        from pawprint.app.page_label import show

        show()

    def press(page: AppTest, name: str) -> None:
        next(each for each in page.button if each.label == name).click().run()

    with contextlib.chdir(folder):
        page = AppTest.from_function(script, default_timeout=60).run()
        page.text_input[0].set_value("../may.csv")
        press(page, "Start")
        asked = 0
        while page.caption:
            press(page, Path(page.caption[0].value.rpartition("/")[2]).name.split(" ")[0])
            asked += 1
    return asked


@pytest.mark.slow
def test_every_command_of_a_month_works_and_its_photos_are_trained_with(installed, tmp_path):
    folder = tmp_path
    write_files(tmp_path / "pets", drawn(1, 17))
    may = {Path(name).name: data for name, data in drawn(31, 36).items()}
    write_files(tmp_path / "may", may)
    write_files(tmp_path / "june", {Path(n).name: data for n, data in drawn(41, 43).items()})
    write_files(tmp_path / "may_labelled", drawn(36, 38))
    installed.succeed("pawprint", "init", "hotdog", "--images", "pets", cwd=tmp_path)
    hotdog = tmp_path / "hotdog"
    set_author(hotdog)
    shutil.copy(SAMPLE_WEIGHTS, hotdog)
    change(hotdog, SMALL)
    installed.succeed("dvc", "remote", "add", "-q", "-d", "s", str(tmp_path / "s"), cwd=hotdog)
    installed.succeed("dvc", "repro", "evaluate", cwd=hotdog)
    commit(hotdog, "First")
    before = read_table(hotdog / project.SPLIT_CSV, SPLIT)
    asked = 0
    for language, text in blocks(MONTH):
        assert language == "console"
        for command, _ in commands(text):
            if command.startswith("cd "):
                folder /= command.removeprefix("cd ")
            elif command == "pawprint app":
                asked = label_all(folder)
            else:
                result = installed.run("sh", "-c", command, cwd=folder)
                assert result.returncode in ((0, 3) if "--fail" in command else (0,)), (
                    command + result.stdout + result.stderr
                )
    assert asked > 1
    after = read_table(hotdog / project.SPLIT_CSV, SPLIT)
    both = before.merge(after, on="pixels_sha256", suffixes=("", "_after"))
    assert len(both) == len(before) == len(after) - asked
    assert (both["split"] == both["split_after"]).all()
    of_may = {pixels_sha256(read_image(tmp_path / "may" / name, None)): name for name in may}
    new = after[after["pixels_sha256"].isin(of_may)]
    assert len(new) == asked
    names = new["pixels_sha256"].map(of_may)
    assert (new["label"] == names.str.split(" ").str[0]).all()
    assert set(new["split"]) == {"train"}
    # The gate of a pull request that adds data, in a clone without data.
    request = clone(hotdog, "request")
    *_, verdict = installed.succeed("pawprint", "gate", "HEAD~1", cwd=request).splitlines()
    assert verdict == "gate: passed"
    # No image moves when wrong labels are corrected afterwards.
    wrong = after.query("label == 'dog' and split == 'train'")["path"][:9]
    corrections = "".join(f"{path},cat\n" for path in wrong)
    (hotdog / project.LABELS_CSV).write_text(f"path,label\n{corrections}", encoding="utf-8")
    installed.succeed("dvc", "repro", "split", cwd=hotdog)
    again = read_table(hotdog / project.SPLIT_CSV, SPLIT)
    both = after.merge(again, on="pixels_sha256", suffixes=("", "_again"))
    assert len(both) == len(after) == len(again)
    assert (both["label"] != both["label_again"]).sum() == len(wrong)
    assert (both["split"] == both["split_again"]).all()
