#!/usr/bin/env bash
# Surprise: after `max_samples: 1` in params.yaml has become `max_samples: 1.0`, `dvc repro` skips the training,
# `dvc params diff` prints nothing, and `dvc exp run -S` records the new value with the old model.
# Guess: DVC trains again, because the value in params.yaml has changed, from 1 photo per tree to all of them.
# Seen with DVC 3.67.1 and scikit-learn 1.9.1: DVC compares values as Python does, where 1, 1.0 and true are
# equal. The accuracy stays at that of a forest whose trees see one photo each, 10%, instead of 93%. A change
# to 0.99 trains, and so does `--force`.
# Why it matters: scikit-learn reads an integer as a count and a float as a fraction, as in `max_samples`,
# `max_features` or `test_size`. Whoever corrects the mistake sees that it makes no difference.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dvc==3.67.1 scikit-learn==1.9.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR="$folder/site"
export DVC_GLOBAL_CONFIG_DIR="$folder/global" GIT_CONFIG_GLOBAL="$folder/gitconfig"
git config --global user.email author@example.org
git config --global user.name Author
mkdir "$folder/project"
cd "$folder/project"
cat > train.py <<'PYTHON'
import json
from pathlib import Path

import yaml
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

params = yaml.safe_load(Path("params.yaml").read_text())
images, digits = load_digits(return_X_y=True)
forest = RandomForestClassifier(random_state=0, **params["forest"])
forest.fit(images[:1000], digits[:1000])
accuracy = forest.score(images[1000:], digits[1000:])
Path("metrics.json").write_text(json.dumps({"accuracy": round(accuracy, 2)}))
PYTHON
cat > dvc.yaml <<'YAML'
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [forest]
    metrics: [{metrics.json: {cache: false}}]
YAML
git init -q
dvc init -q

# Write the value, run DVC, and print the accuracy.
run() {
  printf 'forest:\n  max_samples: %s\n' "$1" > params.yaml
  dvc repro "${@:2}" > log
  echo "max_samples: $*: $(cat metrics.json)"
}

run 1
git add .
git commit -qm "One photo per tree"
one=$(cat metrics.json)
for value in true 1.0; do
  run $value
  grep -q "Stage 'train' didn't change, skipping" log
  test "$(cat metrics.json)" = "$one"
  test -z "$(dvc params diff)"
done
git checkout -q params.yaml
dvc exp run --quiet -S forest.max_samples=1.0
grep -q "max_samples: 1.0" params.yaml
echo "experiment with 1.0: $(cat metrics.json)"
test "$(cat metrics.json)" = "$one"
run 0.99
test "$(cat metrics.json)" != "$one"
run 1.0 --force
test "$(cat metrics.json)" != "$one"
