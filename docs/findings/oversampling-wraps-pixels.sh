#!/usr/bin/env bash
# Surprise: SMOTE fills up a rare class with noise if pixels are uint8, as decoders return them. Over a third of
# the new pixels are brighter or darker than that pixel is in any photo of the class.
# Guess: a new photo lies between two photos of its class, as with float32, up to rounding.
# Seen with imbalanced-learn 0.14.2, scikit-learn 1.9.1 and NumPy 2.4.6 for SMOTE, BorderlineSMOTE and ADASYN: the
# difference of two photos is computed in uint8, where 100 - 101 is 255. No warning is printed, and the result is
# uint8 again. The same numbers as float32 are interpolated.
# Why it matters: a head that trains on such photos still learns something, so that its accuracy reads as if
# oversampling did not help. The same happens to features stored as uint8. Convert them to float32 first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import warnings

import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE
from scipy.ndimage import gaussian_filter

photos = np.random.default_rng(0).normal(size=(120, 16, 16))
photos = np.array([gaussian_filter(photo, 2) for photo in photos]).reshape(120, -1)
photos = np.interp(photos, (photos.min(), photos.max()), (0, 255)).astype(np.uint8)
labels = np.repeat([0, 1], [100, 20])
rare = photos[labels == 1]
warnings.simplefilter("error")
for sampler in (SMOTE, BorderlineSMOTE, ADASYN):
    outside = {}
    for kind in ("uint8", "float32"):
        # New photos come after those that were given.
        new = sampler(random_state=0).fit_resample(photos.astype(kind), labels)[0][len(photos) :]
        outside[kind] = np.mean((new < rare.min(axis=0)) | (new > rare.max(axis=0)))
    shares = ", ".join(f"{share:.0%} of {kind}" for kind, share in outside.items())
    print(f"{sampler.__name__}: {shares} pixels are outside the range of the class")
    assert outside["uint8"] > 0.3 and outside["float32"] < 0.001, "pixels are interpolated now"
PYTHON
