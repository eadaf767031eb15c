"""Test the settings that are read from the files of transformers and timm."""

from pathlib import Path

import pytest
from conftest import refused
from onnx_files import params_of

from pawprint.files import write_json
from pawprint.network.preprocessing import describe_disagreement, read_preprocessing

HALF = [0.5, 0.5, 0.5]
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
NORMALIZED = {"do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255}
SMALL = {"height": 224, "width": 224}
CENTRE = {"do_center_crop": True, "crop_size": SMALL}
OF_IMAGENET = {"mean": IMAGENET["image_mean"], "std": IMAGENET["image_std"]}
OF_HALF = {"mean": HALF, "std": HALF}
AS_IT_IS = {"mean": [0.0] * 3, "std": [1.0] * 3}

# What transformers 5.24 saves, without the keys that are not read, and settings.
TRANSFORMERS = {
    "DINOv2": (
        IMAGENET | NORMALIZED | CENTRE | {"size": {"shortest_edge": 256}},
        (224, "crop", OF_IMAGENET),
    ),
    "SigLIP": (
        NORMALIZED | {"image_mean": HALF, "image_std": HALF, "size": SMALL},
        (224, "stretch", OF_HALF),
    ),
    "ConvNeXt below 384": (
        IMAGENET | NORMALIZED | {"size": {"shortest_edge": 224}, "crop_pct": 0.875},
        (224, "crop", OF_IMAGENET),
    ),
    "ConvNeXt from 384 on": (
        IMAGENET | NORMALIZED | {"size": {"shortest_edge": 384}, "crop_pct": 0.875},
        (384, "stretch", OF_IMAGENET),
    ),
    # The processor saves a mean that it does not use.
    "MobileViT": (
        {"image_mean": HALF, "image_std": HALF, "do_rescale": True, "do_flip_channel_order": True}
        | CENTRE
        | {"size": {"shortest_edge": 256}},
        (224, "crop", AS_IT_IS | {"channels": "BGR"}),
    ),
    "EfficientNet of TensorFlow": (
        {"do_rescale": True, "rescale_factor": 1 / 127.5, "rescale_offset": True, "size": SMALL},
        (224, "stretch", OF_HALF),
    ),
    # The processor divides by the deviation twice if `include_top`, its default, is true.
    "EfficientNet": (
        NORMALIZED | {"image_mean": HALF, "image_std": HALF, "size": SMALL, "include_top": True},
        (224, "stretch", OF_HALF | {"std": [0.25] * 3}),
    ),
    "ViT of an earlier version": (
        {"do_normalize": True, "image_mean": HALF, "image_std": HALF, "size": 224},
        (224, "stretch", OF_HALF),
    ),
}


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_settings_are_those_of_transformers(kind, tmp_path):
    content, (size, resize, onnx) = TRANSFORMERS[kind]
    write_json(tmp_path / "preprocessor_config.json", content)
    expected = {"image_size": size, "resize": resize, "onnx": onnx}
    assert read_preprocessing(tmp_path / "model.onnx") == expected


OF_TIMM = {"input_size": [3, 224, 224], "mean": HALF, "std": HALF}


@pytest.mark.parametrize(("mode", "resize"), [("center", "crop"), ("squash", "stretch")])
def test_settings_are_those_of_timm(mode, resize, tmp_path):
    write_json(tmp_path / "config.json", {"pretrained_cfg": OF_TIMM | {"crop_mode": mode}})
    expected = {"image_size": 224, "resize": resize, "onnx": OF_HALF}
    assert read_preprocessing(tmp_path / "model.onnx") == expected


def test_params_that_disagree_are_named(tmp_path):
    path = tmp_path / "model.onnx"
    assert describe_disagreement(path, params_of()) is None
    write_json(tmp_path / "config.json", {"model_type": "dinov2"})  # of transformers, not timm
    assert describe_disagreement(path, params_of()) is None
    write(tmp_path, "SigLIP")
    differs = describe_disagreement(path, params_of(mean=HALF))
    assert differs and "model.resize is crop, there stretch" in differs
    assert "model.onnx.std is" in differs and "model.onnx.mean" not in differs
    same = params_of(**OF_HALF).model_copy(update={"image_size": 224, "resize": "stretch"})
    assert describe_disagreement(path, same) is None


def test_file_that_is_damaged_or_of_another_network_is_one_line(tmp_path):
    write(tmp_path, "SigLIP")
    write_json(tmp_path / "config.json", {"pretrained_cfg": OF_TIMM})
    with refused(str(tmp_path), "preprocessor_config.json and config.json", "folder of its own"):
        read_preprocessing(tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text("{")
    with refused("preprocessor_config.json: expected the preprocessing", "Remove the file"):
        read_preprocessing(tmp_path / "model.onnx")
    for other in ("[]", "null", '{"pretrained_cfg": "a"}'):  # of other libraries
        (tmp_path / "preprocessor_config.json").write_text("[]")
        (tmp_path / "config.json").write_text(other)
        assert read_preprocessing(tmp_path / "model.onnx") == {}


def write(folder: Path, kind: str) -> None:
    write_json(folder / "preprocessor_config.json", TRANSFORMERS[kind][0])


@pytest.mark.parametrize(
    "changes", [{"size": {"height": 224, "width": 384}}, {"image_mean": [200]}, {"size": None}]
)
def test_settings_of_no_square_rgb_images_are_one_line(changes, tmp_path):
    file = tmp_path / "preprocessor_config.json"
    write_json(file, TRANSFORMERS["SigLIP"][0] | changes)
    with refused(f"{file}: expected the preprocessing"):
        read_preprocessing(tmp_path / "model.onnx")
