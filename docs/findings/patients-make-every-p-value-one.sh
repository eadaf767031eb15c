#!/usr/bin/env bash
# Surprise: `permutation_test_score` with `groups=patients` gives p = 1 for a head that is nearly always right:
# chance explains every result.
# Guess: groups are used only for the folds, as in `cross_val_score`, so that p is as small as it can be, 1/51.
# Seen with scikit-learn 1.9.1, and documented at `groups`: labels are permuted within each group. A patient has
# one diagnosis, so no label ever moves, and all 50 permutations have the score of the data. If the same folds
# are passed as a list, photos are permuted one by one, as if each were another patient: of 10 heads whose
# features only tell patients apart, several then have p < 0.05. Permuting the diagnoses of patients is right.
# Why it matters: patients, animals or products with several photos each are the case for group folds. This test
# of whether a network has learned anything rejects all, or accepts many that have learned nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'PYTHON'
import numpy as np
from sklearn.model_selection import GroupKFold, cross_val_score, permutation_test_score
from sklearn.neighbors import NearestCentroid

patients = np.repeat(np.arange(20), 10)
diagnoses = np.arange(20) % 2
labels = diagnoses[patients]
head, folds = NearestCentroid(), GroupKFold(5, shuffle=True, random_state=0)


def features(effect, seed):
    """Return features of 200 photos, in which patients differ, and diagnoses by the effect."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(20, 5))[patients] + 0.3 * rng.normal(size=(200, 5))
    numbers[:, 0] += effect * labels
    return numbers


def p_value(numbers, **options):
    score, _, p = permutation_test_score(
        head, numbers, labels, n_permutations=50, random_state=0, **options
    )
    return score, p


def p_of_patients(numbers):
    """Permute the diagnoses of patients."""
    rng = np.random.default_rng(0)

    def score(of_patients):
        return cross_val_score(head, numbers, of_patients[patients], groups=patients, cv=folds).mean()

    scores = [score(rng.permutation(diagnoses)) for _ in range(50)]
    return (1 + sum(other >= score(diagnoses) for other in scores)) / 51


splits = list(folds.split(labels, labels, patients))
useful = features(4, seed=0)
accuracy, with_groups = p_value(useful, groups=patients, cv=folds)
_, with_list = p_value(useful, cv=splits)
print(f"useful head, {accuracy:.0%} right: p with groups {with_groups:.2f}, with a list of folds"
      f" {with_list:.2f}, of patients {p_of_patients(useful):.2f}")
useless = [p_value(features(0, seed), cv=splits)[1] for seed in range(10)]
right = [p_of_patients(features(0, seed)) for seed in range(10)]
print("useless heads, list of folds:", sum(p < 0.05 for p in useless), "of 10 have p < 0.05")
print("useless heads, of patients:", sum(p < 0.05 for p in right), "of 10 have p < 0.05")
assert accuracy > 0.9 and with_groups == 1, "labels are permuted over all groups now"
assert with_list == 1 / 51 and p_of_patients(useful) < 0.05
assert sum(p < 0.05 for p in useless) >= 3 > sum(p < 0.05 for p in right)
PYTHON
