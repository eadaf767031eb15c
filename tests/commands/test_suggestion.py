import numpy as np
from scipy.sparse import csr_array

from pawprint.projects import suggestion as suggest
from pawprint.projects.suggestion import Candidates, choose


def at(*degrees: float) -> np.ndarray:
    """Return features of two channels that point in these directions."""
    angle = np.radians(degrees)
    return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def chosen(features, weight=None, labelled=(), pairs=(), number=9, limited=(), limit=9, unsure=()):
    images = len(features)
    rows, columns = np.array([*pairs, *(pair[::-1] for pair in pairs)], int).reshape(-1, 2).T
    alike = csr_array((np.ones(len(rows), bool), (rows, columns)), (images, images))
    weight = np.ones(images) if weight is None else np.array(weight)
    is_limited = np.isin(np.arange(images), limited)
    is_unsure = np.isin(np.arange(images), unsure)
    images = Candidates(features, weight, alike, is_limited, is_unsure)
    return choose(images, at(*labelled), number, limit).tolist()


def test_most_uncertain_of_equally_distant_images_is_first():
    assert chosen(at(30, -30, 30, -30), [0.1, 0.4, 0.2, 0.3], labelled=[0])[0] == 1
    assert chosen(at(30, -30), [0.1, 0.4])[0] == 1


def test_unsure_images_are_first():
    assert chosen(at(30, -30, 90, 60), [0.1, 0.4, 0.2, 0.3], unsure=[0, 2]) == [2, 0, 1, 3]


def test_images_are_far_from_labelled_ones_and_from_each_other(monkeypatch):
    monkeypatch.setattr(suggest, "BLOCK", 2)
    assert chosen(at(1, 20, 22, 40, -21), labelled=[0, 60]) == [2, 4, 3, 1, 0]
    assert chosen(at(0, 1, 2, 90, 91, 45), number=3) == [0, 4, 5]
