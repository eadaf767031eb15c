"""The command `serve`."""

import argparse
from pathlib import Path

from pawprint.errors import InputError
from pawprint.model.predictor import default_model
from pawprint.package import DISTRIBUTION

MAX_CONNECTIONS = 64  # more get 503; together they hold at most 640 MiB of uploads


def add_serve(parser: argparse.ArgumentParser) -> None:
    model = "a served model or an export; default: models/served or, if there is none, the example"
    parser.add_argument("model", nargs="?", type=Path, metavar="FOLDER", help=model)
    host = "address to listen on; default: %(default)s, this computer only"
    parser.add_argument("--host", default="127.0.0.1", help=host)
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    seconds = "that an upload may take; default: %(default)s"
    parser.add_argument("--seconds", type=float, default=30, metavar="N", help=seconds)
    log = "table to which each answer is appended, for `pawprint monitor`"
    parser.add_argument("--log", type=Path, metavar="FILE.csv", help=log)


def run_serve(arguments: argparse.Namespace) -> None:
    """Answer photos over HTTP with the served model, or with an exported one.

    `POST /predict` takes an image as the body or as the first part of a form, and answers with the
    label, the probability of each class and the unknown score. `GET /health` names the model.

    Examples:
      pawprint serve
      curl --data-binary @photo.jpg http://127.0.0.1:8000/predict
    """
    try:
        import uvicorn

        from pawprint.tools.service import create_app
    except ModuleNotFoundError as error:
        raise InputError(
            f"serve: expected {error.name}. Run `pip install '{DISTRIBUTION}[serve]'`."
        ) from None
    model = arguments.model or default_model()
    uvicorn.run(
        create_app(model, arguments.seconds, arguments.log),
        host=arguments.host,
        port=arguments.port,
        limit_concurrency=MAX_CONNECTIONS,
        # Otherwise a client could go on to send an upload that was refused.
        headers=[("Connection", "close")],
    )
