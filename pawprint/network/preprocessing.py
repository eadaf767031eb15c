"""Read how a network expects its images, from the file that its library saves next to the network.

`save_pretrained` of a transformers processor writes preprocessor_config.json; timm writes
config.json.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pawprint.errors import InputError
from pawprint.files import read_text
from pawprint.params.model import Model, Onnx

TRANSFORMERS = "preprocessor_config.json"
TIMM = "config.json"
CROP_MODES = {"center": "crop", "squash": "stretch", "border": "pad"}  # timm's crop modes
# ConvNextImageProcessor crops for smaller edges only, and stretches from this one on.
STRETCHED = 384
OF_IMAGES = ("mean", "std", "channels")  # keys of model.onnx


def read_preprocessing(path: Path) -> dict[str, Any]:
    """Return the settings next to a network, keyed by the params of `model` without this prefix.

    They are `image_size`, `resize` and `onnx`, a mapping with `mean`, `std` and, for BGR,
    `channels`. Returns an empty mapping if the file is missing or of another library. Raises
    InputError for a damaged file, if a value is missing or of another type, and if both libraries
    have written a file, because they probably describe two networks.
    """
    found: list[dict] = []
    for name, settings_of in ((TRANSFORMERS, _of_transformers), (TIMM, _of_timm)):
        file = path.with_name(name)
        if not file.is_file():
            continue
        try:
            content = json.loads(read_text(file))
            settings = settings_of(content) if isinstance(content, dict) else {}
            Onnx(**settings.get("onnx", {}))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            problem = str(error).splitlines()[0]
            raise InputError(
                f"{file}: expected the preprocessing of square RGB images. Received: {problem}. "
                "Remove the file, and set model.image_size, model.resize and model.onnx in "
                "params.yaml yourself."
            ) from None
        found += [settings] if settings else []
    if len(found) > 1:
        raise InputError(
            f"{path.parent}: expected the preprocessing of one network. Received: {TRANSFORMERS} "
            f"and {TIMM}. Put each network and its file into a folder of its own."
        )
    return found[0] if found else {}


def _of_timm(config: Mapping) -> dict:
    """Return the settings, or {} for the config.json of another library."""
    content = config.get("pretrained_cfg")
    if not isinstance(content, dict):
        return {}
    _, height, width = content["input_size"]
    onnx = {"mean": content["mean"], "std": content["std"]}
    resize = CROP_MODES[content.get("crop_mode") or "center"]
    return {"image_size": _side({"height": height, "width": width}), "resize": resize, "onnx": onnx}


def _of_transformers(content: Mapping) -> dict:
    """Return the settings; earlier versions wrote one number as the size."""
    is_cropped = content.get("do_center_crop")
    size = content["size"]
    if not isinstance(size, dict):
        size = {"shortest_edge" if is_cropped or "crop_pct" in content else "height": size}
    edge = size.get("shortest_edge")
    is_stretched = edge is None or (not is_cropped and "crop_pct" in content and edge >= STRETCHED)
    # Pixels are multiplied by a factor, and one is possibly subtracted, before the normalization.
    factor = 255 * (
        content.get("rescale_factor", 1 / 255) if content.get("do_rescale", True) else 1
    )
    shift = 1 if content.get("rescale_offset") else 0
    mean, std = [0.0] * 3, [1.0] * 3
    if content.get("do_normalize"):  # MobileViT saves a mean that it does not use
        mean, std = content["image_mean"], content["image_std"]
    if content.get("include_top"):  # EfficientNetImageProcessor divides twice
        std = [value**2 for value in std]
    onnx: dict[str, object] = {"mean": [round((value + shift) / factor, 6) for value in mean]}
    onnx["std"] = [round(value / factor, 6) for value in std]
    if content.get("do_flip_channel_order"):
        onnx["channels"] = "BGR"
    return {
        "image_size": _side(content["crop_size"] if is_cropped else size),
        "resize": "stretch" if is_stretched else "crop",
        "onnx": onnx,
    }


def _side(size: dict | int) -> int:
    sides = [*size.values()] if isinstance(size, dict) else [size]
    if len({*sides}) != 1 or not isinstance(sides[0], int):
        raise ValueError(f"images of {' by '.join(map(str, sides))} pixels")
    return sides[0]


def describe_disagreement(path: Path, model: Model) -> str | None:
    """Return which params disagree with the file next to the network at `path`, if any."""
    try:
        settings = read_preprocessing(path)
    except InputError as error:  # params.yaml decides
        return str(error)
    if not settings:
        return None
    onnx = Onnx(**settings["onnx"])
    used = model.onnx or Onnx()
    pairs = [(f"model.onnx.{key}", getattr(used, key), getattr(onnx, key)) for key in OF_IMAGES]
    pairs += [
        (f"model.{key}", getattr(model, key), settings[key]) for key in ("image_size", "resize")
    ]
    differ = [f"{name} is {ours}, there {theirs}" for name, ours, theirs in pairs if ours != theirs]
    return f"{path.parent}: the preprocessing differs: {'; '.join(differ)}" if differ else None
