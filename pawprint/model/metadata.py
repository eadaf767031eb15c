"""Read and write `model.json`, which defines how a model's outputs become an answer."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator

from pawprint.base.columns import CROP_RULE
from pawprint.base.errors import InputError, is_printable, printable
from pawprint.base.files import digest, pointer_at, read_bytes, write_json
from pawprint.base.labels import ONE_CLASS, SEVERAL_LABELS, UNKNOWN, UNSURE, LabelKind
from pawprint.base.paths import PARAMS, SERVED_MODEL
from pawprint.pipeline.params.section import Bits, Resize, Section

METADATA_FILE = "model.json"
PACKAGES = ("openvino", "pillow")  # packages whose versions affect the model's outputs
# The format of model.json. If you add a key or a new kind of value, increase FORMAT and set RELEASE
# to the first release that reads it, so that earlier versions can tell users which one to install.
# Format 1 contains neither key, and no `files`. Only models with several labels have format 3.
FORMAT = 2
RELEASE = "0.6"
NEWEST = 3
# Keys that model.json lacks if they have these values, as in most models.
OPTIONAL = {"activation": None, "crop_rule": None, "exclusive": True, "at_least_one": None}


def _different_names(labels: list[str]) -> list[str]:
    are_printable = all(label and is_printable(label) for label in labels)
    if len(set(labels)) != len(labels) or not are_printable:
        raise ValueError("expected different names that can be printed")
    return labels


class Metadata(Section):
    """How to prepare an image, and what the outputs mean.

    An image is rotated according to its EXIF orientation, made square by `resize` with the filter
    `interpolation`, and passed to the model as `(1, image_size, image_size, 3)`. `bits` is
    `clean.bits`, which determines how images above 8 bits are scaled to 8 bits. A JPEG may be
    decoded at 1/2, 1/4 or 1/8 of its size, as long as both sides keep at least `decoded_side`
    pixels. If this is null, JPEGs are decoded in full.

    If the model was trained on crops of boxes in photos, `crop_rule` says how they were cut; see
    `pawprint/given/boxes.py`. Otherwise, it is null, and missing in the file.

    For two labels, the model returns the probability of `labels[1]`, `(1, 1)`. For more, or if
    `activation` is "softmax", it returns all probabilities, `(1, labels)`. `temperature` has
    already been applied. The prediction is the first label in `thresholds` whose probability
    reaches its threshold. If there is none, it is the most probable of the labels without a
    threshold. With two labels and no thresholds, it is the second label from 0.5 on. An image is
    unknown if its output `unknown_score`, `(1, 1)`, is above `unknown_threshold`. Otherwise it is
    unsure if the probability of its label is below `min_confidence`. If either limit is null, the
    corresponding answer is never given.

    If labels do not exclude each other, `exclusive` is false. Otherwise, it is missing in the file,
    as is `at_least_one`. The model then returns the probability of each label, `(1, labels)`, and
    these do not sum to 1. A label is named from its threshold on, by default 0.5. With
    `at_least_one`, the most probable label is named, too, as in `named_labels`. The prediction is a
    cell such as "sea|sunset", or NEITHER.

    `model` identifies a served model by a hash of its network and rules. Its exports contain the
    same value. An export records its source: `data_md5`
    is the MD5 of data/split/images.csv in dvc.lock, which lists the images with their labels and
    splits. `commit` is the commit of the project, with "-dirty" if tracked files had changes, as in
    `git describe`. In the served model, `data_md5` and `commit` are null, because the model is
    written before its results are committed. `files` maps the name of every other file in the
    model's folder to its SHA-256.
    """

    kind: ClassVar[LabelKind] = ONE_CLASS
    labels: Annotated[list[str], Field(min_length=2), AfterValidator(_different_names)]
    image_size: Annotated[int, Field(ge=32, le=1024)]
    resize: Resize
    bits: Bits = None
    decoded_side: Annotated[int, Field(ge=1)] | None = None
    interpolation: Literal["bilinear, antialiased"] = "bilinear, antialiased"
    exif_orientation: Literal["applied"] = "applied"
    layout: Literal["NHWC, RGB"] = "NHWC, RGB"
    pixel_range: tuple[Literal[0], Literal[255]] = (0, 255)
    activation: Literal["softmax"] | None = None
    crop_rule: Annotated[str, Field(pattern=f"^({CROP_RULE})$")] | None = None
    exclusive: bool = True
    at_least_one: bool | None = None
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    thresholds: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict)
    unknown_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    min_confidence: Annotated[float, Field(ge=0, lt=1)] | None = None
    versions: dict[str, str] = Field(
        default_factory=lambda: {package: version(package) for package in PACKAGES}
    )
    model: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = None
    data_md5: str | None = None
    commit: str | None = None
    files: dict[str, str] = Field(default_factory=dict)

    @field_validator("thresholds")
    @classmethod
    def _name_labels(cls, thresholds: dict, info: ValidationInfo) -> dict:
        labels = info.data.get("labels", [""])
        if thresholds and (problem := cls.kind.problem_of_values(thresholds, labels)):
            raise ValueError(problem)
        return thresholds

    def probabilities(self, output: np.ndarray) -> np.ndarray:
        """Return the probability of each label, `(…, labels)`, from the output `(…, units)`."""
        return self.kind.of_units(output)

    def encoded(self, probabilities: np.ndarray) -> np.ndarray:
        """Return what is predicted, encoded, for probabilities `(…, labels)`."""
        thresholds = {self.labels.index(name): value for name, value in self.thresholds.items()}
        if not thresholds and len(self.labels) == 2:
            thresholds = {1: 0.5}  # in a tie in float32, the second label wins
        return self.kind.predict(probabilities, thresholds, at_least_one=bool(self.at_least_one))

    def predicted(self, probabilities: np.ndarray) -> np.ndarray:
        """Return what is predicted, str `(…)`, for probabilities `(…, labels)`."""
        return self.kind.decode(self.encoded(probabilities), self.labels)

    def named(self, probabilities: np.ndarray) -> np.ndarray:
        """Return whether each label is named, bool `(…, labels)`, for their probabilities."""
        return self.kind.indicators(self.encoded(probabilities), len(self.labels))

    def order(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the indices of the labels, the named first, for probabilities `(labels,)`."""
        return np.lexsort((-probabilities, ~self.named(probabilities)))

    def are_decided(self, probabilities: np.ndarray) -> np.ndarray:
        """Return whether the predicted labels reach `min_confidence`, bool `(…)`."""
        confidence = np.where(self.named(probabilities), probabilities, 0).max(axis=-1)
        return confidence >= (self.min_confidence or 0)

    def are_unknown(self, unknown_scores: ArrayLike | None) -> np.ndarray | None:
        """Return whether images with these unknown scores, `(…)`, are unknown, bool `(…)`.

        Returns None without a threshold or without scores.
        """
        if self.unknown_threshold is None or unknown_scores is None:
            return None
        return np.asarray(unknown_scores) > self.unknown_threshold

    def answers(
        self, probabilities: np.ndarray, unknown_scores: np.ndarray | float | None
    ) -> np.ndarray:
        """Return the answer for each image, str `(…)`: a label, UNSURE or UNKNOWN.

        `probabilities` are `(…, labels)`. `unknown_scores` are `(…)`, or None if there is no
        threshold.
        """
        label = self.predicted(probabilities)
        answer = np.where(self.are_decided(probabilities), label, UNSURE)
        is_unknown = self.are_unknown(unknown_scores)
        return answer if is_unknown is None else np.where(is_unknown, UNKNOWN, answer)

    @property
    def units(self) -> int:
        """The number of units in the `probability` output."""
        has_one = self.exclusive and len(self.labels) == 2 and not self.activation
        return 1 if has_one else len(self.labels)

    @property
    def absent(self) -> set[str]:
        """The keys that the file lacks."""
        return {name for name, value in OPTIONAL.items() if getattr(self, name) == value}


