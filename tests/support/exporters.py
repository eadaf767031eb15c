"""Write ONNX files as today's exporters do, with random weights, one folder per file.

Needs its own environment: `pip install torch==2.14.1 torchvision==0.29.1 timm==1.0.31
transformers==5.24.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0`. Run: `python exporters.py
FOLDER`
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import timm
import torch
import transformers
from timm.models._hub import save_config_for_hf

TINY = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 3}
TINY |= {"intermediate_size": 192}


class First(torch.nn.Module):
    """A transformers model that returns one of its outputs."""

    def __init__(self, model: torch.nn.Module, name: str) -> None:
        super().__init__()
        self.model = model
        self.name = name

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(pixels), self.name)


def export(path: Path, model: torch.nn.Module, size: int, batch: int = 1, **options) -> None:
    """Export a network for images of this size with PyTorch's exporter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model = model.eval()
    parameter = next(model.parameters())
    pixels = torch.zeros((batch, 3, size, size), dtype=parameter.dtype)
    options = {"input_names": ["pixels"], "output_names": ["features"], "verbose": False} | options
    torch.onnx.export(model, (pixels,), path, **{"external_data": False} | options)


def vision(kind: str, output: str = "last_hidden_state", **changes) -> torch.nn.Module:
    config = getattr(transformers, f"{kind}Config")(**TINY | changes)
    return First(getattr(transformers, f"{kind}Model")(config), output)


def timm_model(name: str, **options) -> torch.nn.Module:
    return timm.create_model(name, **{"num_classes": 0} | options)


VIT = {"embed_dim": 96, "depth": 2, "num_heads": 3}
WITH_REGISTERS = {"image_size": 518, "patch_size": 14, "num_register_tokens": 4}
DYNAMIC = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}


def write_dinov2_by_hand(folder: Path) -> None:
    """Write what a user of transformers writes: the network and its preprocessing."""
    export(folder / "model.onnx", vision("Dinov2", image_size=224, patch_size=14), 224)
    transformers.BitImageProcessor(
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)


def write_mobilevit(folder: Path) -> None:
    sizes = {"hidden_sizes": [48, 64, 80], "image_size": 256, "num_attention_heads": 4}
    sizes |= {"initializer_range": 0.2}  # otherwise, all features are the same
    channels = {"neck_hidden_sizes": [16, 32, 64, 96, 128, 160, 640]}
    config = transformers.MobileViTConfig(**sizes, **channels)
    export(folder / "model.onnx", First(transformers.MobileViTModel(config), "pooler_output"), 256)
    transformers.MobileViTImageProcessor(
        size={"shortest_edge": 288}, crop_size={"height": 256, "width": 256}
    ).save_pretrained(folder)


def write_siglip(folder: Path) -> None:
    model = vision("SiglipVision", "pooler_output", image_size=224, patch_size=16)
    export(folder / "model.onnx", model, 224, **DYNAMIC)
    transformers.SiglipImageProcessor(size={"height": 224, "width": 224}).save_pretrained(folder)


def write_convnext(folder: Path) -> None:
    sizes = {"hidden_sizes": [32, 48, 64, 96], "depths": [1, 1, 2, 1]}
    model = transformers.ConvNextV2Model(transformers.ConvNextV2Config(**sizes))
    export(folder / "model.onnx", First(model, "pooler_output"), 384)
    transformers.ConvNextImageProcessor(size={"shortest_edge": 384}).save_pretrained(folder)


def write_mobilenetv4(folder: Path) -> None:
    model = timm_model("mobilenetv4_conv_small")
    export(folder / "model.onnx", model, 224, 2, **DYNAMIC)
    save_config_for_hf(model, folder / "config.json")


def write_one_file(folder: Path) -> None:
    """Apply the remedy for weights in another file."""
    source = folder / "with weights" / "model.onnx"
    export(source, small_mobilenet(), 224, external_data=True)
    onnx.save(onnx.load(source), folder / "model.onnx")


def exporting(
    build: Callable[[], torch.nn.Module], size: int, batch: int = 1, **options
) -> Callable[[Path], None]:
    """Return a function that builds a network and exports it into a folder."""
    return lambda folder: export(folder / "model.onnx", build(), size, batch, **options)


def registers() -> torch.nn.Module:
    return vision("Dinov2WithRegisters", **WITH_REGISTERS)


def resized_vit(**options) -> torch.nn.Module:
    return timm_model("vit_small_patch14_dinov2", **VIT, **options)


def small_mobilenet(**options) -> torch.nn.Module:
    return timm_model("mobilenetv4_conv_small_050", **options)


# The names are those of the rows in tests/network/test_exporters.py.
FILES: dict[str, Callable[[Path], None]] = {
    "dinov2": write_dinov2_by_hand,
    "mobilenetv4": write_mobilenetv4,
    "convnextv2": write_convnext,
    "siglip": write_siglip,
    "mobilevit": write_mobilevit,
    "dinov3": exporting(lambda: vision("DINOv3ViT", image_size=224, num_register_tokens=4), 224),
    "eva02": exporting(lambda: timm_model("eva02_tiny_patch14_224", depth=2), 224),
    "float16": exporting(lambda: small_mobilenet().half(), 224),
    "old exporter": exporting(small_mobilenet, 224, dynamo=False, external_data=True),
    "registers, 518 px": exporting(registers, 518),
    "img_size": exporting(lambda: resized_vit(img_size=224), 224),
    "one file": write_one_file,
}


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    into, *wanted = sys.argv[1:]
    for key in wanted or FILES:
        try:
            FILES[key](Path(into) / key)
        except Exception as error:
            if wanted:
                raise
            print(key, repr(error)[:300], file=sys.stderr)
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__}))
