import numpy as np
import pytest
from conftest import SAMPLE_WEIGHTS

from pawprint.core.errors import InputError
from pawprint.network.applications import untrained
from pawprint.network.backbone import load_backbone, save_weights


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_saved_weights_are_loaded_by_their_names(tmp_path, dtype):
    backbone = untrained("MobileNetV2", 0.35, 32)
    save_weights(backbone, tmp_path / "weights.h5", dtype)
    loaded = load_backbone("MobileNetV2", 0.35, 32, tmp_path / "weights.h5")
    for weight, expected in zip(loaded.get_weights(), backbone.get_weights(), strict=True):
        assert np.array_equal(weight, expected.astype(dtype))


def test_weights_fit_images_of_any_size():
    backbone = load_backbone("MobileNetV2", 0.35, 64, SAMPLE_WEIGHTS)
    assert backbone.input_shape == (None, 64, 64, 3)
    assert backbone.output_shape == (None, 2, 2, 1280)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_weights_of_another_width_are_refused_in_one_line(alpha):
    with pytest.raises(
        InputError, match=rf"expected weights of MobileNetV2 .*alpha {alpha}"
    ) as error:
        load_backbone("MobileNetV2", alpha, 96, SAMPLE_WEIGHTS)
    assert "\n" not in str(error.value)


def test_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"weights\.h5: expected weights of MobileNetV2"):
        load_backbone("MobileNetV2", 0.35, 96, tmp_path / "weights.h5")
