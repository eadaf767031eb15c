#!/usr/bin/env bash
# Surprise: a scikit-learn classifier whose weights are saved with safetensors 0.8.0 loses all that it
# has learned: 96% of digits are right before, 12% after loading, which is chance.
# Guess: `save_file({"weights": model.coef_}, path)` stores the numbers, or refuses the array.
# Seen with safetensors 0.8.0, scikit-learn 1.9.1 and NumPy 2.4.6: the array's memory is written as it
# lies there, with the shape of the array. `coef_` of `LogisticRegression` lies in columns, so its numbers
# come back in other places. So do a transposed array and every other row, without a message, while
# safetensors 0.7.0 writes all of them correctly. The documentation asks for contiguous arrays, and the
# function for PyTorch refuses others. `np.ascontiguousarray` of each array helps.
# Why it matters: heads, PCA and converted kernels (`kernel.T`) are stored in this format because it is
# safe. Shapes and types agree, and a raised pin is enough to deploy a model of noise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > heads.py <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

digits, labels = load_digits(return_X_y=True)
train, test, train_labels, test_labels = train_test_split(digits / 16, labels, random_state=0)
model = LogisticRegression(max_iter=300).fit(train, train_labels)


def accuracy(weights):
    """Return the accuracy with these weights, after they have been in a file."""
    save_file({"weights": weights, "bias": model.intercept_}, "head.safetensors")
    head = load_file("head.safetensors")
    assert head["weights"].shape == weights.shape and head["weights"].dtype == weights.dtype
    return ((test @ head["weights"].T + head["bias"]).argmax(axis=1) == test_labels).mean()


stored, copied = accuracy(model.coef_), accuracy(np.ascontiguousarray(model.coef_))
photos = np.arange(12.0).reshape(4, 3)
views = {"transposed": photos.T, "every other row": photos[::2], "BGR for RGB": photos[:, ::-1]}
save_file(views, "views.safetensors")
loaded = load_file("views.safetensors")
changed = {name for name, view in views.items() if not np.array_equal(view, loaded[name])}
print(f"safetensors {safetensors.__version__}: {model.score(test, test_labels):.0%} before saving,")
print(f"  {stored:.0%} after loading, {copied:.0%} with np.ascontiguousarray")
print(f"  views with other numbers after loading: {sorted(changed) or 'none'}")
assert model.score(test, test_labels) > 0.95 and copied > 0.95
if sys.argv[1] == "scrambled":
    assert stored < 0.2 and changed == set(views), "the arrays are written correctly now"
else:
    assert stored > 0.95 and not changed
PYTHON
for expected in 0.7.0=whole 0.8.0=scrambled; do
  python3 -m venv --clear venv
  venv/bin/pip install --quiet --disable-pip-version-check \
    "safetensors==${expected%=*}" scikit-learn==1.9.1 numpy==2.4.6
  venv/bin/python heads.py "${expected#*=}"
done
