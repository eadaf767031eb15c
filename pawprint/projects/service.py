"""Serve a model over HTTP, for `pawprint serve`: requests, answers and rejections.

The log of answers is written by service_log.py, and several services may share it.
"""

import asyncio
import contextlib
import copy
import errno
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from pawprint.errors import InputError, printable
from pawprint.git import current_commit
from pawprint.images.archive import UnusableImageError
from pawprint.images.reading import sha256_of_all_pixels
from pawprint.installation import install_command
from pawprint.model.predictor import Predictor, default_model, load_predictor
from pawprint.package import installed_version
from pawprint.projects.service_log import AnswerLog
from pawprint.runtime import CORES

try:
    import uvicorn
    from fastapi import FastAPI, HTTPException, Request, Response
    from starlette.concurrency import run_in_threadpool
    from starlette.datastructures import FormData, Headers, UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser
    from starlette.middleware.cors import CORSMiddleware
    from starlette.requests import ClientDisconnect
except ModuleNotFoundError as error:
    raise InputError(
        f"serve: {error.name} is not installed. Run `{install_command('serve')}`."
    ) from None
MAX_CONNECTIONS = 64  # further connections get status 503; uploads need up to 640 MiB
MAX_UPLOAD = 10 * 2**20  # in an upload
HEALTH = ["GET", "HEAD", "OPTIONS"]
MAX_PARTS = 100  # in a form
FORM = "multipart/form-data"
NOT_LOGGED = "log_error"  # response key with the reason why a prediction was not logged


def serve(
    folder: Path | None, host: str, port: int, seconds: float, log: Path | None, origins: list[str]
) -> None:
    """Run the service of a folder's model, or of the default model, until a signal ends it.

    See `create_app` for the arguments. Raises InputError if the port is in use, or if the model or
    the log cannot be opened.
    """
    require_free_port(host, port)
    logging.raiseExceptions = False  # avoids a traceback per line if the disk of stderr is full
    lines = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    lines["handlers"]["access"]["stream"] = "ext://sys.stderr"  # stdout may be the log
    uvicorn.run(
        create_app(folder or default_model(), seconds, log, origins),
        host=host,
        port=port,
        limit_concurrency=MAX_CONNECTIONS,
        log_config=lines,
        use_colors=bool(sys.stderr and sys.stderr.isatty()),
        # Otherwise, a client could continue to send a rejected upload.
        headers=[("Connection", "close")],
    )


def require_free_port(host: str, port: int) -> None:
    """Raise InputError, before a model is loaded, if a service cannot listen on the port."""
    try:
        places = socket.getaddrinfo(host or None, port, 0, socket.SOCK_STREAM, 0, socket.AI_PASSIVE)
        for family, *_, address in places:
            try:
                # Bind without listening, because clients would otherwise think that the service has
                # started.
                with socket.socket(family) as place:
                    if os.name == "posix":  # like uvicorn, reuse a port that was just released
                        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    place.bind((address[0], port))
            except OSError as error:  # for example, ::1 for localhost without IPv6
                if error.errno != errno.EADDRNOTAVAIL or len(places) == 1:
                    raise
    except (OSError, OverflowError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0].strip(".")
        raise InputError(
            f"serve: cannot listen on {host}, port {port}: {reason}. "
            "Choose others with --host and --port."
        ) from None


