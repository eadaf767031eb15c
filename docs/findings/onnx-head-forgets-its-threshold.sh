#!/usr/bin/env bash
# Surprise: a head with a tuned threshold finds 63% of the defective parts in scikit-learn, and 25% as an ONNX file.
# Guess: skl2onnx either refuses `TunedThresholdClassifierCV`, as it does `FixedThresholdClassifier`, or writes a file
# whose labels are those of `predict`.
# Seen with skl2onnx 1.20.0, scikit-learn 1.9.1 and ONNX Runtime 1.32.0: it converts the classifier inside and leaves
# out `best_threshold_`, without a warning. All labels are those of a threshold of 0.5; the probabilities are right.
# Why it matters: the threshold is tuned because one of the classes is rare, and a check of the probabilities, or of the
# accuracy, which rises, passes. Use the probabilities and the threshold, or compare the labels with `predict`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0
cd "$folder"
venv/bin/python -W error - 2> log <<'PYTHON' || { cat log; exit 1; }
import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    train_test_split,
)

features, labels = make_classification(
    6000, 32, n_informative=12, weights=[0.95], flip_y=0, class_sep=1.2, random_state=0
)
features = features.astype(np.float32)
training, test, of_training, of_test = train_test_split(
    features, labels, stratify=labels, random_state=0
)
head = LogisticRegression(max_iter=1000)
tuned = TunedThresholdClassifierCV(head, scoring="balanced_accuracy").fit(training, of_training)
file = to_onnx(tuned, training[:1], options={"zipmap": False}).SerializeToString()
session = onnxruntime.InferenceSession(file)
converted, probabilities = session.run(None, {"X": test})
predicted, untuned = tuned.predict(test), tuned.estimator_.predict(test)


def recall(found):
    return float(found[of_test == 1].mean())


for name, found in (("scikit-learn", predicted), ("ONNX", converted)):
    accuracy = (found == of_test).mean()
    print(f"{name}: {recall(found):.0%} of the defective parts are found, {accuracy:.1%} of labels are right")
print(f"threshold: {tuned.best_threshold_:.3f}")
print("labels in ONNX are those of the untuned head:", bool((converted == untuned).all()))
np.testing.assert_allclose(probabilities, tuned.predict_proba(test), atol=1e-5)
try:
    to_onnx(FixedThresholdClassifier(head, threshold=0.1).fit(training, of_training), training[:1])
except Exception as error:
    print("FixedThresholdClassifier:", type(error).__name__)
else:
    raise SystemExit("FixedThresholdClassifier is converted now")
assert recall(predicted) > 2 * recall(converted), "the threshold is in the file now"
assert (converted == untuned).all()
PYTHON
