"""The lines that `pawprint init` prints about the classes of images."""

from pathlib import Path

from pawprint.commands.given import open_given
from pawprint.commands.init import describe_classes as describe_given


def describe_classes(images: Path, labels: str) -> list[str]:
    with open_given(images) as given:
        return describe_given(given, labels)
