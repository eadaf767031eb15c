#!/usr/bin/env bash
# Surprise: a photo whose pixels a client has divided by 255 arrives as a black one at MLflow's scoring server, which
# answers with status 200 and a prediction, if the model's signature has uint8.
# Guess: the signature is enforced, as in Python, where `predict` of the same numbers raises an error.
# Seen with mlflow 3.17.2 and NumPy 2.4.6: the server first converts JSON to the signature's type with
# `np.array(data, "uint8")`, which cuts off decimals, and checks the type afterwards. Pixels below 1 become 0.
# Why it matters: clients scale pixels because the network needs it, and do not know that the model already does. The
# label is then that of a black image for every photo, and no log of the server or of the client has an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  mlflow==3.17.2 numpy==2.4.6 fastapi==0.165.0 httpx2==2.16.2
cd "$folder"
MLFLOW_TRACKING_URI="sqlite:///$folder/runs.db" venv/bin/python -W ignore - <<'PYTHON'
import mlflow
import numpy as np
from fastapi.testclient import TestClient
from mlflow.models import infer_signature
from mlflow.pyfunc.scoring_server import init


class Brightness(mlflow.pyfunc.PythonModel):
    """Stand for a network: day or night, by the mean of a photo's pixels."""

    def predict(self, context, model_input, params=None):
        return np.where(model_input.mean((1, 2, 3)) > 60, "day", "night")


rng = np.random.default_rng(0)
photos = rng.integers(0, 250, (10, 8, 8, 3)).astype(np.uint8)
photos[5:] //= 5
mlflow.pyfunc.save_model(
    "model",
    python_model=Brightness(),
    signature=infer_signature(photos, np.array(["day"])),
    pip_requirements=[],
)
model = mlflow.pyfunc.load_model("model")
client = TestClient(init(model))


def ask(pixels):
    response = client.post("/invocations", json={"inputs": pixels.tolist()})
    return response.status_code, response.json().get("predictions")


print("pixels of 0 to 255:", *ask(photos))
print("divided by 255:", *ask(photos / 255))
print("scaled to -1 to 1:", *ask(photos / 127.5 - 1))
try:
    model.predict(photos / 255)
    refused = False
except mlflow.exceptions.MlflowException as error:
    refused = True
    print("divided by 255, in Python:", str(error).splitlines()[-1])
assert ask(photos) == (200, ["day"] * 5 + ["night"] * 5)
assert ask(photos / 127.5 - 1)[0] == 400 and refused
assert ask(photos / 255) == (200, ["night"] * 10), "decimals are not cut off now"
PYTHON
