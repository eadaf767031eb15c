import numpy as np
import pytest
from conftest import refused
from networks import DENSE, LOGITS, PLAIN, model_with, pixels, train_params

from pawprint.network.conversion import cut_index, split_at
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.model import build_head, build_model, parts
from pawprint.network.training import Batches, fine_tune, train_head
from pawprint.probabilities import class_probabilities, to_probabilities

IMAGES = 12
FIRST = 144  # of the layers trained: two convolutions, and others, follow
LABELS = (np.arange(IMAGES) % 2).astype(np.float32)
OF_THREE = (np.arange(IMAGES) % 3).astype(np.float32)


def bright_and_dark() -> np.ndarray:
    """Noise, of which every second image is twice as bright."""
    return (pixels(IMAGES) * np.where(LABELS, 1, 0.5)[:, None, None, None]).astype(np.float32)


def batches_of(features: np.ndarray, labels: np.ndarray = LABELS) -> tuple[Batches, Batches]:
    """The same features, `(images, …)`, to train on and to validate with."""
    return Batches(features[:, None], labels, 4, "one", 1), Batches(features[:, None], labels, 4)


@pytest.mark.parametrize(
    ("params", "classes", "labels"), [(PLAIN, 2, LABELS), (LOGITS, 2, LABELS), (PLAIN, 3, OF_THREE)]
)
def test_head_learns_from_pooled_features(params, classes, labels):
    make_deterministic(1)
    train, validation = batches_of(np.eye(classes)[labels.astype(int)], labels)
    arrays, metrics, history = train_head(
        train_params(epochs=5, learning_rate=0.5), params, classes, "float32", train, validation
    )
    assert metrics["validation"]["loss"] < metrics["initial"]["loss"]
    assert metrics["validation"]["accuracy"] == 1.0
    assert history["validation_loss"].iloc[-1] == pytest.approx(metrics["validation"]["loss"])
    logits = np.eye(classes)[labels.astype(int)] @ arrays[0] + arrays[1]
    predicted = logits[:, 0] > 0 if classes == 2 else logits.argmax(axis=1)
    assert (predicted == labels).all()


@pytest.mark.parametrize(("classes", "often"), [(2, 1), (3, 2)])
def test_balanced_classes_weigh_the_same_in_the_loss_of_training(classes, often):
    """Without a feature to tell them apart, each class gets the same probability."""
    labels = np.full(60, often, np.float32)
    labels[: classes * 3] = np.arange(classes * 3) % classes
    train = Batches(np.ones((60, 1, 1)), labels, 60, "one", 1)
    predicted = {}
    for weight in (None, "balanced"):
        make_deterministic(1)
        params = train_params(epochs=60, class_weight=weight)
        arrays, metrics, _ = train_head(params, LOGITS, classes, "float32", train, train)
        (predicted[weight],) = to_probabilities(np.ones((1, 1)) @ arrays[0] + arrays[1])
        assert metrics["validation"]["loss"] == pytest.approx(
            -np.log(predicted[weight][labels.astype(int)]).mean(), rel=1e-4
        )
    assert predicted["balanced"] == pytest.approx(1 / classes, abs=0.02)
    assert predicted[None][often] > 0.8


def test_diverged_phase_is_named():
    params = train_params(epochs=3, optimizer="sgd", learning_rate=1e38)
    batches = batches_of(np.eye(2)[LABELS.astype(int)] * 1e4)
    with refused("train_extract.learning_rate: expected"):
        train_head(params, DENSE, 2, "float32", *batches)
    model = model_with("sigmoid")
    _, backbone, *_ = parts(model)
    layers = len(backbone.layers)
    maps = backbone(bright_and_dark() / 127.5 - 1, training=False).numpy()
    with refused("train_finetune.learning_rate: expected"):
        fine_tune(model, params, "float32", layers, *batches_of(maps))


