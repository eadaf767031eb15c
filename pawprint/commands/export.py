"""The `export` command."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from pawprint.base.errors import InputError
from pawprint.base.package import install_command
from pawprint.commands.export_page import fetch_runtime
from pawprint.pipeline.params.model import ONNX, load_params

# The modules that write and check each format, which the `export` extra installs.
FORMATS: dict[str, tuple[str, ...]] = {
    "keras": (),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "page": ("onnx", "onnxruntime", "tf2onnx"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    formats = "write these formats"
    parser.add_argument("--format", nargs="+", required=True, choices=tuple(FORMATS), help=formats)
    size = "let litert take photos of N by N pixels and resize them, such as 224 for Frigate"
    parser.add_argument("--size", type=int, metavar="N", help=size)
    unknown = "let litert return this class, such as none, for photos that the model calls unknown"
    parser.add_argument("--unknown-as", metavar="CLASS", help=unknown)


def run(arguments: argparse.Namespace) -> None:
    """Export the trained model to other formats, each in a folder of models/export/.

    The format `page` is a single HTML file that labels photos in a browser, without a server or an
    internet connection. `litert` takes one photo, uint8 RGB, (1, size, size, 3), and returns the
    `probability` of each class, (1, classes). `keras` and `onnx` have one input, `pixels`: float32
    RGB, (batch, size, size, 3), with values in [0, 255]. They return the calibrated `probability`,
    and the `unknown_score`, (batch, 1). With two classes, `probability`, (batch, 1), refers to the
    second class. With more, it has a column for each class, (batch, classes); if a photo can show
    several labels, for which there is only `onnx`, the columns do not sum to 1. If training mirrors
    images left to right, all outputs are averaged over each image and its mirror image.

    Before an export is accepted, it is run with the format's own runtime on the test images, and a
    page on the validation images, too. The table compares the export with the served model: file
    size, largest output difference, and number of images whose label changes.

    Examples:
      pawprint export --format litert onnx
      pawprint export --format page
      pawprint export --format litert --size 224 --unknown-as none
    """
    formats = list(dict.fromkeys(arguments.format))
    if arguments.size is not None and not 32 <= arguments.size <= 1024:
        arguments.error(f"argument --size: expected 32 to 1024. Received: {arguments.size}")
    if (arguments.size or arguments.unknown_as) and "litert" not in formats:
        arguments.error("arguments --size and --unknown-as: expected --format litert")
    params = load_params()
    require_formats(formats, params.model.backbone)
    if params.clean.several_labels and formats != ["onnx"]:
        raise InputError("--format: expected onnx, the only format for several labels")
    runtime = fetch_runtime() if "page" in formats else {}
    # Last, because TensorFlow takes seconds to start.
    from pawprint.commands.export_formats import export_model

    options = arguments.size, arguments.unknown_as
    table, notes = export_model(Path(), params, formats, runtime, *options)
    print("\n".join([table.to_string(index=False), *notes]))


def require_formats(formats: list[str], backbone: str) -> None:
    """Raise InputError if the model cannot be exported, or if a package is missing."""
    if backbone == ONNX:
        raise InputError(
            f"--format: cannot export, because model.backbone is {ONNX}. Use models/served, which "
            "OpenVINO runs."
        )
    for name in formats:
        for module in FORMATS[name]:
            if find_spec(module) is None:
                raise InputError(
                    f"{name}: the package {module} is not installed. Run "
                    f"`{install_command('export')}`."
                )
