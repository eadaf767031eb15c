import numpy as np
import pandas as pd
import pytest
from made_up_examples import examples_of

from pawprint.network import cross_validation as validation
from pawprint.scores.series import tabulate_curve

IMAGES = 640


def curve_of(is_alike: bool) -> pd.DataFrame:
    """Return a curve where all images of a class are alike, or each is like only one other."""
    rng, actual = np.random.default_rng(0), np.arange(IMAGES) % 2
    kinds = 2 if is_alike else IMAGES // 2
    features = rng.normal(0, 1, (kinds, 1, 400))[np.arange(IMAGES) % kinds]
    features += rng.normal(0, 0.1, features.shape)
    groups = np.arange(IMAGES)
    examples = examples_of({False: features.astype(np.float16)}, actual, groups, 2)
    cross_validation = validation.cross_validate(examples)
    judged, curve = validation.learning_curve(examples, cross_validation)
    return tabulate_curve(actual[judged], groups[judged], curve)


@pytest.mark.parametrize("is_alike", [True, False])
def test_more_images_are_said_to_help_only_where_the_last_doubling_did(is_alike):
    table = curve_of(is_alike)
    assert table["images"].to_list() == [64, 128, 256, 512]
    last = table.iloc[-1]
    assert last["gain"] == pytest.approx(table["accuracy"].diff().iloc[-1])
    assert (last["low"] > 0) != is_alike


@pytest.mark.parametrize(
    ("actual", "groups"), [([0, 0, 1], [0, 1, 0]), ([0, 0] + [1] * 6, [1, 2] + [0] * 6)]
)
def test_too_few_groups_have_no_curve(actual, groups):
    actual, groups = np.array(actual), np.array(groups)
    features = np.arange(len(actual), dtype=np.float16)[:, None, None]
    examples = examples_of({False: features}, actual, groups, actual.max() + 1)
    cross_validation = validation.cross_validate(examples)
    judged, curve = validation.learning_curve(examples, cross_validation)
    assert len(tabulate_curve(actual[judged], groups[judged], curve)) < 2
