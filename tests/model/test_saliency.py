import numpy as np
import pytest
from networks import COLOURS, write_colour_model

from pawprint.model.predictor import load_predictor
from pawprint.model.saliency import occlusion

SIZE = 96


@pytest.mark.parametrize("classes", [2, 3])
def test_heat_is_where_the_class_is_and_nowhere_without_it(classes, tmp_path):
    """There is a red spot on grey. Red is the last class in both sets of classes."""
    labels = {"labels": COLOURS} if classes == 3 else {}
    predictor = load_predictor(write_colour_model(tmp_path / "served", SIZE, **labels))
    picture = np.full((SIZE, SIZE, 3), 100, np.uint8)
    picture[60:80, 60:80] = (250, 20, 20)
    heat = occlusion(predictor, picture, classes - 1)
    assert (heat.shape, heat.dtype, heat.max()) == ((SIZE, SIZE), np.float32, 1)
    assert heat.min() == 0
    assert heat[64:76, 64:76].min() > 0.5
    assert heat[:40, :40].max() < 0.1
    # Evidence for one class is not evidence for the other.
    assert occlusion(predictor, picture, 0)[64:76, 64:76].max() == 0
    assert not occlusion(predictor, np.full_like(picture, 100), 0).any()