class LabelMetadata(Metadata):
    """Metadata of labels that do not exclude each other."""

    kind: ClassVar[LabelKind] = SEVERAL_LABELS
    labels: Annotated[list[str], Field(min_length=1), AfterValidator(_different_names)]
    exclusive: Literal[False] = False
    at_least_one: bool


def write_metadata(folder: Path, metadata: Metadata) -> None:
    """Write `model.json` for the other files in the folder, which must be complete."""
    others = sorted(path for path in folder.iterdir() if path.name != METADATA_FILE)
    number = FORMAT if metadata.exclusive else NEWEST
    about = {"format": number, "release": RELEASE}
    record = metadata.model_dump(exclude=metadata.absent)
    files = {path.name: digest(path) for path in others}
    write_json(folder / METADATA_FILE, about | record | {"files": files})


def read_metadata(folder: Path) -> Metadata:
    """Read a file written by `write_metadata`, and check the files that it lists.

    Raises InputError if the file is missing, invalid, or from a newer version, or if a file that it
    lists is missing or has other content.
    """
    path = folder / METADATA_FILE
    if found := pointer_at(path):
        raise InputError(f"{path}: expected the metadata of a served model. Received: {found}.")
    if not path.is_file():  # reading a device or a pipe may never end
        if (folder / PARAMS).is_file():
            raise InputError(
                f"{path}: no such file. {folder} is a project: use its model, "
                f"{folder / SERVED_MODEL}."
            )
        raise InputError(
            f"{path}: no such file. Run `dvc repro` to train a model, `dvc pull models/served` to "
            "fetch it, or use the folder of an exported model."
        )
    metadata = parse_metadata(path, read_bytes(path))
    for file, expected in ((folder / name, digits) for name, digits in metadata.files.items()):
        if not file.is_file() or digest(file) != expected:
            problem = "another SHA-256" if file.is_file() else "no such file"
            raise InputError(
                f"{file}: expected the file that {METADATA_FILE} lists. Received: "
                f"{pointer_at(file) or problem}. Copy or export the model again, or run `dvc "
                "repro`."
            )
    return metadata


def parse_metadata(path: Path, content: bytes) -> Metadata:
    """Return the metadata in a file's content, like `read_metadata`."""
    try:
        record = json.loads(content)
        if isinstance(record, dict):
            number = record.pop("format", 1)
            release = record.pop("release", "a later one")
            if number not in range(1, NEWEST + 1):
                raise InputError(
                    f"{path}: expected a model of format {NEWEST} or earlier. Received: format "
                    f"{printable(str(number))}, written by a newer version of Pawprint; the first "
                    f"version that reads it is {printable(str(release))}. Install a newer version."
                )
        several = isinstance(record, dict) and record.get("exclusive") is False
        kind = LabelMetadata if several else Metadata
        return kind.model_validate_json(json.dumps(record))
    except ValidationError as error:
        problem = error.errors()[0]
        message = problem["msg"]
        if problem["type"] == "extra_forbidden":
            message = "unknown key, from another version of Pawprint or added by hand"
        received = " ".join([*map(str, problem["loc"]), f"({message})"])
    except (RecursionError, ValueError):
        received = "something that is not JSON"
    raise InputError(
        f"{path}: expected the metadata of a served model. Received: {printable(received)}"
    )
