import zipfile

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from pawprint.core.params import Preview
from pawprint.images.archive import open_archive
from pawprint.network.training import HISTORY_COLUMNS
from pawprint.reports.charts import (
    draw_class_counts,
    draw_confusion,
    draw_curves,
    draw_reliability,
    draw_roc,
)
from pawprint.reports.figures import RED, new_figure, save
from pawprint.reports.photo_figures import (
    draw_augmented,
    draw_likely_wrong_labels,
    draw_mistakes,
    draw_near_duplicates,
    draw_predictions,
    draw_samples,
)


@pytest.fixture(autouse=True)
def figures_closed():
    yield
    plt.close("all")


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


def shown(figure) -> list[str]:
    """The titles of the cells that hold a photo."""
    return [cell.get_title() for cell in figure.axes if cell.images]


def test_predictions_are_spread_over_the_split_and_mark_mistakes(archive, names):
    rows = [prediction(name, "cat", "cat", 0.2) for name in names[:4]]
    rows += [prediction(names[4], "cat", "dog", 0.6), prediction(names[5], "dog", "cat", 0.02)]
    figure = draw_predictions(archive, rows, 6)
    assert shown(figure) == ["cat  80%"] * 4 + ["✗ dog, is cat  60%", "✗ cat, is dog  98%"]
    colours = [cell.title.get_color() == RED for cell in figure.axes if cell.images]
    assert colours == [False] * 4 + [True] * 2
    assert shown(draw_predictions(archive, rows, 2)) == ["cat  80%", "✗ cat, is dog  98%"]


def test_probability_shown_is_that_of_the_label_predicted_whatever_the_threshold(archive, names):
    rows = [prediction(names[0], "dog", "dog", 0.3), prediction(names[1], "cat", "cat", 0.6)]
    assert shown(draw_predictions(archive, rows, 2)) == ["dog  30%", "cat  40%"]


def test_mistakes_come_before_what_the_model_is_least_sure_of(archive, names):
    wrong = [prediction(names[0], "cat", "dog", 0.99), prediction(names[1], "dog", "cat", 0.4)]
    right = [prediction(names[2], "cat", "cat", 0.01), prediction(names[3], "dog", "dog", 0.51)]
    figure = draw_mistakes(archive, right + wrong, 1)
    # A whole row of slots each.
    cells = [cell.get_title() for cell in figure.axes]
    assert len(cells) == 12
    assert [title for title in cells[:6] if title] == ["✗ dog, is cat  99%"]
    assert sorted(title for title in cells[6:] if title) == [
        "cat  99%",
        "dog  51%",
        "✗ cat, is dog  60%",
    ]
    assert figure.get_suptitle().startswith("The 1 surest of 2 mistakes")


def test_image_keeps_its_slot_when_others_come_and_go(archive, names):
    def slot(path: str, others: list[str]) -> int:
        rows = [prediction(name, "cat", "dog", 0.9) for name in [path, *others]]
        for row, certainty in zip(rows, (0.99, 0.9, 0.8)):
            row["probability"] = str(certainty)
        figure = draw_mistakes(archive, [*rows, prediction(names[9], "dog", "dog", 0.5)], 6)
        titles = [cell.get_title() for cell in figure.axes[:6]]
        return titles.index("✗ dog, is cat  99%")

    assert slot(names[0], []) == slot(names[0], names[1:3]) == slot(names[0], names[3:5])


def test_model_without_mistakes_and_no_doubtful_label_still_gives_pictures(archive, names):
    rows = [prediction(names[0], "cat", "cat", 0.1), prediction(names[1], "dog", "dog", 0.9)]
    assert draw_mistakes(archive, rows, 6).get_suptitle().startswith("All 0 mistakes")
    figure = draw_likely_wrong_labels(archive, [], 6)
    assert shown(figure) == []
    assert figure.get_suptitle().startswith("Likely wrong labels: 0")


def test_likely_wrong_labels_show_file_label_and_its_probability(archive, names):
    rows = [{"path": names[0], "label": "cat", "split": "train", "probability": "0.021"}]
    name = names[0].split("/")[-1]
    assert shown(draw_likely_wrong_labels(archive, rows, 6)) == [f"{name}\ncat  2.1%"]


def test_reliability_has_a_point_for_each_bin_before_and_after():
    rows = [
        {"split": split, "calibrated": calibrated, "probability": probability, "fraction": "0.5"}
        | {"low": "0.1", "high": "0.9", "images": "7"}
        for split in ("validation", "test")
        for calibrated in ("no", "yes")
        for probability in ("0.2", "0.6")
    ]
    for axis in draw_reliability(rows).axes:
        points = [series.get_offsets()[:, 0].tolist() for series in axis.collections[:2]]
        assert points == [[0.2, 0.6], [0.2, 0.6]]


def test_images_that_look_alike_are_shown_by_group(archive, names):
    rows = [
        {"group": group, "path": path, "label": "cat", "split": "test"}
        for group, path in (("a", names[0]), ("a", names[1]), ("b", names[2]), ("b", names[3]))
    ]
    figure = draw_near_duplicates(Preview(samples=1, near_duplicates=3), archive, rows)
    assert shown(figure) == ["1: cat, test", "1: cat, test", "2: cat, test"]
    assert figure.get_suptitle() == "4 images look like another one; the first 3"
    none = draw_near_duplicates(Preview(samples=1, near_duplicates=3), archive, [])
    assert none.get_suptitle() == "0 images look like another one"


def test_samples_come_from_the_whole_split(archive, names):
    train = [{"path": name, "label": name.split("/")[2]} for name in names]
    cells = [
        cell
        for cell in draw_samples(Preview(samples=4, near_duplicates=6), archive, train).axes
        if cell.images
    ]
    assert len(cells) == 4
    assert {cell.get_title().split()[0] for cell in cells} == {"cats", "dogs"}


def test_views_beside_the_image_are_those_that_training_uses(params, archive, names):
    augment = params.augment.model_copy(update={"views": 3})
    train = [{"path": name, "label": "cat"} for name in names]
    cells = [c for c in draw_augmented(augment, 64, "crop", archive, train).axes if c.images]
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
