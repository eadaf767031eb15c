"""Compare networks on stored features with the same networks in Keras."""

import numpy as np
import pytest
from networks import DENSE, LOGITS, PLAIN, SIZE, metadata, pixels, sample_backbone, weights_of
from PIL import Image

from pawprint.base.runtime import compile_for_cpu, output_shapes, read_network, write_network
from pawprint.model.predictor import load_predictor
from pawprint.model.served_model import join, write_served_model
from pawprint.model.unknown_score import fit_detector
from pawprint.network.heads import OUTPUTS, Standardisation, on_features, on_maps
from pawprint.network.keras_backbone import build_extractor
from pawprint.network.keras_model import (
    build_model,
    convert,
    cut_index,
    head_with,
    to_openvino,
    with_blocks,
    with_features,
)
from pawprint.network.training import trained_layers

IMAGES = pixels(3)
STANDARDISED = Standardisation(
    np.random.default_rng(1).uniform(0.01, 0.1, 1280).astype(np.float32),
    np.random.default_rng(2).normal(0, 0.1, 1280).astype(np.float32),
)
HEADS = {"plain": PLAIN, "logits": LOGITS, "dense": DENSE}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("standardisation", [None, STANDARDISED])
@pytest.mark.parametrize("head", HEADS)
def test_head_of_every_kind_gives_what_keras_gives(head, standardisation, classes):
    weights = weights_of(HEADS[head], 1280, classes, standardisation)
    features = np.random.default_rng(0).normal(0, 1, (5, 1280)).astype(np.float32)
    network, kinds = on_features({"top": (1280,)}, weights, HEADS[head])
    assert kinds == ["top"]
    keras_head = head_with(weights, HEADS[head])
    for layer in keras_head.layers[-1:]:
        layer.activation = None
    expected = keras_head(features, training=False).numpy()
    run = compile_for_cpu(network)
    for row, logits in zip(features, expected):
        of_network, same = run(row)
        assert of_network == pytest.approx(logits, rel=1e-6, abs=1e-6)
        assert (same == row).all()


def size_of(network) -> int:
    """Return the size in bytes of the weights that the outputs depend on."""
    return sum(node.data.nbytes for node in network.get_ordered_ops() if hasattr(node, "data"))


EXTENDED = pytest.mark.extended


@pytest.mark.parametrize(
    ("first", "has_blocks", "pooling"),
    [
        (None, True, "average"),
        (100, False, "flatten"),
        pytest.param(100, True, "flatten", marks=EXTENDED),
        pytest.param(100, False, "average", marks=EXTENDED),
        pytest.param(None, False, "flatten", marks=EXTENDED),
    ],
)
def test_joined_with_the_extractor_it_is_the_whole_model(tmp_path, first, has_blocks, pooling):
    """This also holds for the files, and for the rows that `features` stores."""
    backbone = sample_backbone()
    cut = None if first is None else cut_index(backbone, first)
    whole = with_blocks(backbone) if has_blocks else backbone
    extractor, outputs = build_extractor("MobileNetV2", with_blocks(backbone), pooling, cut)
    write_network(convert(extractor), tmp_path / "extractor.xml", outputs)
    extractor = read_network(tmp_path / "extractor.xml")
    shapes = output_shapes(extractor)
    features = shapes["top"][0] + (shapes["blocks"][0] if has_blocks else 0)
    weights = weights_of(PLAIN, features, 3, has_blocks=has_blocks)
    model = build_model("MobileNetV2", whole, head_with(weights, PLAIN), pooling)
    if first is None:
        network, kinds = on_features(shapes, weights, PLAIN)
    else:
        trained = to_openvino(trained_layers(model, first))
        network, kinds = on_maps(shapes, trained, weights, PLAIN)
    write_network(network, tmp_path / "network.xml", OUTPUTS, kinds)
    network = read_network(tmp_path / "network.xml")
    of_pixels, of_stored = compile_for_cpu(extractor), compile_for_cpu(network)
    whole_network = join(extractor, network)
    # Trained layers replace the extractor's.
    assert size_of(whole_network) <= 1.05 * size_of(convert(with_features(model)))
    joined = compile_for_cpu(whole_network)
    expected = with_features(model).predict(IMAGES.astype(np.float32), verbose=0)
    for number, image in enumerate(IMAGES):
        stored = dict(zip(outputs, of_pixels(image)))
        for results in (joined(image), of_stored(*(stored[kind] for kind in kinds))):
            for result, of_keras in zip(results, expected):
                assert result == pytest.approx(of_keras[number], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("threshold", [None, 1.0])
def test_mirrored_network_gives_means_over_an_image_and_its_mirror_image(tmp_path, threshold):
    """Logits and unknown scores are averaged, but features come from the original image."""
    weights = weights_of(PLAIN, 1280, 3)
    backbone = sample_backbone()
    model = build_model("MobileNetV2", backbone, head_with(weights, PLAIN), "average")
    network = convert(with_features(model))
    both = [*IMAGES, *IMAGES[:, :, ::-1]]
    run = compile_for_cpu(network)
    logits, features = map(np.array, zip(*map(run, both)))
    detector = fit_detector(features) if threshold else None
    labels = ["a", "b", "c"]
    described = metadata(labels=labels, image_size=SIZE, unknown_threshold=threshold)
    for is_mirrored in (True, False):
        folder = tmp_path / str(is_mirrored)
        write_served_model(network.clone(), described, detector, folder, is_mirrored=is_mirrored)
    means = np.exp((logits[:3] + logits[3:]) / 2)
    mirrored = load_predictor(tmp_path / "True")
    single = load_predictor(tmp_path / "False")
    for number, image in enumerate(map(Image.fromarray, IMAGES)):
        predicted = mirrored.predict(image)
        expected = means[number] / means[number].sum()
        assert predicted.probabilities == pytest.approx(expected, abs=1e-6)
        assert predicted.features == pytest.approx(features[number], abs=1e-6)
        if detector:
            scores = detector.score(features[[number, 3 + number]])
            assert predicted.unknown_score == pytest.approx(scores.mean(), abs=1e-6)
        of_one = single.predict(image)
        assert np.abs(of_one.probabilities - predicted.probabilities).max() > 1e-5
