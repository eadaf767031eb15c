import pandas as pd
import pytest

from pawprint.images.archive import members
from pawprint.reports.charts import BLUE, RED
from pawprint.reports.photos import draw_errors, draw_predictions


@pytest.fixture(scope="module")
def names(drawn_images) -> list[str]:
    return [name for name in members(drawn_images) if "validation" in name and ".0" in name]


def predictions(names: list[str], *rows: tuple[str, str, float]) -> pd.DataFrame:
    """Rows of actual label, predicted label and probability of `dog`."""
    paths = [(name, *row, 1 - row[2]) for name, row in zip(names, rows)]
    columns = ["path", "actual", "predicted", "probability_dog", "probability_cat"]
    return pd.DataFrame(paths, columns=columns, index=[0] * len(rows))


def shown(part) -> list[str]:
    return [axis.get_title() for axis in part.axes if axis.images]


def test_predictions_are_spread_over_the_split_and_mark_errors(drawn_images, names):
    table = predictions(names, ("cat", "cat", 0.2), ("cat", "dog", 0.6), ("dog", "cat", 0.02))
    figure = draw_predictions(drawn_images, table, 3)
    assert shown(figure) == ["cat 80%", "dog 60%\n✗ label: cat", "cat 98%\n✗ label: dog"]
    colours = [axis.title.get_color() for axis in figure.axes if axis.images]
    assert colours == [BLUE, RED, RED]
    figure = draw_predictions(drawn_images, table, 2)
    assert shown(figure) == ["cat 80%", "cat 98%\n✗ label: dog"]
    assert figure.subfigs[0].get_suptitle() == "Test images (2 of 3)"


def test_probability_shown_is_that_of_the_predicted_label_at_any_threshold(drawn_images, names):
    table = predictions(names, ("dog", "dog", 0.3), ("cat", "cat", 0.6))
    assert shown(draw_predictions(drawn_images, table, 2)) == ["dog 30%", "cat 40%"]


def test_errors_and_the_least_confident_others_are_in_order_of_confidence(drawn_images, names):
    table = predictions(
        names,
        ("cat", "cat", 0.01),
        ("cat", "dog", 0.7),
        ("dog", "cat", 0.45),
        ("dog", "dog", 0.52),
        ("dog", "cat", 0.05),
        ("cat", "dog", 0.99),
        ("cat", "cat", 0.4),
    )
    errors, others = draw_errors(drawn_images, table, 3).subfigs
    assert shown(errors) == [
        "dog 99%\n✗ label: cat",
        "cat 95%\n✗ label: dog",
        "dog 70%\n✗ label: cat",
    ]
    assert shown(others) == ["dog 52%", "cat 55%\n✗ label: dog", "cat 60%"]
    assert errors.get_suptitle() == "Most confident errors (3 of 4)"
    assert others.get_suptitle() == "Least confident other predictions (3 of 4)"
