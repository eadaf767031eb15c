"""The `export` command."""

import argparse
from pathlib import Path

from pawprint.model.exports import FORMATS
from pawprint.projects.export import export_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    formats = "write these formats"
    parser.add_argument("--format", nargs="+", required=True, choices=tuple(FORMATS), help=formats)
    single = (
        "halve the prediction time: use the image alone, even if the served model also uses its "
        "mirror image"
    )
    parser.add_argument("--single", action="store_true", help=single)
    int8 = "also write LiteRT with 8-bit convolutions and print the accuracy loss"
    parser.add_argument("--int8", action="store_true", help=int8)


def run(arguments: argparse.Namespace) -> None:
    """Export the trained model to other formats, each in a folder of models/export/.

    The format `page` is a single HTML file that labels photos in a browser, without a server or an
    internet connection. All other formats have one input, `pixels`: float32 RGB, (batch, size,
    size, 3), with values in [0, 255]. They return the calibrated `probability`, and the
    `unknown_score`, (batch, 1). With two classes, `probability`, (batch, 1), refers to the second
    class. With more, it has a column for each class, (batch, classes). If training mirrors images
    left to right, both outputs are averaged over each image and its mirror image, unless `--single`
    is given.

    Before an export is accepted, it is run with the format's own runtime on the test images. With
    `--single`, `--int8` or a page, it is also run on the validation images. The table compares the
    export with the served model: file size, largest output difference, and number of images whose
    label changes.

    `--int8` also writes litert_int8, which is calibrated on training images. Because its outputs
    differ from the served model's, the table then includes the log loss and the time per image.

    Examples:
      pawprint export --format litert onnx
      pawprint export --format litert --int8
      pawprint export --format page
    """
    table, notes = export_model(Path(), arguments.format, arguments.single, arguments.int8)
    print("\n".join([table.to_string(index=False), *notes]))
