#!/usr/bin/env bash
# Surprise: scikit-learn's `log_loss` of a network's probabilities is nearly twice as high once they have
# been in a CSV file, a list or float64, although every number is the same.
# Guess: the type of the array changes the last digits of a metric at most.
# Seen with scikit-learn 1.9.1 and NumPy 2.2.6, and documented: probabilities below 1.2e-7 count as 1.2e-7
# in float32, and below 2.2e-16 as 2.2e-16 in float64. A certain error costs 15.9 or 36.0. With one in
# 1,000 photos, the mean log loss is 0.0227 or 0.0428.
# Why it matters: the softmax of two logits that differ by 16 is below 1.2e-7. Two models, or one model and
# a table of its predictions, then differ by their arrays, and the order of models can change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  scikit-learn==1.9.1 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import numpy as np
from sklearn.metrics import log_loss

# A softmax in float32. Photo 0 is a certain error.
logits = np.full((1000, 2), [5, 0], np.float32)
logits[0] = [110, 0]
exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
actual = np.zeros(1000, int)
actual[0] = 1
assert probabilities.dtype == np.float32 and probabilities[0, 1] == 0

csv = io.StringIO()
np.savetxt(csv, probabilities, "%.9g")
csv.seek(0)
found = {}
for form, array in {
    "float32": probabilities,
    "float64": probabilities.astype(np.float64),
    "list": probabilities.tolist(),
    "CSV": np.loadtxt(csv),
}.items():
    found[form] = log_loss(actual, array)
    print(f"{form}: {found[form]:.4f}")
assert found["list"] == found["float64"]
assert np.isclose(found["CSV"], found["float64"])
others = -np.log(probabilities[1:, 0].astype(np.float64)).sum()
costs = [round(1000 * found[form] - others, 1) for form in ("float32", "float64")]
print("a certain error costs", *costs)
assert costs == [15.9, 36.0]
PYTHON
