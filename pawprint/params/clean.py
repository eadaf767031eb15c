"""Which files are usable images, and of which class."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal
from unicodedata import normalize

from pydantic import Field, PlainSerializer, WrapValidator, field_validator

from pawprint.labels import problem_of_labels
from pawprint.params.section import REPR, Section


def _auto_or_mapping(labels: object, validate: Callable) -> object:
    if labels == "auto":
        return labels
    if not isinstance(labels, dict):  # one line, where pydantic has one for each of the types
        raise ValueError(
            "expected auto, or a mapping of each class to the list of its folders. "
            f"Received: {REPR.repr(labels)}"
        )
    return validate(labels)


class Clean(Section):
    rule: Literal["decodes", "jfif"]
    # Or "auto", which the validator passes.
    labels: Annotated[
        dict[str, Annotated[list[str], Field(min_length=1)]],
        WrapValidator(_auto_or_mapping),
        PlainSerializer(lambda labels: labels),
    ]

    @field_validator("labels")
    @classmethod
    def _distinct_classes(cls, labels: dict[str, list[str]] | str) -> dict[str, list[str]] | str:
        if labels == "auto":
            return labels
        folders = [
            normalize("NFC", folder).lower() for names in labels.values() for folder in names
        ]
        for folder, times in Counter(folders).items():
            if times > 1:
                raise ValueError(
                    f"expected each folder once, in any case. Received: {folder!r} twice"
                )
        if problem := problem_of_labels(labels):
            raise ValueError(problem)
        return {
            normalize("NFC", label): [normalize("NFC", folder) for folder in names]
            for label, names in labels.items()
        }
