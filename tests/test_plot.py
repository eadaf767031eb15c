import zipfile

import numpy as np
import pytest
from PIL import Image

from stages.plot import (
    draw_class_counts,
    draw_confusion,
    draw_curves,
    draw_predictions,
    draw_roc,
)
from stages.preview import draw_augmented, draw_samples
from stages.shared.archive import open_archive
from stages.shared.figures import RED, new_figure, save
from stages.shared.params import Preview
from stages.shared.training import HISTORY_COLUMNS


def history(first: int, last: int) -> list[dict]:
    return [
        dict.fromkeys(HISTORY_COLUMNS, "0.5") | {"epoch": str(epoch)}
        for epoch in range(first, last + 1)
    ]


def prediction(path: str, actual: str, predicted: str, probability: float) -> dict:
    return {"path": path, "actual": actual, "predicted": predicted, "probability": str(probability)}


def texts(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


@pytest.fixture(scope="module")
def archive(drawn_archive):
    with open_archive(drawn_archive) as archive:
        yield archive


@pytest.fixture(scope="module")
def names(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if "validation" in name and ".0" in name]


def test_curves_join_both_phases_and_mark_the_start_of_fine_tuning():
    for axis in draw_curves(history(1, 3), history(4, 5)).axes:
        training, validation, mark = axis.lines
        assert list(training.get_xdata()) == list(validation.get_xdata()) == [1, 2, 3, 4, 5]
        assert list(mark.get_xdata()) == [3.5, 3.5]
        assert texts(axis) == [" fine-tuning"]


def test_curves_of_one_phase_have_no_mark():
    assert [len(axis.lines) for axis in draw_curves(history(1, 3), []).axes] == [2, 2]


def test_confusion_shows_counts_and_shares_of_each_actual_class():
    rows = [prediction("", "cat", "cat", 0.1)] * 3 + [prediction("", "cat", "dog", 0.9)]
    rows += [prediction("", "dog", "dog", 0.9)] * 2
    (axis,) = draw_confusion(rows).axes
    assert texts(axis) == ["3\n75.0%", "1\n25.0%", "0\n0.0%", "2\n100.0%"]
    assert axis.get_title("left") == "Test: 5 of 6 right (83.3%)"


def test_roc_names_its_area():
    points = [(0, 0), (0, 0.5), (0.5, 1), (1, 1)]
    rows = [{"false_positive_rate": x, "true_positive_rate": y} for x, y in points]
    (axis,) = draw_roc(rows).axes
    assert axis.get_title("left") == "Test: area under the ROC curve 0.8750"


def test_class_counts_are_written_on_their_bars():
    rows = [
        {"split": split, "label": label}
        for split, label in (("train", "cat"), ("train", "cat"), ("train", "dog"), ("test", "dog"))
    ]
    (axis,) = draw_class_counts(rows).axes
    assert texts(axis) == ["2", "0", "0", "1", "0", "1"]


def test_predictions_show_the_surest_mistakes_first_and_mark_them(archive, names):
    rows = [prediction(name, "cat", "cat", 0.2) for name in names[:4]]
    rows += [prediction(names[4], "cat", "dog", 0.6), prediction(names[5], "dog", "cat", 0.02)]
    cells = [cell for cell in draw_predictions(archive, rows, 6).axes if cell.images]
    titles = [cell.get_title() for cell in cells]
    assert titles == ["✗ cat, is dog  98%", "✗ dog, is cat  60%"] + ["cat  80%"] * 4
    assert [cell.title.get_color() == RED for cell in cells] == [True] * 2 + [False] * 4


def test_samples_come_from_the_whole_split(archive, names):
    train = [{"path": name, "label": name.split("/")[2]} for name in names]
    cells = [cell for cell in draw_samples(Preview(samples=4), archive, train).axes if cell.images]
    assert len(cells) == 4
    assert {cell.get_title().split()[0] for cell in cells} == {"cats", "dogs"}


def test_views_beside_the_image_are_those_that_training_uses(params, archive, names):
    augment = params.augment.model_copy(update={"views": 3})
    train = [{"path": name, "label": "cat"} for name in names]
    cells = [c for c in draw_augmented(augment, 64, archive, train).axes if c.images]
    photos = [np.asarray(cell.images[0].get_array()) for cell in cells]
    assert len(photos) == 3
    assert not np.array_equal(photos[0], photos[1])


def test_picture_saved_twice_is_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        figure, (axis,) = new_figure()
        axis.plot([1, 2])
        save(figure, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size == (720, 480)
