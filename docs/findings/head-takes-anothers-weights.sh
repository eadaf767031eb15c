#!/usr/bin/env bash
# Surprise: Keras' `load_weights` gives the head `dog` the weights of `wolf`, although the file has weights
# named `dog`, once another head has come before it in the alphabet.
# Guess: weights go to the layer of the same name, and a head that the file lacks is an error or stays
# as it is.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: layers are matched by their class and their order in the
# graph (documented as "topology"), and a dict of heads is in the order of their names. After `dog` and
# `wolf` have become `bear` and `dog`, `bear` has the weights of `dog`, and `dog` those of `wolf`, without
# a warning. The names that `save_weights` writes into the file are not read.
# Why it matters: classifiers with a head per attribute, or per class as a detector of its own, gain and
# lose heads. All shapes agree, so heads predict with the weights of others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import warnings

import h5py
import keras
import numpy as np


def classifier(heads):
    image = keras.Input((8,))
    features = keras.layers.Dense(4, activation="relu", name="features")(image)
    outputs = {
        name: keras.layers.Dense(1, activation="sigmoid", name=name)(features) for name in heads
    }
    return keras.Model(image, outputs)


def weights(model):
    return {layer.name: layer.get_weights()[0] for layer in model.layers if layer.weights}


before, after = classifier(["dog", "wolf"]), classifier(["dog", "bear"])
before.save_weights("model.weights.h5")
with h5py.File("model.weights.h5") as file:
    names = [group["vars"].attrs["name"] for group in file["layers"].values()]
print("names in the file:", sorted(names))
with warnings.catch_warnings():
    warnings.simplefilter("error")
    after.load_weights("model.weights.h5")
old, new = weights(before), weights(after)
for head in ("bear", "dog"):
    (source,) = (name for name in old if np.array_equal(old[name], new[head]))
    print(f"{head} has the weights of {source}")
assert {"dog", "wolf"} <= {*names}
assert np.array_equal(new["bear"], old["dog"]) and np.array_equal(new["dog"], old["wolf"])
PYTHON
