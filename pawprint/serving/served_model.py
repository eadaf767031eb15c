"""The served model: its metadata, its file, and the network in it."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import openvino
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pawprint.errors import InputError, is_printable, printable
from pawprint.files import replacing, write_json
from pawprint.params.section import Resize, TestTimeAugmentation
from pawprint.runtime.network_file import read_network, take_uint8, write_network
from pawprint.serving.unknown import Detector, unknown_score, write_detector

METADATA_FILE = "model.json"
PACKAGES = ("keras", "openvino", "pillow", "tensorflow")


def _different_names(labels: list[str]) -> list[str]:
    are_printable = all(label and is_printable(label) for label in labels)
    if len(set(labels)) != len(labels) or not are_printable:
        raise ValueError("expected different names that can be printed")
    return labels


class Metadata(BaseModel):
    """How to prepare an image, and how to read the answer.

    An image is turned upright by its EXIF orientation, made square as `resize` says with the
    filter `interpolation`, and given as `(1, image_size, image_size, 3)`. For two labels the model
    returns the probability of `labels[1]`, `(1, 1)`, which is predicted from `threshold` on. For
    more it returns the probability of each, `(1, labels)`; the most probable one is predicted, and
    `threshold` is null. `temperature` is already applied. An image whose output `unknown_score`,
    `(1, 1)`, is above `unknown_threshold` is unknown. If that is null, no image is. If
    `test_time_augmentation` is not "none", the image is given as several squares (`squares_of` of
    images/pixels.py), whose outputs are averaged.

    `data_md5` is the MD5 of data/split/images.csv, as dvc.lock has it: of the images, their labels
    and splits. `commit` is the project's when a model was exported, with "-dirty" if tracked files
    had changes, as `git describe` writes it; null in the served model, which is made before its
    results are committed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    labels: Annotated[list[str], Field(min_length=2), AfterValidator(_different_names)]
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize: Resize
    interpolation: Literal["bilinear, antialiased"] = "bilinear, antialiased"
    exif_orientation: Literal["applied"] = "applied"
    layout: Literal["NHWC, RGB"] = "NHWC, RGB"
    pixel_range: tuple[Literal[0], Literal[255]] = (0, 255)
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None
    test_time_augmentation: TestTimeAugmentation = "none"
    unknown_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    versions: dict[str, str] = Field(
        default_factory=lambda: {package: version(package) for package in PACKAGES}
    )
    data_md5: str | None = None
    commit: str | None = None

    @field_validator("threshold")
    @classmethod
    def _for_two_labels(cls, threshold: float | None, info: ValidationInfo) -> float | None:
        if (threshold is None) == (len(info.data.get("labels", "")) == 2):
            raise ValueError("expected a number for two labels, and null for more")
        return threshold

    @property
    def units(self) -> int:
        """The numbers that each output of the model holds for an image."""
        return 1 if len(self.labels) == 2 else len(self.labels)


def write_metadata(folder: Path, metadata: Metadata) -> None:
    write_json(folder / METADATA_FILE, metadata.model_dump())


def read_metadata(folder: Path) -> Metadata:
    """Raises InputError if the file is missing or is not what `write_metadata` writes."""
    path = folder / METADATA_FILE
    try:
        if not path.is_file():  # a device or a pipe may never end
            raise FileNotFoundError
        return Metadata.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. Run `dvc repro` to train a model, `dvc pull models/served` to "
            "fetch it, or give the folder of an exported model."
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        reason = " ".join([*map(str, problem["loc"]), f"({problem['msg']})"])
    except OSError as error:
        reason = str(error)
    raise InputError(
        f"{path}: expected the metadata of a served model. Received: {printable(reason)}"
    ) from None


FEATURES = "features"
# The model in its folder, by format. HDF5 is not read.
FILES = ("model.xml", "model.tflite", "model.onnx", "saved_model.pb")


