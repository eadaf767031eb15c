import numpy as np
import pytest

from stages.shared.backend import keras, make_deterministic
from stages.shared.params import Train
from stages.shared.training import Batches, compile_model, fit, measure, open_batches

VIEWS, IMAGES = 3, 10
# The feature of an image's view tells which it is: 100 * view + image.
FEATURES = (100 * np.arange(VIEWS)[:, None, None] + np.arange(IMAGES)[:, None]).astype(np.float16)
LABELS = (np.arange(IMAGES) % 2).astype(np.float32)


def train_params(**changes) -> Train:
    values = {"epochs": 1, "optimizer": "adam", "learning_rate": 0.1, "batch_size": 4}
    return Train(**values | {"views_per_epoch": "one", "seed": 1} | changes)


def epoch(batches: Batches) -> np.ndarray:
    features = np.concatenate([batches[index][0] for index in range(len(batches))])[:, 0]
    batches.on_epoch_end()
    return features


def test_one_view_of_each_image_per_epoch_and_all_of_them_in_turn():
    batches = Batches(FEATURES, LABELS, 4, "one", seed=1)
    epochs = [epoch(batches) for _ in range(VIEWS)]
    for features in epochs:
        assert sorted(features % 100) == list(range(IMAGES))
        assert len(set(features // 100)) == VIEWS
    assert sorted(np.concatenate(epochs)) == sorted(FEATURES.ravel())


def test_all_views_of_each_image_in_every_epoch():
    batches = Batches(FEATURES, LABELS, 4, "all", seed=1)
    for _ in range(2):
        assert sorted(epoch(batches)) == sorted(FEATURES.ravel())


def test_labels_stay_with_their_images():
    batches = Batches(FEATURES, LABELS, 4, "one", seed=1)
    for index in range(len(batches)):
        features, labels = batches[index]
        assert (features.dtype, labels.dtype) == (np.float32, np.float32)
        assert (features[:, 0] % 100 % 2 == labels).all()


def test_order_is_anew_each_epoch_and_the_same_for_the_same_seed():
    first, again = (Batches(FEATURES, LABELS, 4, "one", seed=1) for _ in range(2))
    orders = [epoch(first) % 100 for _ in range(2)]
    assert not (orders[0] == orders[1]).all()
    assert (orders[0] == epoch(again) % 100).all()
    other = Batches(FEATURES, LABELS, 4, "one", seed=2)
    assert not (orders[0] == epoch(other) % 100).all()


def test_validation_is_in_the_order_of_the_files():
    assert (epoch(Batches(FEATURES, LABELS, 4)) == FEATURES.ravel()).all()


def test_features_are_read_from_disk_and_not_loaded(tmp_path):
    for name in ("train", "validation"):
        np.save(tmp_path / f"{name}_top.npy", FEATURES)
        np.save(tmp_path / f"{name}_labels.npy", LABELS)
    train, validation = open_batches(tmp_path, "top", train_params())
    assert isinstance(train.features, np.memmap)
    assert (len(train), len(validation)) == (3, 8)


@pytest.mark.parametrize(
    ("optimizer", "cls"), [("adam", "Adam"), ("rmsprop", "RMSprop"), ("sgd", "SGD")]
)
def test_optimizer_and_its_rate_are_those_of_the_params(optimizer, cls):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    compile_model(model, train_params(epochs=1, optimizer=optimizer, learning_rate=1e-6))
    assert type(model.optimizer).__name__ == cls
    assert np.isclose(float(model.optimizer.learning_rate), 1e-6)


def test_history_counts_on_from_the_first_phase_and_training_learns():
    make_deterministic(1)
    features = np.stack([LABELS[None, :, None], 1 - LABELS[None, :, None]], axis=-1)[..., 0, :]
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    compile_model(model, train_params(epochs=3, optimizer="adam", learning_rate=0.5))
    train, validation = Batches(features, LABELS, 4, "one", seed=1), Batches(features, LABELS, 4)
    rows = fit(model, train, validation, epochs=3, first_epoch=10)
    assert [row["epoch"] for row in rows] == [11, 12, 13]
    assert rows[-1]["validation_loss"] < rows[0]["validation_loss"]
    measured = measure(model, validation)
    assert measured.pop("loss") == pytest.approx(rows[-1]["validation_loss"], abs=1e-6)
    assert measured == {"accuracy": 1.0, "correct": 10, "total": 10}


def test_no_epochs_train_nothing():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    compile_model(model, train_params(epochs=0, optimizer="adam", learning_rate=0.5))
    before = model.get_weights()
    assert (
        fit(model, Batches(FEATURES, LABELS, 4, "one", 1), Batches(FEATURES, LABELS, 4), 0, 0) == []
    )
    assert all((old == new).all() for old, new in zip(before, model.get_weights()))
