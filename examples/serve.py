"""Label photos over HTTP: copy this file into a project and run `uvicorn serve:app` there.

Needs Pawprint and `pip install fastapi python-multipart uvicorn`. MODEL in the environment names
the folder of another model or export. Send a photo, for example with
`curl -F photo=@photo.jpg http://127.0.0.1:8000/predict`.
"""

import os
import threading

from fastapi import FastAPI, HTTPException, UploadFile

import pawprint

MAX_BYTES = 10 * 2**20  # of a photo
model = pawprint.load(os.environ.get("MODEL", "models/served"))
decoding = threading.Semaphore(os.cpu_count() or 1)  # a large photo needs up to 2 GB of memory
app = FastAPI()


@app.get("/health")
def health() -> dict:
    """Return the model's identity and its labels."""
    return {"model": model.metadata.model, "labels": model.metadata.labels}


@app.post("/predict")
def predict(photo: UploadFile) -> dict:
    """Return the label of a photo, the probability of each class, and the unknown score."""
    data = photo.file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise HTTPException(413, f"expected at most {MAX_BYTES:,} bytes")
    try:
        with decoding:
            prediction = model.predict(data)
    except pawprint.InputError as error:
        raise HTTPException(422, str(error)) from None
    probabilities = dict(zip(model.metadata.labels, prediction.probabilities.tolist()))
    return {
        "label": prediction.label,
        "probabilities": {label: round(value, 4) for label, value in probabilities.items()},
        "unknown_score": prediction.unknown_score,
    }