@pytest.fixture(scope="module", params=["flatten", "softmax"])
def fine_tuned(request):
    """A model after fine-tuning, its weights before, and its history."""
    make_deterministic(1)
    model = model_with(request.param)
    _, backbone, *_ = parts(model)
    before, _ = split_at(backbone, cut_index(backbone, FIRST))
    train, validation = batches_of(before(bright_and_dark() / 127.5 - 1, training=False).numpy())
    weights = {weight.path: weight.numpy() for weight in backbone.weights}
    params = train_params(epochs=3, learning_rate=1e-3)
    _, history, _ = fine_tune(model, params, "float32", FIRST, train, validation)
    return model, weights, history


def test_fine_tuning_changes_the_last_convolutions_and_nothing_else_of_the_backbone(fine_tuned):
    """Batch normalization keeps its statistics and its weights (docs/decisions/01)."""
    model, before, _ = fine_tuned
    _, backbone, *_ = parts(model)
    assert any(name.endswith("moving_mean") for name in before)
    trained = {
        weight.path
        for layer in backbone.layers[FIRST:]
        if not isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.weights
    }
    assert len(trained) >= 2
    changed = {
        weight.path
        for weight in backbone.weights
        if not np.array_equal(weight.numpy(), before[weight.path])
    }
    assert changed == trained


def test_model_predicts_what_training_measured(fine_tuned):
    """Training runs the layers after the cut as the whole model runs them: in inference mode."""
    model, _, history = fine_tuned
    output = model.predict(bright_and_dark(), verbose=0).astype(np.float64)
    probabilities = class_probabilities(output)
    losses = -np.log(np.take_along_axis(probabilities, LABELS.astype(int)[:, None], axis=1))
    _, _, _, head = parts(model)
    penalties = sum(float(loss) for loss in head.losses)
    last = history.iloc[-1]
    assert last["validation_loss"] == pytest.approx(losses.mean() + penalties, rel=1e-4)
    accuracy = (probabilities.argmax(axis=1) == LABELS).mean()
    assert last["validation_accuracy"] == pytest.approx(accuracy)


def test_fine_tuning_without_layers_of_the_backbone_trains_the_head_alone():
    make_deterministic(1)
    model = model_with("sigmoid")
    _, backbone, _, head = parts(model)
    train, validation = batches_of(backbone(bright_and_dark() / 127.5 - 1, training=False).numpy())
    before = backbone.get_weights(), head.get_weights()
    fine_tune(model, train_params(), "float32", len(backbone.layers), train, validation)
    assert all(map(np.array_equal, backbone.get_weights(), before[0]))
    assert not any(map(np.array_equal, head.get_weights(), before[1]))


def test_dropout_of_the_backbone_is_off_in_training():
    make_deterministic(1)
    image = keras.Input((8, 8, 3))
    maps = keras.layers.Dropout(0.9)(keras.layers.Conv2D(4, 3)(image))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3)(maps), name="backbone")
    model = build_model("MobileNetV2", backbone, build_head(LOGITS, 2), "average")
    train, validation = batches_of(np.random.default_rng(0).normal(0, 1, (IMAGES, 8, 8, 3)))
    _, history, _ = fine_tune(
        model, train_params(learning_rate=1e-9), "float32", 1, train, validation
    )
    assert history["loss"].iloc[0] == pytest.approx(history["validation_loss"].iloc[0], rel=1e-4)


def test_without_epochs_the_backbone_stays_frozen():
    model = model_with("sigmoid")
    _, backbone, _, head = parts(model)
    before, _ = split_at(backbone, cut_index(backbone, FIRST))
    batches = batches_of(before(bright_and_dark() / 127.5 - 1, training=False).numpy())
    optimizer, history, _ = fine_tune(model, train_params(epochs=0), "float32", FIRST, *batches)
    assert not len(history)
    assert not backbone.trainable_variables
    # Its state of so many weights, besides the count of steps and the rate.
    assert len(optimizer.variables) == 2 + 2 * len(head.trainable_variables)
