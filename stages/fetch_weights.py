"""Bring in the pre-trained weights of MobileNetV2 without its top.

Reads `weights.source`: `imagenet` (Keras' published file for the network in `model`), a URL, a
path, or `none` for random weights. Params: `weights`, `model.alpha`, `model.image_size`.
Writes data/raw/weights.h5. Run: `python -m stages.fetch_weights`
"""

import shutil
from pathlib import Path

import h5py

from stages.shared import paths
from stages.shared.download import locate, verify
from stages.shared.params import Weights, load_params
from stages.shared.records import replacing

# Where Keras publishes the weights, and the image sizes it trained each width for:
# https://github.com/keras-team/keras/blob/master/keras/src/applications/mobilenet_v2.py
PUBLISHED = (
    "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/"
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{size}_no_top.h5"
)
SIZES = (96, 128, 160, 192, 224)
SIZES_OF_WIDE_NETWORKS = (224,)


def fetch_weights(params: Weights, alpha: float, image_size: int, target: Path) -> None:
    """Write the weights to `target`. Raises InputError if they cannot be had."""
    source = params.source
    if source == "imagenet":
        source = published_url(alpha, image_size)
    with replacing(target) as partial:
        if source == "none":
            write_random_weights(alpha, image_size, partial)
        else:
            found = locate(source, params.sha256, "weights.source", h5py.is_hdf5)
            shutil.copyfile(found, partial)
        verify(partial, params.sha256, "weights.sha256")


def published_url(alpha: float, image_size: int) -> str:
    """The file for this width and image size; a size without one takes 224's, as Keras does."""
    sizes = SIZES if alpha <= 1 else SIZES_OF_WIDE_NETWORKS
    return PUBLISHED.format(alpha=float(alpha), size=image_size if image_size in sizes else 224)


def write_random_weights(alpha: float, image_size: int, path: Path) -> None:
    """The weights of an untrained network, always the same ones."""
    # Only here is TensorFlow needed, which takes longer to start than this stage.
    from stages.shared.backend import make_deterministic
    from stages.shared.network import new_base, save_weights

    make_deterministic(seed=0)
    save_weights(new_base(alpha, image_size), path)


def main() -> None:
    params = load_params()
    fetch_weights(params.weights, params.model.alpha, params.model.image_size, paths.RAW_WEIGHTS)
    print(f"fetch_weights: {paths.RAW_WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
