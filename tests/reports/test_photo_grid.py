import weakref

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pawprint.reports.charts import BLUE, RED
from pawprint.reports.photos import photo_grid, spread


def cell(title: str, size: tuple[int, int] = (8, 8), colour: str = BLUE):
    return Image.new("RGB", size, "red"), title, colour


def test_photos_are_whole_in_squares_under_coloured_titles():
    (axis,) = [
        axis for axis in photo_grid({"Title": [cell("a", (40, 20), RED)]}).axes if axis.images
    ]
    pixels = np.asarray(axis.images[0].get_array())
    assert pixels.shape == (224, 224, 3)
    is_red = (pixels == (255, 0, 0)).all(axis=2)
    assert is_red.sum() == 224 * 112  # the photo is twice as wide as high
    assert (axis.get_title(), axis.title.get_color()) == ("a", RED)


def test_section_without_photos_shows_its_title():
    figure = photo_grid({"Nothing": []})
    assert [part.get_suptitle() for part in figure.subfigs] == ["Nothing"]
    assert figure.axes == []
    figure.canvas.draw()


def test_photos_of_full_size_are_not_kept():
    photos, alive = [], []

    def cells():
        for _ in range(5):
            yield cell("")
            alive.append(sum(photo() is not None for photo in photos))
            photo = Image.new("RGB", (600, 400))
            photos.append(weakref.ref(photo))
            yield photo, "", BLUE

    photo_grid({"": cells()})
    assert max(alive) <= 1


@pytest.mark.parametrize(
    ("number", "expected"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (20, [*range(10)])]
)
def test_spread_takes_rows_at_equal_distances(number, expected):
    rows = pd.DataFrame({"row": range(10)}, index=[7] * 10)
    assert spread(rows, number)["row"].tolist() == expected
