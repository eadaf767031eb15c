#!/usr/bin/env bash
# Surprise: Keras' `preprocess_input` scales the photos that it is given, not a copy. A second network
# that is asked about the same array gets pixels from -1 to 1 for pixels from 0 to 255.
# Guess: it returns a new array, as it does for integers.
# Seen with Keras 3.15.1 and TensorFlow 2.21.0: a float32 array, which `img_to_array` makes of a photo, is
# changed in place by the `preprocess_input` of MobileNetV2, ResNet50 and DenseNet121, as a note in its
# documentation says. A uint8 array and a tensor are not.
# Why it matters: an ensemble, a comparison of networks, or a notebook cell that is run twice predicts from
# photos that are far too dark. Shapes and types agree, so nothing fails; only the accuracy is lower.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  tensorflow-cpu==2.21.0 keras==3.15.1 pillow==12.0.0
cd "$folder"
CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON'
import keras
import numpy as np
from PIL import Image

Image.linear_gradient("L").convert("RGB").save("photo.png")
networks = {
    "MobileNetV2": keras.applications.mobilenet_v2,
    "ResNet50": keras.applications.resnet50,
    "DenseNet121": keras.applications.densenet,
}
photo = keras.utils.img_to_array(keras.utils.load_img("photo.png"))
for name, network in networks.items():
    given = photo[np.newaxis].copy()
    network.preprocess_input(given)
    print(f"{name}: the array that was given has values from {given.min():.1f} to {given.max():.1f}")
    assert given.max() < 200, "the input stays as it is now"
for kept in (photo[np.newaxis].astype(np.uint8), keras.ops.convert_to_tensor(photo[np.newaxis])):
    keras.applications.mobilenet_v2.preprocess_input(kept)
    assert np.array_equal(np.asarray(kept), photo[np.newaxis])

first = keras.applications.mobilenet_v2.preprocess_input
second = keras.applications.resnet50.preprocess_input
right = second(photo[np.newaxis].copy())
batch = photo[np.newaxis].copy()
first(batch)
wrong = second(batch)
print(f"ResNet50 alone: {right.min():.0f} to {right.max():.0f}; "
      f"after MobileNetV2: {wrong.min():.0f} to {wrong.max():.0f}")
assert right.max() > 100 and wrong.max() < 0
PYTHON
