"""Three classes of drawn pictures, from images to predictions, through the real stages."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import OFFLINE, PROJECT, change, refused
from PIL import Image

from pawprint import project
from pawprint.classes import UNKNOWN
from pawprint.columns import SPLIT
from pawprint.files import pack, write_json
from pawprint.params.results import Calibrate
from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.demo import prepare
from pawprint.recipes.sample.drawings import drawn_picture
from pawprint.serving.predictor import load_predictor
from pawprint.tables import write_table
from stages import backbone, calibrate, code, features, train_extract, train_finetune

pytestmark = pytest.mark.slow  # half a minute

LABELS = ["burger", "hotdog", "other"]
# Of each class in a split; of other there are half as many.
PICTURES = {"train": 12, "validation": 6, "test": 4}
PARAMS = """
model: {image_size: 96, fine_tune_at: 140}
augment: {views: 2}
train_extract: {class_weight: balanced}
train_finetune: {epochs: 2, class_weight: balanced}
calibrate: {test_time_augmentation: crops}
"""


def write_images(workspace: Path) -> None:
    """The archive, and the table of the split, as the stages before training write them."""
    files, rows = {}, []
    for label in LABELS:
        number = 1
        for split, pictures in PICTURES.items():
            for _ in range(pictures // 2 if label == "other" else pictures):
                path = f"{label}/{number}.jpg"
                files[path] = drawn_picture(label, number)
                rows.append((path, label, split, path, hashlib.sha256(files[path]).hexdigest()))
                number += 1
    (workspace / project.RAW_IMAGES).parent.mkdir(parents=True)
    pack(workspace / project.RAW_IMAGES, files.items())
    table = pd.DataFrame(rows, columns=list(SPLIT))
    write_table(workspace / project.SPLIT_CSV, table.sort_values("path"), SPLIT)
    write_json(workspace / project.LABELS_JSON, sorted(set(table["label"])))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder in which the stages from features to calibrate have run; it is the current one."""
    folder = tmp_path_factory.mktemp("three")
    committed = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    prepare(folder, overlay(committed, PARAMS + OFFLINE))
    write_images(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for stage in (code, backbone, features, train_extract, train_finetune, calibrate):
            stage.main()
        yield folder


def test_images_of_no_class_are_unknown(workspace):
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    assert load_predictor(project.SERVED_MODEL).predict(Image.fromarray(noise)).label == UNKNOWN


def test_detector_can_be_turned_off(workspace):
    served = {path: path.read_bytes() for path in project.SERVED_MODEL.iterdir()}
    quantile = Calibrate.load().unknown_quantile
    change(workspace, "calibrate: {unknown_quantile: null}")
    calibrate.main()
    change(workspace, f"calibrate: {{unknown_quantile: {quantile}}}")
    predictor = load_predictor(project.SERVED_MODEL)
    assert predictor.metadata.unknown_threshold is None
    assert predictor.predict(Image.new("RGB", (96, 96))).label in LABELS
    calibrate.main()
    assert {path: path.read_bytes() for path in project.SERVED_MODEL.iterdir()} == served


@pytest.mark.parametrize("key", ["threshold", "recall"])
def test_threshold_of_three_classes_is_one_line(workspace, key):
    change(workspace, f"calibrate: {{{key}: 0.4}}")
    with refused(f"params.yaml: calibrate.{key}: expected null", "Received: 0.4 for 3 classes"):
        calibrate.main()
    change(workspace, f"calibrate: {{{key}: null}}")
