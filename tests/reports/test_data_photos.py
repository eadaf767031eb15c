import numpy as np
import pandas as pd
from conftest import PROJECT
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageOps

from pawprint.features.augmentation import draw_view
from pawprint.features.views import apply, resize
from pawprint.images.archive import open_archive
from pawprint.images.reading import open_image
from pawprint.params.data import Augment
from pawprint.reports.photos import PHOTO_SIZE, draw_augmented, samples


def test_preview_shows_the_views_that_training_uses(drawn_archive):
    augment = Augment.load("augment", path=PROJECT / "params.yaml")
    augment = augment.model_copy(update={"views": 3, "keep_original": True})
    name, sha256 = "drawn/validation/cats/cat.0001.jpg", 64 * "0"
    row = {"path": name, "label": "cat", "split": "train", "pixels_sha256": sha256}
    with open_archive(drawn_archive) as archive:
        picture = np.asarray(draw_augmented(archive, pd.DataFrame([row]), augment, 224, "crop"))
        pixels = resize(open_image(archive, name), 224, "crop")
    for view in range(3):
        expected = Image.fromarray(apply(pixels, draw_view(augment, sha256, view, 224)))
        shown = np.asarray(ImageOps.pad(expected, PHOTO_SIZE, color="#eeeeee"))
        windows = sliding_window_view(picture, shown.shape)
        corners = (windows[..., 0, 0, :] == shown[0, 0]).all(-1)
        assert any(np.array_equal(window, shown) for window in windows[corners])


def test_samples_show_every_class():
    train = pd.DataFrame({"label": ["many"] * 300 + ["rare"] + ["some"] * 40})
    assert samples(train, 18)["label"].value_counts().to_dict() == {"many": 6, "some": 6, "rare": 1}
    classes = pd.DataFrame({"label": [f"{index:02}" for index in range(50)] * 2})
    assert len(samples(classes, 18)) == samples(classes, 18)["label"].nunique() == 18
