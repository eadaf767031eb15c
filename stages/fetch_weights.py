"""Fetch the pre-trained weights of MobileNetV2 without its top.

Reads `weights.source`: `imagenet` (Keras' published file for the network in `model`), a URL, a
path, or `none` for random weights. Params: `weights`, `model.alpha`, `model.image_size`.
Writes data/raw/weights.h5. Run: `python -m stages.fetch_weights`
"""

import shutil
from pathlib import Path

import h5py

from pawprint.core import paths
from pawprint.core.files import replacing
from pawprint.core.params import load_params
from pawprint.dataset.download import locate, verify
from pawprint.network.pretrained import published_url


def fetch_weights(
    source: str, sha256: str | None, alpha: float, image_size: int, target: Path
) -> None:
    """Write the weights to `target`.

    Raises InputError if the source is missing, or has another SHA-256 than the one given.
    """
    if source == "imagenet":
        source = published_url(alpha, image_size)
    with replacing(target) as partial:
        if source == "none":
            write_random_weights(alpha, image_size, partial)
        else:
            found = locate(source, sha256, "weights.source", h5py.is_hdf5)
            shutil.copyfile(found, partial)
        verify(partial, sha256, "weights.sha256")


def write_random_weights(alpha: float, image_size: int, path: Path) -> None:
    """Write the weights of an untrained network, which are the same every time."""
    # Imported only here, because TensorFlow takes seconds to import.
    from pawprint.network.backbone import new_backbone, save_weights
    from pawprint.network.backend import make_deterministic

    make_deterministic(seed=0)
    save_weights(new_backbone(alpha, image_size), path)


def main() -> None:
    params = load_params()
    weights, model = params.weights, params.model
    fetch_weights(weights.source, weights.sha256, model.alpha, model.image_size, paths.RAW_WEIGHTS)
    print(f"fetch_weights: {paths.RAW_WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
