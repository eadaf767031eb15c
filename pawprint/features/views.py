"""Choose which views of an image have stored features: original, mirrored or augmented ones."""

from collections.abc import Collection

from pawprint.classes import UNKNOWN, UNLABELLED
from pawprint.columns import SPLITS, TRAIN
from pawprint.features.store import ITSELF
from pawprint.images.augmentation import draw_view
from pawprint.images.views import IDENTITY, View, mirrored
from pawprint.params.data import Augment

STORED_SPLITS = (*SPLITS, UNKNOWN, UNLABELLED)


def views_of(
    params: Augment, size: int, themselves: Collection[str], pixels_sha256: str, split: str
) -> dict[int, View]:
    """Return the views of an image by number. `split` is one of STORED_SPLITS.

    A training image has the views that training learns from, which `augment.views` determines. If
    its `pixels_sha256` is in `themselves`, it also has the original image, as ITSELF. A validation,
    test or unknown image has the views that the served network averages: the image and, if training
    mirrors images left to right, its mirror image. An unlabelled image has only itself. `size` is
    the side of the square in pixels.
    """
    if split == TRAIN:
        numbers = range(params.views)
        views = {number: draw_view(params, pixels_sha256, number, size) for number in numbers}
        return views | {ITSELF: IDENTITY} if pixels_sha256 in themselves else views
    has_mirror_image = params.is_mirrored and split != UNLABELLED
    return dict(enumerate([IDENTITY, mirrored(size)] if has_mirror_image else [IDENTITY]))
