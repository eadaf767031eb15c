import numpy as np
import pandas as pd

from pawprint.columns import LIKELY_WRONG_LABELS, PROBABILITY
from pawprint.evaluation.review import list_suspects


def predictions(actual: list[str], probabilities: list[list[float]]) -> pd.DataFrame:
    """A table PREDICTIONS of ant, bee and cow, or the first of them, with splits."""
    columns = [PROBABILITY + label for label in ("ant", "bee", "cow")[: len(probabilities[0])]]
    table = pd.DataFrame(probabilities, columns=columns)
    paths = [f"{number}.jpg" for number in range(len(actual))]
    splits = np.resize(["train", "test"], len(actual))
    return table.assign(
        path=paths, actual=actual, predicted="ant", pixels_sha256=actual, split=splits
    )


def test_labels_below_a_tenth_are_listed_the_least_probable_first():
    of_two = [[0.08, 0.92], [0.11, 0.89], [0.97, 0.03], [0.0, 1.0], [0.5, 0.5]]
    listed = list_suspects(predictions(["ant", "ant", "bee", "bee", "ant"], of_two))
    assert listed[list(LIKELY_WRONG_LABELS)].values.tolist() == [
        ["2.jpg", "bee", "ant", "train", 0.03, "bee"],
        ["0.jpg", "ant", "bee", "train", 0.08, "ant"],
    ]


def test_image_of_which_no_class_is_probable_is_not_listed():
    of_three = [[0.05, 0.48, 0.47], [0.05, 0.35, 0.6]]
    listed = list_suspects(predictions(["ant", "ant"], of_three))
    assert listed[["path", "likely"]].values.tolist() == [["1.jpg", "cow"]]
