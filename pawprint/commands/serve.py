"""The `serve` command."""

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from pawprint.projects.service import serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    model = "use this served model or export; default: models/served or, if missing, the example"
    parser.add_argument("model", nargs="?", type=Path, metavar="FOLDER", help=model)
    host = "listen on this address; default: %(default)s, for this computer only"
    parser.add_argument("--host", default="127.0.0.1", help=host)
    port = "listen on this port; default: %(default)s"
    parser.add_argument("--port", type=int, default=8000, help=port)
    seconds = "abort uploads that take more than this many seconds; default: %(default)s"
    parser.add_argument("--seconds", type=float, default=30, metavar="N", help=seconds)
    origin = (
        "let web pages from this origin, such as https://example.org, read responses; may be "
        "repeated; * allows any origin"
    )
    parser.add_argument(
        "--allow-origin", type=_origin, action="append", default=[], metavar="ORIGIN", help=origin
    )
    log = "append each prediction to this file as a line of JSON; -: stdout"
    parser.add_argument("--log", type=Path, metavar="FILE.jsonl", help=log)


def run(arguments: argparse.Namespace) -> None:
    """Label photos over HTTP with the served model, or with an exported one.

    `POST /predict` accepts an image as the request body, or as the only file in a form. The
    response contains the label, the probability of each class and the unknown score. `GET /health`
    identifies the model.

    Examples:
      pawprint serve
      curl --data-binary @photo.jpg http://127.0.0.1:8000/predict
    """
    options = (arguments.seconds, arguments.log, arguments.allow_origin)
    serve(arguments.model, arguments.host, arguments.port, *options)


def _origin(text: str) -> str:
    """Check that an origin is in the format of browsers: scheme, host, and possibly a port.

    Raises ArgumentTypeError. Browsers compare the text exactly, so an origin with a path or a
    trailing slash would never match.
    """
    parts = urlsplit(text)
    if text == "*" or (parts.netloc and text == f"{parts.scheme}://{parts.netloc.lower()}"):
        return text
    raise argparse.ArgumentTypeError(
        f"expected an origin such as https://example.org or http://localhost:3000. Received: {text}"
    )
