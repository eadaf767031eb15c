"""Load a Keras backbone with its weights, and build the extractor from it."""

import re
import warnings
from pathlib import Path

import openvino

from pawprint.base.errors import InputError, NoWeightsError, reason
from pawprint.network import keras_model
from pawprint.network.hardware import keras, make_deterministic
from pawprint.network.keras_model import cut_index, first_trained, with_blocks
from pawprint.network.weights_file import require_source, verified_sha256
from pawprint.pipeline.params.model import IMAGENET, Model, Weights


def application(
    name: str, alpha: float | None, image_size: int, weights: str | Path | None = None
) -> keras.Model:
    """Return a network without its top, which maps float32 pixels to feature maps.

    The input is `(batch, size, size, 3)`. `weights` can be IMAGENET, which is downloaded by Keras
    or comes with a package; the path of a file; or None for random weights. Raises InputError if
    the application does not support the image size, or if the weights are missing or do not match
    the network.
    """
    if weights == IMAGENET and alpha and alpha > 1 and image_size != 224:
        # Above full width, there are only weights for 224 pixels, but Keras would look for other
        # sizes.
        network = application(name, alpha, image_size)
        network.set_weights(application(name, alpha, 224, weights).get_weights())
        return network
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ignore the message about 224 px weights
            network = keras_model.find_application(name).build(
                input_shape=(image_size, image_size, 3),
                weights=weights and str(weights),
                **({} if alpha is None else {"alpha": alpha}),
            )
    except InputError:
        raise
    except Exception as error:  # an error in Keras, the connection or the file
        if weights is None:
            raise InputError(
                f"model.image_size: expected a size that {name} supports. Received: "
                f"{image_size} ({reason(error).rstrip('.')})"
            ) from None
        application(name, alpha, image_size)  # raises InputError if the size is the problem
        raise _weights_problem(name, alpha, weights, error) from None
    # The layers keep the names that Keras gave them, which may start with the name of the network.
    return keras.Model(network.input, network.output, name=keras_model.BACKBONE)


def _weights_problem(
    name: str, alpha: float | None, weights: str | Path, error: Exception
) -> InputError:
    if weights != IMAGENET:
        width = "" if alpha is None else f", alpha {alpha} (model.alpha)"
        return InputError(
            f"{weights}: expected weights for {name} (model.backbone) without top{width}. "
            f"Received: {reason(error)} Check weights.source."
        )
    # A connection error may contain the password of a proxy. Keras errors do not.
    text = type(error).__name__
    if type(error) in (Exception, OSError):
        text = reason(error).rpartition(" -- ")[2]  # the part after the URL
    elif type(error) is ValueError:
        text = "weights for other layers"
    named = re.search(r"[^/\s]+\.h5", str(error))  # Keras names a file that it cannot download
    message = (
        f"{named[0] if named else 'weights.source'}: expected weights for {name}. Received: "
        f"{text}. Offline, put this file into models/ of KERAS_HOME, set weights.source to a local "
        "file, or use the installed network: model.backbone EfficientNetLite0, model.alpha null, "
        "model.image_size 224."
    )
    if isinstance(error, ValueError) or type(error) is OSError:
        return InputError(f"{message} Delete a damaged file there.")
    return NoWeightsError(f"no weights on this computer: {message}")


class KerasNetwork:
    """A backbone that Keras builds.

    `weights.sha256` is the hash of a file. For the sources `imagenet`, which Keras downloads to its
    cache, and `none`, it is either None or the expected `weights_sha256`. Raises InputError if a
    hash does not match or the file is missing, and for the same reasons as `application`.
    """

    def __init__(self, model: Model, weights: Weights) -> None:
        make_deterministic(seed=0)
        require_source(weights)
        source = None if weights.source == "none" else weights.source
        self.backbone = application(model.backbone, model.alpha, model.image_size, source)
        self.weights_sha256 = verified_sha256(self.backbone.get_weights(), model, weights)

    def network(self, model: Model) -> tuple[openvino.Model, list[str]]:
        """Build the network, with the maps at the cut if layers are fine-tuned."""
        backbone = self.backbone
        first = first_trained(model, backbone)
        cut = None if first is None else cut_index(backbone, first)
        whole = backbone if model.features == "last" else with_blocks(backbone)
        built, outputs = build_extractor(model.backbone, whole, model.pooling, cut)
        return keras_model.convert(built), outputs


def build_extractor(
    name: str, backbone: keras.Model, pooling: str, cut: int | None = None
) -> tuple[keras.Model, list[str]]:
    """Return a network from pixels to the features that training needs, and its output names.

    The input is `(batch, size, size, 3)`, with values in [0, 255], and `name` is the application.
    The possible outputs are:

    - `cut`: the feature maps at the cut, for fine-tuning.
    - `blocks`: the block statistics of a backbone `with_blocks`, `(batch, features)`, for the head.
    - `top`: the pooled last maps, `(batch, features)`, for the head.
    - `means`: the channel means of the last maps, for the detector of unknown inputs, if `top` is
      flattened.
    """
    pixels = keras.Input(backbone.input_shape[1:])
    outputs = backbone.outputs
    if cut is not None:
        at_cut = backbone.operations[cut].output
        outputs = [keras.layers.Identity()(at_cut), *outputs]
    maps = keras.Model(backbone.input, outputs)(
        keras_model.preprocessing(name)(pixels), training=False
    )
    maps = keras.tree.flatten(maps)
    features = {} if cut is None else {"cut": maps.pop(0)}
    *blocks, last = maps
    if blocks:
        features["blocks"] = keras_model.block_statistics(blocks)
    features["top"] = keras_model.pooling_layer(pooling)(last)
    if pooling != "average":
        features["means"] = keras.layers.GlobalAveragePooling2D(name="means")(last)
    return keras.Model(pixels, list(features.values())), list(features)
