import numpy as np
import pytest

from pawprint.evaluation.drawn_images import KINDS, draw_images
from pawprint.evaluation.unknown import measure_unknown


def test_scores_are_of_the_images_that_are_refused_and_kept():
    is_correct = np.array([True, True, False, True, False])
    scores, drawn = np.array([0.1, 0.2, 0.3, 0.6, 0.7]), np.array([0.65, 0.8, 0.9, 0.4])
    table = measure_unknown(is_correct, scores, drawn, 0.5, 0.95).set_index("score")
    value = table["value"]
    assert value["refused"] == 2 / 5
    assert value["kept_accuracy"] == 2 / 3
    assert value["unknown_roc_auc"] == pytest.approx(17 / 20)
    assert value["drawn_refused"] == 3 / 4
    assert list(table["images"]) == [5, 3, 5, 4]
    of_none = measure_unknown(is_correct, scores, drawn, 0.0, 0.95)
    assert list(of_none["score"]) == ["refused", "unknown_roc_auc", "drawn_refused"]


def test_drawn_images_are_the_same_every_time_and_of_each_kind():
    images = draw_images()
    assert len(images) == 20 * len(KINDS)
    assert len({image.tobytes() for image in images}) == len(images)
    for image, again in zip(images, draw_images(), strict=True):
        assert image.mode == "RGB"
        assert min(image.size) >= 160
        assert image.tobytes() == again.tobytes()
