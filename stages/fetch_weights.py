"""Fetch the pre-trained weights of the backbone without its top.

Reads `weights.source`: `imagenet` (Keras' published file for the network in `model`), a path,
or `none` for random weights. Params: `weights`, `model.backbone`, `model.alpha`,
`model.image_size`.
Writes data/raw/weights.h5. Run: `python -m stages.fetch_weights`
"""

import hashlib
import shutil
from pathlib import Path

from pawprint.core import paths
from pawprint.core.errors import InputError
from pawprint.core.files import replacing, sha256_of
from pawprint.core.params import Model, load_params
from pawprint.dataset.download import download


def fetch_weights(source: str, sha256: str | None, model: Model, target: Path) -> None:
    """Write the weights to `target`.

    Raises InputError if the source is missing, if it has another SHA-256 than the one given, or if
    `imagenet` has another hash than Keras lists.
    """
    network = model.backbone, model.alpha, model.image_size
    with replacing(target) as partial:
        if source == "none":
            write_random_weights(*network, partial)
        elif source == "imagenet":
            # Imported only here, because TensorFlow takes seconds to import.
            from pawprint.network.applications import published

            url, digest = published(*network)
            shutil.copyfile(download(url, sha256, "weights.source"), partial)
            require_published(partial, digest)
        else:
            shutil.copyfile(source, partial)
        if sha256 not in (None, found := sha256_of(partial)):
            raise InputError(f"weights.sha256: expected {sha256}. Received: {found}")


def require_published(path: Path, digest: str | None) -> None:
    """Raise InputError if a file has another MD5 or SHA-256 than `digest`."""
    algorithm = "md5" if digest and len(digest) == 32 else "sha256"
    with Path(path).open("rb") as file:
        received = digest and hashlib.file_digest(file, algorithm).hexdigest()
    if received != digest:
        raise InputError(
            f"weights.source: expected the file that Keras publishes, with {algorithm} {digest}. "
            f"Received: {received}. Run `dvc repro` again, or set weights.source to a file."
        )


def write_random_weights(name: str, alpha: float | None, image_size: int, path: Path) -> None:
    """Write the weights of an untrained network, which are the same every time."""
    from pawprint.network.applications import untrained
    from pawprint.network.backbone import save_weights
    from pawprint.network.backend import make_deterministic

    make_deterministic(seed=0)
    save_weights(untrained(name, alpha, image_size), path)


def main() -> None:
    params = load_params()
    fetch_weights(params.weights.source, params.weights.sha256, params.model, paths.RAW_WEIGHTS)
    print(f"fetch_weights: {paths.RAW_WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
