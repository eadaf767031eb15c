import pytest
from networks import model_params

from pawprint.core.errors import InputError
from pawprint.network.applications import published
from pawprint.network.backbone import load_backbone
from pawprint.network.backend import keras
from stages.fetch_weights import fetch_weights


@pytest.mark.parametrize(
    ("name", "alpha", "image_size", "file", "digest"),
    [
        ("MobileNetV2", 0.35, 224, "_0.35_224_no_top.h5", None),
        ("MobileNetV2", 1.0, 96, "_1.0_96_no_top.h5", None),
        ("MobileNetV2", 0.5, 150, "_0.5_224_no_top.h5", None),
        ("MobileNetV2", 1.4, 160, "_1.4_224_no_top.h5", None),
        ("MobileNet", 0.25, 128, "mobilenet_2_5_128_tf_no_top.h5", None),
        (
            "MobileNetV3Small",
            0.75,
            96,
            "weights_mobilenet_v3_small_224_0.75_float_no_top_v2.h5",
            "ebdb5cc8e0b497cd13a7c275d475c819",
        ),
        (
            "ResNet50",
            None,
            64,
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "4d473c1dd8becc155b73f8504c6f6626",
        ),
        ("VGG16", None, 32, "_tf_kernels_notop.h5", "6d6bbae143d832006294945121d1f1fc"),
    ],
)
def test_weights_are_those_that_keras_publishes(name, alpha, image_size, file, digest):
    url, listed = published(name, alpha, image_size)
    assert url.startswith("https://storage.googleapis.com/")
    assert url.endswith(file)
    assert listed == digest


def test_file_with_another_hash_than_keras_lists_is_refused_and_leaves_nothing(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path))
    model = model_params(backbone="VGG16", alpha=None, image_size=32)
    url, digest = published("VGG16", None, 32)
    (tmp_path / url.rsplit("/", 1)[1]).write_bytes(b"weights")
    with pytest.raises(
        InputError, match=rf"weights\.source: .* Keras publishes, with md5 {digest}\. Received: "
    ):
        fetch_weights("imagenet", None, model, tmp_path / "raw" / "weights.h5")
    assert list((tmp_path / "raw").iterdir()) == []


def test_published_weights_come_from_the_mirror(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(mirror))
    fetch_weights("imagenet", None, model_params(image_size=224), tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").stat().st_size == 2_028_672


def test_weights_of_ones_own_are_taken_byte_for_byte(tmp_path):
    (tmp_path / "own.h5").write_bytes(b"weights")
    fetch_weights(str(tmp_path / "own.h5"), None, model_params(), tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").read_bytes() == b"weights"


def test_no_weights_are_random_ones_that_load_and_are_always_the_same(tmp_path):
    for name in ("a.h5", "b.h5"):
        keras.utils.clear_session()  # as in a process of its own
        fetch_weights("none", None, model_params(), tmp_path / name)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    kernel = (
        load_backbone("MobileNetV2", 0.35, 96, tmp_path / "a.h5").get_layer("Conv1").kernel.numpy()
    )
    assert kernel.std() > 0


def test_missing_weights_are_named_and_leave_nothing(tmp_path):
    with pytest.raises(InputError, match=r"own\.h5: expected to read it"):
        fetch_weights(
            str(tmp_path / "own.h5"), None, model_params(), tmp_path / "raw" / "weights.h5"
        )
    assert list((tmp_path / "raw").iterdir()) == []
