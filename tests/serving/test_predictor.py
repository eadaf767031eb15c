from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino
import openvino.opset15 as op
import pytest
from networks import metadata, write_colour_model
from PIL import Image
from scipy.special import expit

from pawprint.core.errors import InputError
from pawprint.serving.metadata import write_metadata
from pawprint.serving.predictor import load_predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "served"
    return load_predictor(write_colour_model(folder, threshold=0.3, temperature=2.0))


def plain(red: int, blue: int) -> Image.Image:
    return Image.new("RGB", (50, 40), (red, 0, blue))


@pytest.mark.parametrize(("red", "blue"), [(110, 100), (100, 110), (0, 0), (50, 53)])
def test_probability_is_that_of_the_second_label(predictor, red, blue):
    assert predictor.predict(plain(red, blue)) == pytest.approx(
        expit((red - blue) / 10 / 2.0), abs=1e-5
    )


def test_second_label_is_predicted_from_the_threshold_on(predictor):
    assert predictor.label(0.29) == "cat"
    assert predictor.label(0.3) == "dog"


def test_image_is_resized_as_the_metadata_says(tmp_path):
    """Only the square in the middle is left of a wide image that is cropped."""
    image = Image.new("RGB", (96, 32), (0, 0, 40))
    image.paste((40, 0, 0), (32, 0, 64, 32))
    for resize, expected in (("crop", 4.0), ("stretch", -4 / 3)):
        predictor = load_predictor(write_colour_model(tmp_path / resize, resize=resize))
        assert predictor.outputs(image)[1] == pytest.approx(expected, abs=0.3)


def test_threads_share_a_predictor(predictor):
    images = [plain(100 + number, 100) for number in range(20)]
    alone = [predictor.predict(image) for image in images]
    assert len(set(alone)) == len(images)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(predictor.predict, images * 20)) == alone * 20


def test_folder_without_a_model_is_refused(tmp_path):
    write_metadata(tmp_path, metadata())
    with pytest.raises(InputError, match=r"expected model\.xml or .* beside model\.json"):
        load_predictor(tmp_path)


@pytest.mark.parametrize("factor", [np.inf, 1e30, 1.0])
def test_number_that_is_no_probability_is_refused_in_one_line(tmp_path, factor):
    """The mean of the pixels, multiplied; for `inf` by a product of finite weights."""
    image = op.parameter([-1, 32, 32, 3], np.float32)
    factors = [1e38, 1e38] if factor == np.inf else [factor]
    output = op.reduce_mean(image, op.constant(np.array([1, 2, 3])), keep_dims=False)
    output = op.unsqueeze(output, op.constant(np.array([1])))
    for each in factors:
        output = op.multiply(output, op.constant(np.float32(each)))
    openvino.serialize(openvino.Model([output], [image]), tmp_path / "model.xml")
    write_metadata(tmp_path, metadata(image_size=32))
    with pytest.raises(InputError, match="expected a probability") as raised:
        load_predictor(tmp_path).predict(plain(200, 100))
    assert len(str(raised.value).splitlines()) == 1
