#!/usr/bin/env bash
# Surprise: with Keras' `LogitsDistillation()`, a student that learns from its teacher alone stays at chance, although
# the teacher is right in over 90% of cases.
# Guess: the default, `loss="kl_divergence"`, compares the softmax of both networks' logits, as its documentation says,
# so that the student comes close to the teacher.
# Seen with Keras 3.15.1 and JAX 0.10.2: softmax and the squared temperature are only for an instance of
# `KLDivergence`, and the name becomes a function. It takes the logits themselves for probabilities, clipped to 0 and
# 1, and the loss falls below 0. With `loss=keras.losses.KLDivergence()`, the student comes close to the teacher.
# Why it matters: with labels, at the default `student_loss_weight=0.5`, the student learns from them and hides this.
# A comparison with a student without a teacher then says that distillation does not help.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  keras==3.15.1 jax==0.10.2 scikit-learn==1.9.1
cd "$folder"
KERAS_HOME="$folder" KERAS_BACKEND=jax venv/bin/python - <<'PYTHON'
import keras
from keras.distillation import Distiller, LogitsDistillation
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits, labels = load_digits(return_X_y=True)
photos, held_out, labels, held_out_labels = train_test_split(
    digits / 16, labels, test_size=500, random_state=0, stratify=labels
)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(units):
    """Return a classifier of digits whose outputs are logits."""
    return keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(10)]
    )


def accuracy(model):
    return float((model.predict(held_out, verbose=0).argmax(1) == held_out_labels).mean())


keras.utils.set_random_seed(0)
teacher = network(128)
teacher.compile("adam", cross_entropy)
teacher.fit(photos, labels, epochs=20, verbose=0)


def taught(**loss):
    """Return the accuracy of a student that sees no labels, and its last training loss."""
    keras.utils.set_random_seed(1)
    student = network(32)
    distiller = Distiller(teacher, student, LogitsDistillation(**loss), student_loss_weight=0.0)
    distiller.compile("adam", cross_entropy)
    history = distiller.fit(photos, labels, epochs=30, verbose=0).history
    return accuracy(student), history["loss"][-1]


by_default, low = taught()
by_instance, loss = taught(loss=keras.losses.KLDivergence())
print(f"teacher: {accuracy(teacher):.1%}")
print(f"student, default: {by_default:.1%}, loss {low:.2f}")
print(f"student, KLDivergence(): {by_instance:.1%}, loss {loss:.2f}")
assert accuracy(teacher) > 0.9
assert by_default < 0.3, "the default teaches now"
assert low < 0, "a divergence is not negative, so logits become probabilities now"
assert by_instance > 0.9 and loss >= 0
PYTHON
