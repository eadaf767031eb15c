"""The lines that `pawprint init` prints about the classes of images."""

from pathlib import Path

from pawprint.commands.init import find_classes
from pawprint.given.given_images import open_given


def describe_classes(images: Path, labels: str) -> list[str]:
    with open_given(images) as given:
        return find_classes(given, labels)[1]