def read_model(path: Path, metadata: Metadata) -> openvino.Model:
    """The network in a file of one of the formats in FILES.

    Takes uint8 `(1, image_size, image_size, 3)`. The outputs are those that `output_names` gives,
    float32: `(1, units)`, `(1, 1)` and, if the network has an output of this name, features,
    `(1, channels)`. Raises ValueError or RuntimeError for a damaged file and for a network of other
    inputs or outputs.
    """
    image_size, network = metadata.image_size, _read(path)
    shape = network.input().partial_shape  # raises RuntimeError for more than one input
    pixels = openvino.PartialShape([-1, image_size, image_size, 3])
    if not pixels.compatible(shape):
        raise ValueError(f"input {shape}, not (batch, {image_size}, {image_size}, 3)")
    network.reshape([1, image_size, image_size, 3])
    *wanted, _ = output_names(metadata)
    others = [output for output in network.outputs if FEATURES not in output.names]
    if len(others) < len(wanted):
        given = len(others)
        raise ValueError(f"number of outputs {given}, less than {len(wanted)}: {', '.join(wanted)}")
    answers = others[: len(wanted)]
    features = [output for output in network.outputs if FEATURES in output.names]
    expected = [metadata.units, 1][: len(answers)] + [-1] * len(features)
    for output, units in zip((*answers, *features), expected):
        is_right = openvino.PartialShape([1, units]).compatible(output.partial_shape)
        if not is_right or output.element_type != openvino.Type.f32:
            length = "channels" if units < 0 else units
            raise ValueError(
                f"output {output.partial_shape} of one image, not (1, {length}) of float32"
            )
    results = [output.get_node() for output in (*answers, *features)]
    network = openvino.Model(results, network.get_parameters())
    return network if network.input().element_type == openvino.Type.u8 else take_uint8(network)


def output_names(metadata: Metadata) -> list[str]:
    """The outputs in their order. Exports, and served models of earlier versions, lack the last."""
    score = [] if metadata.unknown_threshold is None else ["unknown_score"]
    return ["probability", *score, FEATURES]


def _read(path: Path) -> openvino.Model:
    """The network with its outputs in the order of their names.

    A converter may write `unknown_score` before `probability`. In LiteRT their tensors have other
    names, which end with numbers in this order.
    """
    if path.suffix == ".xml":
        return read_network(path)
    network = openvino.Core().read_model(path.parent if path.suffix == ".pb" else path)
    outputs = sorted(network.outputs, key=lambda output: sorted(output.names))
    return openvino.Model([output.get_node() for output in outputs], network.get_parameters())


NETWORK_FILE = "model.xml"
operations = openvino.opset15


def write_served_model(
    network: openvino.Model, metadata: Metadata, detector: Detector | None, folder: Path
) -> None:
    """Write model.xml, model.bin, model.json, and the arrays of a detector in detector.npz.

    `network` takes uint8 pixels and gives logits, `(batch, 1)` for two classes and
    `(batch, classes)` for more, and features, `(batch, channels)`. The served network gives
    `probability`, the sigmoid or softmax of the logits after division by the temperature, with a
    detector `unknown_score`, `(batch, 1)`, and `features`.
    """
    logits, features = (result.input_value(0) for result in network.get_results())
    for result in network.get_results():
        network.remove_result(result)
    temperature = operations.constant(metadata.temperature, np.float32)
    scaled = operations.divide(logits, temperature)
    is_one = metadata.units == 1
    probability = operations.sigmoid(scaled) if is_one else operations.softmax(scaled, axis=1)
    outputs = {"probability": probability.output(0)}
    if detector:
        outputs["unknown_score"] = unknown_score(features, detector).output(0)
    outputs["features"] = features
    served = openvino.Model(list(outputs.values()), network.get_parameters())
    with replacing(folder) as partial:
        partial.mkdir()
        write_network(served, partial / NETWORK_FILE, list(outputs))
        write_metadata(partial, metadata)
        if detector:
            write_detector(partial, detector)
