import numpy as np
import pytest
from conftest import refused
from networks import DENSE, LOGITS, epochs_of, model_with, pixels, write_features

from pawprint.base.labels import ONE_CLASS
from pawprint.network.hardware import computing_in, keras, make_deterministic, training_on
from pawprint.network.keras_model import build_head, load_model, parts, save_model
from pawprint.network.store import stored_examples
from pawprint.network.training import (
    Batches,
    Data,
    Phase,
    compile_model,
    cosine_decay,
    describe_kept,
    fine_tune,
    fit_epochs,
    open_batches,
    optimizer_of,
    train_head,
    validate,
)
from pawprint.pipeline.params.model import Dense, EarlyStopping, Hardware


def test_batches_are_those_of_arrays_in_the_order_of_the_split_table(tmp_path):
    split = write_features(tmp_path, LABELS, cut=FEATURES + 1000, top=FEATURES)
    examples = stored_examples(tmp_path, split, ["cat", "dog"])
    train, validation = open_batches(examples, ("top",), epochs_of())
    assert (len(train), len(validation)) == (3, 3)
    expected = Batches(FEATURES, LABELS, 4, "one", seed=1)
    for batches, like in ((train, expected), (validation, Batches(FEATURES[:, :1], LABELS, 4))):
        for index in range(len(like)):
            for got, wanted in zip(batches[index], like[index], strict=True):
                assert got.dtype == wanted.dtype == np.float32
                assert (got == wanted).all()


VIEWS, IMAGES = 3, 10
# The feature shows which view of which image it belongs to: 100 * view + image.
FEATURES = (np.arange(IMAGES)[:, None, None] + 100 * np.arange(VIEWS)[:, None]).astype(np.float16)
LABELS = (np.arange(IMAGES) % 2).astype(np.float32)


def epoch(batches: Batches) -> np.ndarray:
    features = np.concatenate([batches[index][0] for index in range(len(batches))])[:, 0]
    batches.start_epoch(batches.epoch + 1)
    return features


def test_each_epoch_takes_one_view_of_each_image_until_all_are_taken():
    batches = Batches(FEATURES, LABELS, 4, "one", seed=1)
    epochs = [epoch(batches) for _ in range(VIEWS)]
    for features in epochs:
        assert sorted(features % 100) == list(range(IMAGES))
        assert len(set(features // 100)) == VIEWS
    assert sorted(np.concatenate(epochs)) == sorted(FEATURES.ravel())


def new_model() -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])


# One of the two features is the label, so that one or two steps are enough to learn it.
LEARNABLE = np.stack([LABELS, 1 - LABELS], axis=-1)[:, None] * np.array([[1], [0.5]])


def learnable() -> Data:
    train = Batches(LEARNABLE, LABELS, 4, "one", seed=1)
    return Data(train, Batches(LEARNABLE[:, :1], LABELS, 4))


def fitted(labels: np.ndarray, number: int, **changes) -> tuple:
    """Train with these labels in validation, and return their loss before that, and the results."""
    make_deterministic(1)
    params = epochs_of(number, optimizer="sgd", learning_rate=1.0, **changes)
    model, data = new_model(), learnable()
    compile_model(model, params, False)
    data.validation.labels = labels
    before = validate(model, data.validation)["loss"]
    return before, model, data.validation, *fit_epochs(model, data, Phase("", params))


def test_best_epoch_between_others_is_kept():
    labels = np.where(np.arange(IMAGES) < IMAGES // 4, 1 - LABELS, LABELS)
    before, model, validation, history, keeper = fitted(labels, 8, keep_best=True)
    line = describe_kept(history, keeper)
    losses = history["validation_loss"]
    kept = history.index[history["kept"]]
    assert kept.tolist() == [losses.idxmin()]
    assert losses.index[0] < kept[0] < losses.index[-1]
    assert validate(model, validation)["loss"] == pytest.approx(losses.min(), rel=1e-5)
    for shown in (f"epoch {kept[0] + 1} ", f"{losses.min():.4f}", f"{before:.4f}"):
        assert shown in line


def test_training_stops_early_and_keep_best_decides_what_is_kept():
    """Validation becomes worse, at once or later."""
    stopping = {"early_stopping": EarlyStopping(patience=1)}
    *_, history, _ = fitted(1 - LABELS, 4, **stopping)
    assert history["kept"].tolist() == [False, True]
    before, model, validation, history, _ = fitted(1 - LABELS, 4, keep_best=True, **stopping)
    assert history["kept"].tolist() == [False, False]  # the weights from before training are better
    assert validate(model, validation)["loss"] == pytest.approx(before)


DECAYED = epochs_of(4, learning_rate=0.1, learning_rate_decay="cosine")


def test_rate_warms_up_for_half_an_epoch_and_decays_as_a_cosine_in_every_step():
    warmup = [0, 0.02, 0.04, 0.06, 0.08]
    expected = [*warmup, *(0.05 * (1 + np.cos(np.pi * np.arange(35) / 35)))]
    assert cosine_decay(DECAYED, steps=10) == pytest.approx(expected)


@pytest.mark.parametrize("batch_size", [4, 1000])
def test_each_step_has_its_epochs_rate_and_views_and_training_can_be_continued(batch_size):
    params = DECAYED.model_copy(update={"optimizer": "sgd"})
    models = [new_model(), new_model()]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        compile_model(model, params, False)
    data, (again, _) = learnable(), learnable()
    data.train.batch_size = again.batch_size = batch_size
    history, _ = fit_epochs(models[0], data, Phase("", params))
    rates = cosine_decay(params, len(data.train)).reshape(params.number, -1)
    assert history["learning_rate"].to_list() == pytest.approx(rates[:, -1].tolist())
    assert float(models[0].optimizer.learning_rate) == pytest.approx(params.learning_rate)
    for epoch, of_epoch in enumerate(rates):
        again.start_epoch(epoch)
        for index, rate in enumerate(of_epoch):
            models[1].optimizer.learning_rate = rate
            models[1].train_on_batch(*again[index])
    for trained, expected in zip(*(model.get_weights() for model in models)):
        assert trained == pytest.approx(expected, abs=1e-6)


def test_measured_loss_is_without_the_penalty_on_weights():
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, "sigmoid", kernel_regularizer="l2")]
    )
    model.set_weights([np.full((2, 1), 9.0), np.zeros(1)])
    compile_model(model, epochs_of(), False)
    _, validation = learnable()
    probability = 1 / (1 + np.exp(-9.0))  # for each image, one of its two features is 1
    expected = -(np.log(probability) + np.log(1 - probability)) / 2
    assert validate(model, validation)["loss"] == pytest.approx(expected, rel=1e-3)


