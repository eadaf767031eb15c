import numpy as np
import pytest
from conftest import refused
from networks import DENSE, LOGITS, epochs_of, model_with, pixels

from pawprint.model.outputs import to_probabilities
from pawprint.network.hardware import make_deterministic
from pawprint.network.keras_model import build_head, parts
from pawprint.network.training import Batches, Data, Phase, fine_tune, train_head

IMAGES = 12
LABELS = (np.arange(IMAGES) % 2).astype(np.float32)


def bright_and_dark() -> np.ndarray:
    """Return noise in which every second image is twice as bright."""
    return (pixels(IMAGES) * np.where(LABELS, 1, 0.5)[:, None, None, None]).astype(np.float32)


def batches_of(features: np.ndarray, labels: np.ndarray = LABELS) -> Data:
    """Use the same features, `(images, …)`, for training and for validation."""
    train = Batches(features[:, None], labels, 4, "one", seed=1)
    return Data(train, Batches(features[:, None], labels, 4))


def test_balanced_classes_weigh_the_same_in_the_loss_of_training():
    """Without features that distinguish the classes, each class has the same probability."""
    labels = np.full(60, 2, np.float32)
    labels[:9] = np.arange(9) % 3
    train = Batches(np.ones((60, 1, 1)), labels, 60, "one", seed=1)
    make_deterministic(1)
    params = epochs_of(60)
    head = build_head(LOGITS, 3)
    arrays, measured, _ = train_head(head, Data(train, train), Phase("", params, is_balanced=True))
    (predicted,) = to_probabilities(np.ones((1, 1)) @ arrays[0] + arrays[1])
    losses = -np.log(predicted[labels.astype(int)])  # all images weigh the same in validation
    assert measured["loss"] == pytest.approx(losses.mean(), rel=1e-4)
    assert predicted == pytest.approx(1 / 3, abs=0.02)


def test_diverged_phase_is_named():
    params = epochs_of(3, optimizer="sgd", learning_rate=1e38)
    batches = batches_of(np.eye(2)[LABELS.astype(int)] * 1e4)
    with refused("train_extract.epochs: expected"):
        train_head(build_head(DENSE, 2), batches, Phase("train_extract", params))
    model = model_with()
    _, backbone, *_ = parts(model)
    layers = len(backbone.layers)
    maps = backbone(bright_and_dark() / 127.5 - 1, training=False).numpy()
    with refused("train_finetune.epochs: expected"):
        fine_tune(model, layers, batches_of(maps), Phase("train_finetune", params))
