from conftest import PROJECT, succeed

DRAW = """
import sys
from pathlib import Path
from pawprint.reports.charts import plt, save

figure, axis = plt.subplots()
axis.plot([1, 2], label="a")
axis.legend()
save(figure, Path(sys.argv[1]))
"""
SETTINGS = "lines.linewidth: 9\nfont.size: 30\nsavefig.dpi: 30\nlines.marker: o\n"


def test_settings_of_the_user_do_not_change_a_picture(tmp_path):
    def drawn(name: str) -> bytes:
        command = ("python", "-c", DRAW, str(tmp_path / f"{name}.png"))
        succeed(*command, cwd=PROJECT, MATPLOTLIBRC=str(tmp_path / name))
        return (tmp_path / f"{name}.png").read_bytes()

    (tmp_path / "none").touch()
    (tmp_path / "own").write_text(SETTINGS, encoding="utf-8")
    assert drawn("own") == drawn("none")