def create_app(folder: Path, seconds: float, log: Path | None, origins: Sequence[str]) -> FastAPI:
    """Return the service for the model in `folder`. An upload may take `seconds`.

    Answers are appended to the file `log`, if it is given. Web pages from `origins` are allowed to
    read them. An origin has the format that browsers send, such as "https://example.org", or is "*"
    for any.
    """
    predictor = load_predictor(folder)
    labels = predictor.metadata.labels
    model = predictor.metadata.model
    answers = AnswerLog(log, model) if log else None
    about = {
        "status": "ok",
        "labels": labels,
        "version": installed_version(),
        "commit": predictor.metadata.commit or current_commit(folder=folder),
        "model": model,
    }
    decoding = asyncio.Semaphore(CORES)  # a large image needs up to 2 GB of memory
    app = FastAPI(
        title="Pawprint",
        # FastAPI's documentation pages would load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        # A redirect from /predict/ would use a scheme and a host that are wrong behind a proxy.
        redirect_slashes=False,
    )

    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            allow_private_network=True,  # a web page may call a service on this computer
        )

    # Some load balancers send HEAD or OPTIONS requests, even to "/".
    @app.api_route("/", methods=HEALTH, include_in_schema=False)
    @app.api_route("/health", methods=HEALTH, include_in_schema=False)
    @app.api_route("/health/", methods=HEALTH, include_in_schema=False)
    async def health() -> dict:
        return about

    @app.post("/predict")
    @app.post("/predict/", include_in_schema=False)
    async def predict(request: Request, response: Response) -> dict:
        kind = request.headers.get("Content-Type", "")
        data = await image_in(await read_upload(request, seconds))
        async with decoding:
            try:
                answer = await run_in_threadpool(classify, predictor, data, answers)
            except UnusableImageError as error:
                raise HTTPException(422, explain(error, kind)) from None
            except InputError as error:  # caused by the model
                raise HTTPException(500, str(error)) from None
            except MemoryError:
                raise HTTPException(503, "too little free memory") from None
        if NOT_LOGGED in answer:
            response.status_code = 202
        return answer

    return app


async def read_upload(request: Request, seconds: float) -> bytes:
    """Return the body of a request. Raises HTTPException if it is too large or too slow."""
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_UPLOAD:
                    raise HTTPException(413, f"expected at most {MAX_UPLOAD:,} bytes")
    except TimeoutError:
        raise HTTPException(408, f"expected the image within {seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "expected the whole image") from None
    return bytes(data)


async def image_in(data: bytes) -> bytes:
    """Return the upload or, if it is a form, its only file, as in `curl -F photo=@cat.jpg`.

    A form is recognised by its first line, which no image starts with, because programs that set
    the header of a form themselves omit the boundary. Raises HTTPException for a form without a
    file, and for a form with several, because the answer for one photo could be mistaken for all.
    """
    form = data.lstrip(b"\r\n")
    if not form.startswith(b"--"):
        return data

    async def chunks() -> AsyncGenerator[bytes]:
        yield form

    boundary = form.partition(b"\r\n")[0].rstrip()[2:].decode("latin-1")
    headers = Headers({"Content-Type": f'{FORM}; boundary="{boundary}"'})
    fields = FormData()
    with contextlib.suppress(MultiPartException):
        parser = MultiPartParser(headers, chunks(), max_files=MAX_PARTS, max_fields=MAX_PARTS)
        fields = await parser.parse()
    files = [each for each in fields.values() if isinstance(each, UploadFile) and each.filename]
    if not files:
        raise HTTPException(422, "expected a file in the form, as from `curl -F photo=@photo.jpg`")
    if files[1:]:
        second = printable(str(files[1].filename)[:80])
        raise HTTPException(
            422, f"expected one file in the form. Received: another, {second}. Send it separately"
        )
    return await files[0].read()


def explain(error: UnusableImageError, content_type: str) -> str:
    """Explain what is wrong with an upload in one line, including a wrong content type."""
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or kind.startswith("image/") or kind in (FORM, "application/octet-stream"):
        return str(error)
    return (
        f"{error}. Received: {printable(kind[:80])}. Send the bytes of the file, as with `curl "
        "--data-binary @photo.jpg`, or a form, as with `curl -F photo=@photo.jpg`"
    )


def classify(predictor: Predictor, data: bytes, answers: AnswerLog | None) -> dict:
    """Return the answer for an upload. The answer mentions if it could not be logged.

    Raises UnusableImageError if `data` is not a complete image.
    """
    decoded = predictor.decode(data)
    predicted = predictor.predict(decoded.image)
    score = predicted.unknown_score
    probabilities = zip(predictor.metadata.labels, predicted.probabilities.tolist())
    answer = {
        "label": predicted.label,
        "probabilities": {label: round(value, 4) for label, value in probabilities},
        "unknown_score": score if score is None else round(score, 4),
    }
    if answers:
        sha256 = sha256_of_all_pixels(decoded, data, predictor.metadata.bits)
        try:
            answers.append(sha256, answer)
        except OSError as error:
            answer[NOT_LOGGED] = error.strerror or str(error)
            logging.getLogger("uvicorn.error").error("%s: %s", NOT_LOGGED, answer[NOT_LOGGED])
    return answer
