#!/usr/bin/env bash
# Surprise: after a search for the best accuracy forgot `direction="maximize"`, the corrected script goes on looking for
# the worst one, and `best_params` are those of a classifier near chance.
# Guess: `create_study(direction="maximize", load_if_exists=True)` refuses a study that minimises, or changes its
# direction: values that were measured are good for both.
# Seen with Optuna 5.0.0: the direction is only for a new study. Nothing compares it with that of the study in the
# storage, and the only message, "Using an existing study", is that of every search that goes on. With another
# `study_name`, the same script finds the best ones.
# Why it matters: minimising is the default, and a storage is there so that a search survives its notebook. The
# network is trained with params that the report calls the best. Assert `study.direction` after loading.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 scikit-learn==1.9.1
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'PYTHON'
import warnings

import optuna
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

photos, held_out, labels, held_out_labels = train_test_split(
    *load_digits(return_X_y=True), train_size=300, random_state=0
)


def accuracy(trial):
    regularisation = trial.suggest_float("C", 1e-9, 1.0, log=True)
    head = LogisticRegression(C=regularisation, max_iter=500).fit(photos / 16, labels)
    return head.score(held_out / 16, held_out_labels)


def search(name, trials, **direction):
    """Start or go on with the study of this name, and return it."""
    study = optuna.create_study(
        study_name=name,
        storage="sqlite:///searches.db",
        sampler=optuna.samplers.TPESampler(seed=0),
        load_if_exists=True,
        **direction,
    )
    study.optimize(accuracy, n_trials=trials)
    return study


optuna.logging.set_verbosity(optuna.logging.WARNING)
with warnings.catch_warnings():
    warnings.simplefilter("error")  # nothing warns
    search("heads", 15)  # the direction is forgotten
    corrected = search("heads", 15, direction="maximize")
    other = search("other heads", 15, direction="maximize")
highest = max(trial.value for trial in corrected.trials)
print(f"corrected: {corrected.direction.name}, best {corrected.best_value:.1%} of {highest:.1%}")
print(f"in another study: {other.direction.name}, best {other.best_value:.1%}")
assert corrected.direction.name == "MINIMIZE", "the new direction is used now"
assert corrected.best_value < 0.5 < 0.85 < highest
assert other.direction.name == "MAXIMIZE" and other.best_value > 0.85
PYTHON
