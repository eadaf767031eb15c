"""The command `serve`."""

import argparse
import copy
import errno
import logging
import os
import socket
import sys
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
    log = "table to which each answer is appended, for `pawprint score`; - is stdout"
    parser.add_argument("--log", type=Path, metavar="FILE.csv", help=log)


def run_serve(arguments: argparse.Namespace) -> None:
    """Answer photos over HTTP with the served model, or with an exported one.

    `POST /predict` takes an image as the body or as the first file of a form, and answers with the
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
    require_free(arguments.host, arguments.port)
    model = arguments.model or default_model()
    logging.raiseExceptions = False  # a full disk under stderr is no traceback for each line
    lines = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    lines["handlers"]["access"]["stream"] = "ext://sys.stderr"  # stdout may be the log
    uvicorn.run(
        create_app(model, arguments.seconds, arguments.log),
        host=arguments.host,
        port=arguments.port,
        limit_concurrency=MAX_CONNECTIONS,
        log_config=lines,
        use_colors=bool(sys.stderr and sys.stderr.isatty()),
        # Otherwise a client could go on to send an upload that was refused.
        headers=[("Connection", "close")],
    )


def require_free(host: str, port: int) -> None:
    """Raise InputError if a service cannot listen there, before a model is loaded."""
    try:
        places = socket.getaddrinfo(host or None, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
        for family, *_, address in places:
            try:
                # Bound, and not listening: a client would take the service for started.
                with socket.socket(family) as place:
                    if os.name == "posix":  # as uvicorn does; a port that was just left is free
                        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    place.bind((address[0], port))
            except OSError as error:  # as for ::1 of localhost on a computer without IPv6
                if error.errno != errno.EADDRNOTAVAIL or len(places) == 1:
                    raise
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0].strip(".")
        raise InputError(
            f"serve: expected an address and a free port. Received: {host}, port {port}: {reason}. "
            "Name others with --host and --port."
        ) from None
