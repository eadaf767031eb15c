import numpy as np
import pandas as pd
from conftest import PROJECT

from pawprint.images.archive import open_archive
from pawprint.images.augmentation import draw_view
from pawprint.images.decoder import open_image
from pawprint.images.formats import apply, resize
from pawprint.params.data import Augment
from pawprint.reports.photos import draw_augmented, samples


def test_preview_shows_the_views_that_training_uses(drawn_archive):
    augment = Augment.load("augment", path=PROJECT / "params.yaml")
    augment = augment.model_copy(update={"views": 3, "keep_original": True})
    name, sha256 = "drawn/validation/cats/cat.0001.jpg", 64 * "0"
    row = {"path": name, "label": "cat", "split": "train", "pixels_sha256": sha256}
    with open_archive(drawn_archive) as archive:
        figure = draw_augmented(archive, pd.DataFrame([row]), augment, 224, "crop")
        pixels = resize(open_image(archive, name), 224, "crop")
    views = [image.get_array() for image in figure.images]
    assert len(views) == 3
    for view, shown in enumerate(views):
        expected = apply(pixels, draw_view(augment, sha256, view, 224))
        assert np.array_equal(shown, expected)


def test_samples_show_every_class():
    train = pd.DataFrame({"label": ["many"] * 300 + ["rare"] + ["some"] * 40})
    assert samples(train, 18)["label"].value_counts().to_dict() == {"many": 6, "some": 6, "rare": 1}
    classes = pd.DataFrame({"label": [f"{index:02}" for index in range(50)] * 2})
    assert len(samples(classes, 18)) == samples(classes, 18)["label"].nunique() == 18
