"""An HTTP service for a served or exported model.

`POST /predict` takes the bytes of an image as the body or as the first file of a form, and answers
with the label, the probability of each class and the unknown score. `GET /health` answers once the
model is loaded. A log is a table of all answers, which several services may share.
"""

import asyncio
import logging
from email.parser import BytesHeaderParser
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from pawprint.errors import InputError, printable
from pawprint.git import current_commit
from pawprint.images.archive import UnusableImageError
from pawprint.images.decoder import sha256_of_all_pixels
from pawprint.model.predictor import Predictor, load_predictor
from pawprint.package import installed_version
from pawprint.runtime import CORES
from pawprint.tools.answer_log import AnswerLog

MAX_BYTES = 10 * 2**20  # of an upload
HEALTH = ["GET", "HEAD", "OPTIONS"]
MAX_PARTS = 100  # of a form
MAX_HEADER = 2**12  # bytes of the header of a part that are read
FORM = "multipart/form-data"
NOT_LOGGED = "log_error"  # a key of an answer: why its row is not in the log


def create_app(folder: Path, seconds: float, log: Path | None = None) -> FastAPI:
    """The service for the model in `folder`. An upload may take `seconds`.

    Answers are appended to the table `log`, if it is given.
    """
    predictor = load_predictor(folder)
    labels, model = predictor.metadata.labels, predictor.metadata.model
    answers = AnswerLog(log, labels, model) if log else None
    about = {
        "status": "ok",
        "labels": labels,
        "version": installed_version(),
        "commit": predictor.metadata.commit or current_commit(folder=folder),
        "model": model,
    }
    decoding = asyncio.Semaphore(CORES)  # a large image needs up to 2 GB of memory
    pages = {"docs_url": None, "redoc_url": None}  # these load scripts from a CDN
    # A redirect from /predict/ would name a scheme and a host that exist behind a proxy only.
    app = FastAPI(title="Pawprint", redirect_slashes=False, **pages)

    # What load balancers ask for differs: HEAD or OPTIONS, also of "/".
    @app.api_route("/", methods=HEALTH, include_in_schema=False)
    @app.api_route("/health", methods=HEALTH, include_in_schema=False)
    @app.api_route("/health/", methods=HEALTH, include_in_schema=False)
    async def health() -> dict:
        return about

    @app.post("/predict")
    @app.post("/predict/", include_in_schema=False)
    async def predict(request: Request, response: Response) -> dict:
        kind = request.headers.get("Content-Type", "")
        data = image_in(await read_upload(request, seconds))
        async with decoding:
            try:
                answer = await run_in_threadpool(classify, predictor, data, answers)
            except UnusableImageError as error:
                raise HTTPException(422, explain(error, kind)) from None
            except InputError as error:  # of the model
                raise HTTPException(500, str(error)) from None
            except MemoryError:
                raise HTTPException(503, "expected more free memory") from None
        if NOT_LOGGED in answer:
            response.status_code = 202
        return answer

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


def image_in(data: bytes) -> bytes:
    """The upload, or of a form its first file, such as `curl -F photo=@cat.jpg`.

    A form is told by its first line, which no image has: programs that set the header of a form
    themselves leave out the boundary. A parser of forms would be one more requirement, and that of
    Python takes seconds for a hostile form. Raises HTTPException for a form without a file.
    """
    form = data.lstrip(b"\r\n")
    if not form.startswith(b"--"):
        return data
    delimiter = b"\r\n" + form.partition(b"\r\n")[0].rstrip()
    for part in (b"\r\n" + form).split(delimiter, MAX_PARTS)[1:]:
        lines, _, content = part.partition(b"\r\n\r\n")
        if BytesHeaderParser().parsebytes(lines[:MAX_HEADER].strip()).get_filename():
            return content
    raise HTTPException(422, "expected a file in the form, as of `curl -F photo=@photo.jpg`")


def explain(error: UnusableImageError, content_type: str) -> str:
    """Say what is wrong with an upload, in one line, also where it was sent as something else."""
    kind = content_type.partition(";")[0].strip().lower()
    if not kind or kind.startswith("image/") or kind in (FORM, "application/octet-stream"):
        return str(error)
    return (
        f"{error}. Received: {printable(kind[:80])}. Send the bytes of the file, as of `curl "
        "--data-binary @photo.jpg`, or a form, as of `curl -F photo=@photo.jpg`"
    )


def classify(predictor: Predictor, data: bytes, answers: AnswerLog | None) -> dict:
    """Return the answer for an upload, which says so if its row could not be logged.

    Raises UnusableImageError if `data` is no complete image.
    """
    predicted = predictor.predict((decoded := predictor.decode(data)).image)
    score, probabilities = predicted.unknown_score, predicted.probabilities.tolist()
    answer = {
        "label": predicted.label,
        "probabilities": {
            label: round(value, 4) for label, value in zip(predictor.metadata.labels, probabilities)
        },
        "unknown_score": score if score is None else round(score, 4),
    }
    if answers:
        sha256 = sha256_of_all_pixels(decoded, data, predictor.metadata.bits)
        try:
            answers.append(sha256, answer)
        except (OSError, InputError) as error:
            answer[NOT_LOGGED] = getattr(error, "strerror", None) or str(error)
            logging.getLogger("uvicorn.error").error("%s: %s", NOT_LOGGED, answer[NOT_LOGGED])
    return answer
