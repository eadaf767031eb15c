import numpy as np
import pytest
from conftest import refused

from pawprint.files import write_arrays
from pawprint.model.unknown import choose_unknown_threshold, fit_unknown, read_detector


@pytest.mark.parametrize(
    ("images", "quantile", "refused"),
    [(1000, 0.995, 4), (399, 0.995, 1), (398, 0.995, 0), (20, 0.995, 0), (20, 0.5, 9)],
)
def test_threshold_keeps_at_least_the_quantile(images, quantile, refused):
    scores = np.random.default_rng(0).permutation(np.linspace(0.10005, 0.90005, images))
    threshold = choose_unknown_threshold(scores, quantile)
    assert (scores > threshold).sum() == refused
    assert threshold == round(threshold, 4)
    assert (scores - 1e-6 > threshold).sum() == (scores + 1e-6 > threshold).sum()


def test_new_images_are_refused_as_often_as_the_quantile_says():
    """Scores of images that the detector was fitted on would refuse 39%."""
    directions, refused = np.abs(np.random.default_rng(9).normal(size=(100, 200))), []
    for seed in range(3):
        random = np.random.default_rng(seed)
        of_images = random.exponential(1, (1400, 1, 100)) ** 2 @ directions
        features = of_images + random.normal(size=(1400, 2, 200))
        training, validation, new = np.split(features, [300, 400])
        detector, of_training = fit_unknown(training)
        scores = np.concatenate([of_training, detector.score(validation)]).mean(axis=1)
        threshold = choose_unknown_threshold(scores, 0.9)
        refused.append((detector.score(new).mean(axis=1) > threshold).mean())
    assert 0.07 < np.mean(refused) < 0.12


def test_other_arrays_than_those_of_a_detector_are_one_line(tmp_path):
    write_arrays(tmp_path / "detector.npz", mean=np.zeros(5))
    with refused("detector.npz: expected the arrays mean and components. Received: mean."):
        read_detector(tmp_path)
