"""An HTTP service for a served or exported model.

`POST /predict` takes the bytes of an image as the body or as the first part of a form, and answers
with the label, the probability of each class and the unknown score. `GET /health` answers once the
model is loaded. A log is a table of all answers, which several services may share.
"""

import asyncio
import contextlib
import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from pawprint.errors import InputError
from pawprint.git import current_commit
from pawprint.images.archive import UnusableImageError
from pawprint.images.decoder import sha256_of_all_pixels
from pawprint.model.predictor import Predictor, load_predictor
from pawprint.package import installed_version
from pawprint.runtime import CORES

MAX_BYTES = 10 * 2**20  # of an upload


def create_app(folder: Path, seconds: float, log: Path | None = None) -> FastAPI:
    """The service for the model in `folder`. An upload may take `seconds`.

    Answers are appended to the table `log`, if it is given.
    """
    predictor = load_predictor(folder)
    labels, model = predictor.metadata.labels, predictor.metadata.model
    append = appender(log, labels, model) if log else lambda *_: None
    about = {
        "status": "ok",
        "labels": labels,
        "version": installed_version(),
        "commit": predictor.metadata.commit or current_commit(folder=folder),
        "model": model,
    }
    decoding = asyncio.Semaphore(CORES)  # a large image needs up to 2 GB of memory
    app = FastAPI(title="Pawprint", docs_url=None, redoc_url=None)  # these load scripts from a CDN

    @app.get("/health")
    async def health() -> dict:
        return about

    @app.post("/predict")
    async def predict(request: Request) -> dict:
        data = image_in(
            await read_upload(request, seconds), request.headers.get("Content-Type", "")
        )
        async with decoding:
            try:
                return await run_in_threadpool(classify, predictor, data, append)
            except UnusableImageError as error:
                raise HTTPException(422, str(error)) from None
            except InputError as error:  # of the model
                raise HTTPException(500, str(error)) from None
            except MemoryError:
                raise HTTPException(503, "expected more free memory") from None
            except OSError as error:  # of the log
                raise HTTPException(503, f"expected to write the log: {error.strerror}") from None

    return app


async def read_upload(request: Request, seconds: float) -> bytes:
    data = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise HTTPException(413, f"expected at most {MAX_BYTES:,} bytes")
    except TimeoutError:
        raise HTTPException(408, f"expected the image within {seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "expected the whole image") from None
    return bytes(data)


def image_in(data: bytes, content_type: str) -> bytes:
    """The upload, or the content of the first part of a form, such as `curl -F photo=@cat.jpg`."""
    kind, _, boundary = content_type.partition("boundary=")
    if not kind.lower().startswith("multipart/form-data"):
        return data
    _, _, rest = data.partition(b"\r\n\r\n")
    end = b"\r\n--" + boundary.split(";")[0].strip('" ').encode("latin-1")
    return rest.partition(end)[0]


def classify(predictor: Predictor, data: bytes, append: Callable) -> dict:
    """Raises UnusableImageError if `data` is no complete image, OSError of `append`."""
    predicted = predictor.predict((decoded := predictor.decode(data)).image)
    score, probabilities = predicted.unknown_score, predicted.probabilities.tolist()
    answer = {
        "label": predicted.label,
        "probabilities": {
            label: round(value, 4) for label, value in zip(predictor.metadata.labels, probabilities)
        },
        "unknown_score": score if score is None else round(score, 4),
    }
    append(lambda: sha256_of_all_pixels(decoded, data, predictor.metadata.bits), answer)
    return answer


def appender(path: Path, labels: list[str], model: str | None) -> Callable[[str, dict], None]:
    """What appends the hash of an image and its answer to a table, which `pawprint monitor` reads.

    A row has the identity of the model, so that a table may outlive it.

    A new table gets its header before it gets its name, and a row is one write at the end of the
    file: on a local disk of Linux or macOS, several processes lose and tear no row. Raises
    InputError if the file cannot be opened, or is another table.
    """
    names = [f"probability_{label}" for label in labels]
    header = line_of(["time", "pixels_sha256", "label", *names, "unknown_score", "model"])
    try:
        with tempfile.NamedTemporaryFile(dir=path.absolute().parent) as new:
            new.write(header)
            new.flush()
            Path(new.name).chmod(0o644)
            if not path.exists():
                with contextlib.suppress(FileExistsError):  # of another process
                    os.link(new.name, path)
        with path.open("rb") as file:
            first_line = file.readline()
        binary = getattr(os, "O_BINARY", 0)  # Windows alone has it
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | binary)
    except OSError as error:
        raise InputError(
            f"{path}: expected a table to append to. Received: {error.strerror}."
        ) from None
    if first_line != header:
        raise InputError(
            f"{path}: expected the table of a model with these labels and the column model. "
            "Received: another file. Name a new file."
        )

    def append(sha256: Callable[[], str], answer: dict) -> None:
        """Raises OSError if the row cannot be written."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        numbers = *answer["probabilities"].values(), answer["unknown_score"]
        os.write(descriptor, line_of([time, sha256(), answer["label"], *numbers, model]))

    return append


def line_of(cells: Iterable[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
