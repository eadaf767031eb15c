"""Test the verdict on unlabelled photos, as the command prints it and `--fail` uses it."""

import pandas as pd
import pytest

from pawprint.projects.scoring import FEW, LikenessResult
from pawprint.scores.likeness import LIKE, OTHER, Likeness


@pytest.mark.parametrize("photos", [FEW - 1, FEW])
@pytest.mark.parametrize(("verdict", "different"), [(LIKE, []), (OTHER, ["called unknown"])])
def test_photos_without_a_difference_may_be_too_few_to_show_one(photos, verdict, different):
    likeness = Likeness(verdict, different, pd.DataFrame())
    found = LikenessResult(likeness, photos, 100, {}, [])
    assert found.is_like == (not different)
    text = found.describe()
    assert verdict in text and all(name in text for name in different)
    assert ("few" in text) == (photos < FEW and found.is_like)