NOISES = 12
BRIGHT = (np.arange(NOISES) % 2).astype(np.float32)


def bright_and_dark() -> np.ndarray:
    """Return noise in which every second image is twice as bright."""
    return (pixels(NOISES) * np.where(BRIGHT, 1, 0.5)[:, None, None, None]).astype(np.float32)


def batches_of(features: np.ndarray) -> Data:
    """Use the same features, `(images, …)`, for training and for validation."""
    train = Batches(features[:, None], BRIGHT, 4, "one", seed=1)
    return Data(train, Batches(features[:, None], BRIGHT, 4))


def test_balanced_classes_weigh_the_same_in_the_loss_of_training():
    """Without features that distinguish the classes, each class has the same probability."""
    labels = np.full(60, 2, np.float32)
    labels[:9] = np.arange(9) % 3
    train = Batches(np.ones((60, 1, 1)), labels, 60, "one", seed=1)
    make_deterministic(1)
    params = epochs_of(60)
    head = build_head(LOGITS, 3)
    arrays, measured, _ = train_head(head, Data(train, train), Phase("", params, is_balanced=True))
    (predicted,) = ONE_CLASS.to_probabilities(np.ones((1, 1)) @ arrays[0] + arrays[1])
    losses = -np.log(predicted[labels.astype(int)])  # all images weigh the same in validation
    assert measured["loss"] == pytest.approx(losses.mean(), rel=1e-4)
    assert predicted == pytest.approx(1 / 3, abs=0.02)


def test_diverged_phase_is_named():
    params = epochs_of(3, optimizer="sgd", learning_rate=1e38)
    batches = batches_of(np.eye(2)[BRIGHT.astype(int)] * 1e4)
    with refused("train_extract.epochs: expected"):
        train_head(build_head(DENSE, 2), batches, Phase("train_extract", params))
    model = model_with()
    _, backbone, *_ = parts(model)
    layers = len(backbone.layers)
    maps = backbone(bright_and_dark() / 127.5 - 1, training=False).numpy()
    with refused("train_finetune.epochs: expected"):
        fine_tune(model, layers, batches_of(maps), Phase("train_finetune", params))


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_without_a_gpu_is_refused_before_training(precision):
    hardware = Hardware(devices="cpu", threads="auto", precision=precision, kernels="portable")
    with refused(f"hardware.precision: {precision} needs a GPU"), training_on(hardware):
        pass


def test_optimizer_is_that_of_the_params_in_mixed_precision():
    model = model_with()
    with computing_in("mixed_float16", [model]):
        compile_model(model, epochs_of(), from_logits=False)
    assert type(optimizer_of(model)) is keras.optimizers.Adam is not type(model.optimizer)


class MixedFloat64(keras.DTypePolicy):
    """Mixed precision that every CPU has kernels for. The weights are float32."""

    compute_dtype = "float64"


@pytest.mark.slow
def test_mixed_precision_learns_and_saves_a_model_in_float32(tmp_path):
    """Half of the channels reveal the label."""
    maps = np.random.default_rng(0).uniform(0, 1, (NOISES, 3, 3, 112))
    maps[..., ::2] += BRIGHT[:, None, None, None]
    params = LOGITS.model_copy(update={"dense": Dense(units=8)})
    of_head, of_network = [], []
    for each in ("float32", MixedFloat64("float32")):
        make_deterministic(1)
        phase, model = Phase("", epochs_of(10, learning_rate=2e-3), each), model_with()
        _, _, head = train_head(build_head(params, 2), batches_of(maps.mean(axis=(1, 2))), phase)
        optimizer, network, *_ = fine_tune(model, 150, batches_of(maps), phase)
        of_head.append(head["loss"].to_list())
        of_network.append(network["loss"].to_list())
    assert of_head[0] != of_head[1] == pytest.approx(of_head[0], rel=0.05)
    assert of_network[0] != of_network[1]
    assert network["validation_accuracy"].iloc[-1] == 1
    assert isinstance(optimizer, keras.optimizers.Adam)
    save_model(model, tmp_path / "model.keras", optimizer)
    layers = load_model(tmp_path / "model.keras").layers
    assert {layer.compute_dtype for layer in layers} == {"float32"}
