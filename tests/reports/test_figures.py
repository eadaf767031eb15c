from pathlib import Path

import matplotlib.pyplot as plt

from pawprint.reports.charts import new_figure, save


def drawn(path: Path) -> bytes:
    figure, (axis, _) = new_figure(columns=2, width=6, height=4)
    axis.plot([1, 2], label="a")
    axis.legend()
    save(figure, path)
    return path.read_bytes()


def test_settings_of_the_user_do_not_change_a_picture(tmp_path):
    before = drawn(tmp_path / "a.png")
    plt.rcParams.update({"lines.linewidth": 9, "font.size": 30, "axes.facecolor": "black"})
    plt.rcParams.update({"savefig.dpi": 30, "lines.marker": "o"})
    assert drawn(tmp_path / "b.png") == before
