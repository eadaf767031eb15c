import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import JPEG, PROJECT, encode, environment_with, refused, write_files
from PIL import Image

from pawprint.base.files import pack
from pawprint.given.archive import is_jpeg, open_archive, write_list
from pawprint.network import feature_reuse as module
from pawprint.network import store
from pawprint.network.augmentation import LAYERS
from pawprint.network.feature_reuse import ShardComputer, Task, tasks, views_of, write_shards
from pawprint.network.rows import Row
from pawprint.network.store import STORED_SPLITS, Shard, open_features, shard_path
from pawprint.network.views import IDENTITY, View
from pawprint.pipeline.params.data import Augment
from stages import features

ROTATE = Augment(
    **dict.fromkeys(LAYERS)
    | {"RandomFlip": {"mode": "horizontal"}, "RandomRotation": {"factor": 0.1}},
    views=3,
    keep_original=True,
    seed=1,
)
KINDS = {"cut": (2, 2), "top": (3,)}
IMAGES = pd.DataFrame(
    {
        "pixels_sha256": [f"{32 * number:02x}".ljust(64, "0") for number in range(8)],
        "split": ["train", "validation"] * 4,
        "path": [f"{number}.jpg" for number in range(8)],
    }
)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path) -> None:
    """Use four images per shard, and let an image be its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pawprint.network.store.IMAGES_PER_SHARD", 4)
    monkeypatch.setattr("pawprint.given.reading.open_image", lambda archive, path, side: path)
    monkeypatch.setattr(module, "is_jpeg", lambda archive, path: path.endswith(".jpg"))


class Computed(ShardComputer):
    """Computes a row from the image and the view and records what it was asked for."""

    def __init__(
        self, augment: Augment = ROTATE, largest: float = 0, themselves: tuple = (), archive=None
    ) -> None:
        self.asked = asked = []

        def rows_of(read: Callable[[int], str], views: list[View]) -> list[Row]:
            path = read(192)
            asked.extend((path, str(view)) for view in views)
            number = int(path.split(".")[0])
            values = [number + view[0, 2] / 3 + largest for view in views]
            return [
                [np.full(shape, value, np.float32) for shape in KINDS.values()] for value in values
            ]

        super().__init__(archive, rows_of, KINDS, partial(views_of, augment, 96, themselves))


def written(
    folder: Path, images: pd.DataFrame, earlier=(), augment: Augment = ROTATE, **options
) -> Computed:
    """Write the shards of each split to a folder with its name; `earlier` are such folders."""
    computer = Computed(augment, **options)
    folder = folder.absolute()
    lists = [paths_in(inner) for before in earlier for inner in sorted(before.iterdir())]
    todo = [task for split in STORED_SPLITS for task in tasks(images, split, folder / split, lists)]
    computer.images = len(write_shards(computer, todo))
    return computer


def content(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def paths_in(folder: Path) -> list[str]:
    return [str(shard_path(folder, number)) for number in range(len(list(folder.iterdir())))]


def index_of(folder: Path) -> np.ndarray:
    return np.concatenate([Shard(path).read("index") for path in sorted(folder.iterdir())])


def test_each_split_has_a_folder_with_its_images_and_their_views(tmp_path):
    """Even an empty split has a shard, because DVC does not track empty folders.

    Vectors are float32, and maps of training images alone float16.
    """
    images = IMAGES.assign(split=["train", "validation", "train", "test", *["unlabelled"] * 4])
    images.loc[7, "split"] = "train"
    written(tmp_path, images[::-1])
    views = {"train": 3, "validation": 2, "test": 2, "unknown": 2, "unlabelled": 1}
    assert {path.name for path in tmp_path.iterdir()} == set(views)
    for split, number in views.items():
        index = index_of(tmp_path / split)
        shard = Shard(shard_path(tmp_path / split, 0))
        dtypes = np.float16 if split == "train" else np.float32, np.float32
        assert (shard.read("cut").dtype, shard.read("top").dtype) == dtypes
        hashes = sorted(images.loc[images["split"] == split, "pixels_sha256"])
        expected = [sha256.encode() for sha256 in hashes for _ in range(number)]
        assert index["pixels_sha256"].tolist() == expected
        assert index["view"].tolist() == [*range(number)] * len(hashes)
        assert (index["drawn"][::number] == IDENTITY).all()
    stored = open_features(tmp_path / "train", ["top"], images["pixels_sha256"][[7, 0]])
    assert stored.shape == (2, 3, 3) and (stored[np.arange(2), [0, 0]][:, 0] == [7, 0]).all()


def test_detector_has_rows_of_images_themselves_which_training_skips(tmp_path):
    """None of the training views is the original image."""
    augment = ROTATE.model_copy(update={"keep_original": False})
    train = IMAGES.assign(split="train")
    hashes = train["pixels_sha256"]
    more = written(tmp_path / "more", train, augment=augment, themselves=tuple(hashes[:3]))
    less = written(tmp_path / "less", train, augment=augment)
    assert len(more.asked) == len(less.asked) + 3
    both = [open_features(tmp_path / name / "train", ["top"], hashes) for name in ("more", "less")]
    place = np.repeat(np.arange(8), 3), np.tile(np.arange(3), 8)
    assert both[0].shape == both[1].shape == (8, 3, 3) and (both[0][place] == both[1][place]).all()
    stored = open_features(tmp_path / "more" / "train", ["top"], hashes[:3], themselves=True)
    assert stored.shape == (3, 1, 3)
    assert (stored[np.arange(3), np.zeros(3, int)][:, 0] == [0, 1, 2]).all()
    original = written(tmp_path / "original", train)
    assert len(original.asked) == 24
    stored = open_features(tmp_path / "original" / "train", ["top"], hashes, themselves=True)
    assert (stored[np.arange(8), np.zeros(8, int)][:, 0] == np.arange(8)).all()


@pytest.mark.parametrize("before", [3, 5, 7])
def test_only_what_is_missing_is_computed_also_with_another_number_of_shards(
    tmp_path, monkeypatch, before
):
    """Three images fit into one shard, and five or more need two."""
    monkeypatch.setattr("pawprint.network.store.IMAGES_PER_SHARD", 2)
    first = written(tmp_path / "before", IMAGES[:before])
    more = written(tmp_path / "after", IMAGES, [tmp_path / "before"])
    again = written(tmp_path / "less", IMAGES[:before], [tmp_path / "after"])
    assert {path for path, _ in more.asked} == set(IMAGES["path"][before:])
    assert (first.images, more.images, again.images) == (before, 8 - before, 0)
    written(tmp_path / "nothing", IMAGES)
    assert content(tmp_path / "after") == content(tmp_path / "nothing")
    assert content(tmp_path / "less") == content(tmp_path / "before")


def test_file_of_another_format_with_the_same_pixels_and_name_is_computed(tmp_path, monkeypatch):
    """A large JPEG decodes to different pixels than the same photo as a PNG."""
    monkeypatch.setattr(module, "is_jpeg", is_jpeg)
    asked = []
    for number, data in enumerate((JPEG, encode(Image.new("RGB", (8, 8)), "PNG"))):
        files = dict.fromkeys(IMAGES["path"], JPEG) | {"0.jpg": data}
        pack(tmp_path / "images.zip", files.items())
        with open_archive(tmp_path / "images.zip") as archive:
            more = written(
                tmp_path / str(number), IMAGES, [tmp_path / "0"][:number], archive=archive
            )
        asked.append({path for path, _ in more.asked})
    assert asked == [{*IMAGES["path"]}, {"0.jpg"}]


def test_rows_of_an_earlier_version_are_computed_again(tmp_path):
    written(tmp_path / "before", IMAGES)
    old = [("suffix", "S5") if field[0] == "is_jpeg" else field for field in store.INDEX.descr]
    for path in (tmp_path / "before").rglob("*.npy"):
        columns = {name: Shard(path).read(name) for name in Shard(path).places}
        columns["index"] = columns["index"].astype(old)
        store.write_shard(path, columns)
    assert written(tmp_path / "after", IMAGES, [tmp_path / "before"]).images == len(IMAGES)


def test_rows_of_photos_that_are_missing_are_taken_over(tmp_path, monkeypatch):
    """As with `dvc repro --allow-missing`."""
    monkeypatch.setattr(module, "is_jpeg", is_jpeg)
    write_files(tmp_path / "photos", dict.fromkeys(IMAGES["path"], JPEG))
    write_list(tmp_path, tmp_path / "photos", dict.fromkeys(IMAGES["path"], ""))
    listed = open_archive(tmp_path)
    written(tmp_path / "before", IMAGES, archive=listed)
    shutil.rmtree(tmp_path / "photos")
    assert written(tmp_path / "after", IMAGES, [tmp_path / "before"], archive=listed).asked == []


def test_views_with_the_same_draws_are_taken_over(tmp_path):
    written(tmp_path / "before", IMAGES)
    for layer, arguments, new in [
        ("RandomShear", {}, [0]),  # by 0
        ("RandomShear", {"x_factor": 0.5}, [8]),
        ("RandomFlip", {"mode": "horizontal_and_vertical"}, range(1, 8)),  # half of the views
    ]:
        augment = Augment.model_validate(ROTATE.model_dump() | {layer: arguments})
        more = written(tmp_path / str(new), IMAGES, [tmp_path / "before"], augment)
        assert len(more.asked) in new


def test_no_damaged_shard_is_taken_over(tmp_path):
    """Any byte may change: in the headers, the checksums, the index or the features."""
    written(tmp_path / "before", IMAGES[:2])
    path = shard_path(tmp_path / "before" / "train", 0)
    whole = path.read_bytes()
    flipped = (
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for place in [*range(0, len(whole), 13), len(whole) - 1]
    )
    for data in (b"", whole[:150], whole[:-1], *flipped):
        path.write_bytes(data)
        written(tmp_path / "after", IMAGES[:2], [tmp_path / "before"])
        assert shard_path(tmp_path / "after" / "train", 0).read_bytes() == whole
        shutil.rmtree(tmp_path / "after")


def test_maps_that_float16_cannot_hold_are_one_line(tmp_path):
    images = [tuple(IMAGES.iloc[0][["pixels_sha256", "path"]])]
    train = Task(str(tmp_path / "train.npy"), "train", images, [])
    with refused("model.fine_tune_at: ", "0.jpg"):
        Computed(largest=70_000)(train)
    test = Task(str(tmp_path / "test.npy"), "test", images, [])
    Computed(largest=70_000)(test)
    with refused("model.fine_tune_at: ", "0.jpg"):  # damaged rows are not reused
        Computed(largest=70_000)(train._replace(sources=[test.path]))


def test_rows_serve_each_split_with_at_most_their_digits(tmp_path):
    """Maps of training images have lower precision, so they are computed again for other splits."""
    for before, after, new in [
        ("test", "validation", 0),
        ("test", "train", 2),  # augmented views
        ("unlabelled", "train", 2),
        ("unlabelled", "unknown", 1),  # the mirror image
        ("train", "test", 2),
    ]:
        first, second = tmp_path / f"{before} {after} 1", tmp_path / f"{before} {after} 2"
        written(first, IMAGES.assign(split=before))
        moved = written(second, IMAGES.assign(split=after), [first])
        assert len(moved.asked) == new * len(IMAGES), (before, after)
        written(nothing := tmp_path / f"{before} {after}", IMAGES.assign(split=after))
        assert content(second) == content(nothing)


def origin_of(folder: Path, kernels: str = "portable") -> dict[str, object]:
    """Return the origin of rows by an empty network."""
    network = folder / "network.xml"
    for path in (network, network.with_suffix(".bin")):
        path.touch()
    return module.origin_of(network, "crop", "code", kernels)


def recorded_of(folder: Path, kernels: str = "portable") -> tuple[Path, object, dict[str, Path]]:
    """Return a recorded result of this network, with a shard for each split."""
    stored = {f"{split}/shard-0.npy": Path(split) for split in STORED_SPLITS}
    return folder, origin_of(folder, kernels), stored


@pytest.mark.parametrize(("machine", "is_reused"), [("AMD64", True), ("aarch64", False)])
def test_rows_are_reused_only_on_the_same_architecture(tmp_path, monkeypatch, machine, is_reused):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    recorded = recorded_of(tmp_path)
    monkeypatch.setattr("platform.machine", lambda: machine)
    found = module.earlier_shards(origin_of(tmp_path), [recorded])
    assert len(found) == is_reused * len(STORED_SPLITS)


@pytest.mark.parametrize("recorded", ["portable", "native"])
@pytest.mark.parametrize("kernels", ["portable", "native"])
def test_rows_of_training_images_are_reused_only_for_the_same_kernels(tmp_path, recorded, kernels):
    """Rows of other images are always portable, so native ones can only come from `train/`."""
    found = module.earlier_shards(origin_of(tmp_path, kernels), [recorded_of(tmp_path, recorded)])
    others = [[split] for split in STORED_SPLITS if split != "train"] * (kernels == "portable")
    assert sorted(found) == sorted(others + [["train"]] * (recorded == kernels))


def killed(*_: object) -> None:
    """Stand in for `compute` in a process that is killed."""
    os._exit(9)


def test_killed_process_of_native_kernels_is_one_line(monkeypatch):
    monkeypatch.setattr(features, "compute", killed)
    with refused("hardware.kernels: ", "memory"):
        features.compute_elsewhere(IMAGES, "native", [])


NATIVE = """import time
from stages import features

def wait(*_):
    print("waits", flush=True)
    time.sleep(600)

features.compute = wait
if __name__ == "__main__":
    features.compute_elsewhere(None, "native", [])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_process_of_native_kernels_ends_with_a_stopped_or_killed_stage(tmp_path, number):
    path = write_files(tmp_path, {"native.py": NATIVE}) / "native.py"
    stage = subprocess.Popen(
        [sys.executable, path],
        env=environment_with(PYTHONPATH=str(PROJECT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert stage.stdout.readline() == "waits\n"
    send = os.killpg if number == signal.SIGINT else os.kill
    send(stage.pid, number)
    _, errors = stage.communicate(timeout=60)  # both processes hold the other end
    assert "Traceback" not in errors
