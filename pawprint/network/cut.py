"""Where the backbone is cut: what comes before is frozen and computed once."""

from pawprint.core.errors import InputError
from pawprint.network.backend import keras


def first_trained(
    backbone: keras.Model, fine_tune_at: int | None, fine_tune_last: int | None
) -> int:
    """The first layer that fine-tuning trains, in [0, layers]. Raises InputError if out of it."""
    layers = len(backbone.layers)
    for key, number in (("fine_tune_at", fine_tune_at), ("fine_tune_last", fine_tune_last)):
        if number is not None and number > layers:
            raise InputError(
                f"params.yaml: model.{key}: expected a number from 0 to {layers}, the layers of "
                f"the backbone. Received: {number}"
            )
    return fine_tune_at if fine_tune_last is None else layers - fine_tune_last


def cut_index(backbone: keras.Model, fine_tune_at: int) -> int:
    """The last layer before `fine_tune_at` whose output is all that later layers need.

    The layers up to it are frozen and are computed once. A layer with a skip connection around it
    cannot be the cut, so the cut may lie some layers before `fine_tune_at - 1`. With 0 nothing is
    frozen and the cut is the input.
    """
    position = {id(layer.output): index for index, layer in enumerate(backbone.layers)}
    last_use = list(range(len(backbone.layers)))
    for index, layer in enumerate(backbone.layers[1:], start=1):
        for tensor in keras.tree.flatten(layer.input):
            last_use[position[id(tensor)]] = index
    candidates = range(max(fine_tune_at - 1, 0), -1, -1)
    return next(cut for cut in candidates if max(last_use[:cut], default=0) <= cut)


def split_at(backbone: keras.Model, cut: int) -> tuple[keras.Model, keras.Model]:
    """The part of the backbone up to layer `cut`, and the part after it. They share its weights.

    One of them may hold no layer of the backbone: it then gives what it gets.
    """
    tensor = backbone.layers[cut].output
    identity = keras.layers.Identity()
    before = keras.Model(backbone.input, tensor if cut > 0 else identity(tensor))
    after = backbone.output if cut < len(backbone.layers) - 1 else identity(tensor)
    return before, keras.Model(tensor, after, name="tail")
