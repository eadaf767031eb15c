import pytest

from pawprint.core.errors import InputError
from pawprint.network.backbone import load_backbone
from pawprint.network.backend import keras
from pawprint.network.pretrained import published_url
from stages.fetch_weights import fetch_weights


@pytest.mark.parametrize(
    ("alpha", "image_size", "ending"),
    [
        (0.35, 224, "_0.35_224_no_top.h5"),
        (1.0, 96, "_1.0_96_no_top.h5"),
        (1, 160, "_1.0_160_no_top.h5"),
        (0.5, 150, "_0.5_224_no_top.h5"),
        (1.4, 160, "_1.4_224_no_top.h5"),
    ],
)
def test_weights_are_those_published_for_width_and_size(alpha, image_size, ending):
    assert published_url(alpha, image_size).endswith(ending)


def test_published_weights_come_from_the_mirror(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(mirror))
    fetch_weights("imagenet", None, 0.35, 224, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").stat().st_size == 2_028_672


def test_weights_of_ones_own_are_taken_byte_for_byte(tmp_path):
    (tmp_path / "own.h5").write_bytes(b"weights")
    fetch_weights(str(tmp_path / "own.h5"), None, 1.0, 224, tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == b"weights"


def test_no_weights_are_random_ones_that_load_and_are_always_the_same(tmp_path):
    for name in ("a.h5", "b.h5"):
        keras.utils.clear_session()  # as in a process of its own
        fetch_weights("none", None, 0.35, 96, tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    kernel = load_backbone(0.35, 96, tmp_path / "a.h5").get_layer("Conv1").kernel.numpy()
    assert kernel.std() > 0


def test_missing_weights_are_named_and_leave_nothing(tmp_path):
    with pytest.raises(InputError, match=r"weights\.source: expected a URL, or the path"):
        fetch_weights(str(tmp_path / "own.h5"), None, 1.0, 224, tmp_path / "raw" / "weights.h5")
    assert list((tmp_path / "raw").iterdir()) == []
