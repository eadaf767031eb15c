"""The command `export`."""

import argparse
from pathlib import Path

from pawprint.model.exports import FORMATS
from pawprint.projects.export import Wanted, export_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    formats = "write these formats"
    parser.add_argument("--format", nargs="+", required=True, choices=tuple(FORMATS), help=formats)
    single = (
        "predict from the image alone, in half the time, if the served model averages an image and "
        "its mirror image"
    )
    parser.add_argument("--single", action="store_true", help=single)
    int8 = "write LiteRT with 8-bit convolutions, too, and print what that costs"
    parser.add_argument("--int8", action="store_true", help=int8)


def run(arguments: argparse.Namespace) -> None:
    """Write the trained model in other formats, each in a folder of models/export/ with model.json.

    The format `page` is one HTML file that labels photos in a browser, without a server or a
    network. Every other model has one input, `pixels`: float32 RGB, (batch, size, size, 3) in
    [0, 255]. It returns the calibrated `probability`, and the `unknown_score`, (batch, 1). With two
    classes, `probability` is for the second class, (batch, 1), else for each class, (batch,
    classes). If training mirrors images left to right, both are means over the image and its mirror
    image, unless `--single` is given.

    Before the folder gets its name, the format's own runtime runs the model on the test images, and
    with `--single`, `--int8` or a page also on the validation images. The table compares it with
    the served model: size, largest difference of an output, and images whose label changes.

    `--int8` also writes litert_int8, calibrated on training images. Its outputs differ from
    the served model, so the table then has the log loss and the time per image, too.

    Examples:
      pawprint export --format litert onnx
      pawprint export --format litert --int8
      pawprint export --format page
    """
    wanted = Wanted(arguments.format, arguments.single, arguments.int8)
    exported = export_model(Path(), wanted)
    print("\n".join([exported.table.to_string(index=False), *exported.notes]))
