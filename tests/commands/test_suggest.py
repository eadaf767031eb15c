import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import clean_archive, encode, pawprint_here, photo, photos_in, refused
from conftest import replace as replace_text
from networks import PLAIN, metadata, weights_of, write_colour_model
from PIL import Image
from scipy.sparse import csr_array

from pawprint import paths
from pawprint.columns import IMAGES, SPLIT
from pawprint.features.store import INDEX, shard_path, write_shard
from pawprint.files import pack
from pawprint.images.archive import open_archive
from pawprint.images.reading import open_image
from pawprint.model.predictor import Predictor, load_predictor
from pawprint.network.feature_network import OUTPUTS, on_features
from pawprint.projects import suggestion
from pawprint.projects.suggestion import (
    SAMPLE,
    Candidates,
    choose,
    images_in,
    read_labelled,
    suggest,
)
from pawprint.reports.pages import write_suggestions
from pawprint.runtime import write_network
from pawprint.tables import write_table


def re_encoded(data: bytes) -> bytes:
    return encode(Image.open(io.BytesIO(data)).resize((50, 50)), quality=80)


def tinted(colour: tuple[int, int, int], number: int) -> bytes:
    """Return an image of about this colour that looks different for every number."""
    noise = np.random.default_rng(number).integers(-15, 16, (8, 8, 1))
    image = Image.fromarray((colour + noise).astype(np.uint8))
    return encode(image.resize((64, 64), Image.Resampling.NEAREST), "PNG")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    """Return a folder with a served model and the images of a run, `photo(100)` to `photo(103)`."""
    folder = tmp_path_factory.mktemp("labelled")
    write_colour_model(folder / paths.SERVED_MODEL)
    names = ["cats/100.jpg", "cats/101.jpg", "dogs/102.jpg", "dogs/103.jpg"]
    write_run(folder, names, ["train", "validation", "train", "test"])
    return folder


def write_run(folder: Path, names: list[str], splits: list[str]) -> None:
    """Write the images of a run, and their tables."""
    archive = folder / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, ((name, photo(int(Path(name).stem))) for name in names))
    images, *_ = clean_archive(archive)
    write_table(folder / paths.IMAGES_CSV, images, IMAGES)
    split = images.assign(split=splits, group=images["path"], series="", metadata_series="")
    write_table(folder / paths.SPLIT_CSV, split, SPLIT)


@pytest.fixture(scope="module")
def predictor(labelled) -> Predictor:
    return load_predictor(labelled / paths.SERVED_MODEL)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Return a folder of five photos."""
    folder = tmp_path / "фото 📷"
    (folder / "deep").mkdir(parents=True)
    for number in range(5):
        (folder / "deep" / f"é{number}.jpg").write_bytes(photo(number))
    return folder


@pytest.fixture
def here(labelled, monkeypatch) -> None:
    monkeypatch.chdir(labelled)


def suggested(predictor: Predictor, folder: Path, number: int) -> list[dict]:
    return [row for _, row in suggest(predictor, folder, read_labelled(Path()), number)]


def names(rows: list[dict]) -> list[str]:
    return sorted(Path(row["path"]).name for row in rows)


def test_near_duplicates_of_labelled_images_of_any_split_are_left_out(
    here, predictor, photos, capsys
):
    for number in (100, 101, 103):
        (photos / f"{number}.jpg").write_bytes(re_encoded(photo(number)))
    (photos / "102.jpg").write_bytes(photo(102))
    rows = suggested(predictor, photos, 50)
    assert names(rows) == [f"é{number}.jpg" for number in range(5)]
    assert "left out 4 near-duplicates" in capsys.readouterr().err


def test_of_equal_images_and_of_near_duplicates_one_is_suggested(here, predictor, photos):
    for number in range(5):
        (photos / f"same {number}.jpg").write_bytes(photo(number))
        (photos / f"smaller {number}.jpg").write_bytes(re_encoded(photo(number)))
    rows = suggested(predictor, photos, 50)
    assert sorted(re.search(r"\d", name)[0] for name in names(rows)) == [*"01234"]


def test_image_unlike_the_training_images_is_first(here, predictor, tmp_path):
    """None is redder than blue, so the model is equally uncertain about all of them."""
    for number in range(4):
        (tmp_path / f"grey {number}.png").write_bytes(tinted((120, 120, 120), number))
    (tmp_path / "other.png").write_bytes(tinted((20, 220, 20), 4))
    assert names(suggested(predictor, tmp_path, 1)) == ["other.png"]


def store_features(folder: Path, predictor: Predictor, factor: np.ndarray) -> None:
    """Write the results of `features` and `train_finetune`, with features times a factor."""
    split = read_labelled(folder).split.sort_values("pixels_sha256")
    with open_archive(folder / paths.RAW_ARCHIVES) as archive:
        images = [open_image(archive, path) for path in split["path"]]
    rows = np.array([predictor.predict(image).features for image in images]) * factor
    index = [(sha256.encode(), b".jpg", 0, 0) for sha256 in split["pixels_sha256"]]
    columns = {"index": np.array(index, INDEX), "top": rows.astype(np.float32)}
    shard = shard_path(folder / paths.FEATURES / "train", 0)
    shard.parent.mkdir(parents=True)
    write_shard(shard, columns)
    network, kinds = on_features({"top": (3,)}, weights_of(PLAIN, 3, 2), PLAIN)
    (folder / paths.NETWORK).parent.mkdir(parents=True)
    write_network(network, folder / paths.NETWORK, OUTPUTS, kinds)


OTHER = (1, 2, 3)
LAST_OTHER = 19 * [(1, 1, 1)] + [OTHER]  # such as the first view of an image, if it is augmented


@pytest.mark.parametrize(
    ("factor", "computed"), [((1, 1, 1), SAMPLE), (OTHER, 20), (LAST_OTHER, 20)]
)
def test_stored_features_of_the_same_network_are_not_computed_again(
    predictor, photos, tmp_path, factor, computed
):
    """Features of another network are ignored."""
    project = tmp_path / "project"
    names = [f"{'dogs' if number % 2 else 'cats'}/{number}.jpg" for number in range(100, 120)]
    write_run(project, names, ["train"] * 20)
    expected = suggest(predictor, photos, read_labelled(project), 5)
    store_features(project, predictor, np.array(factor))
    passes = []
    counting = replace(predictor, run=lambda pixels: passes.append(1) or predictor.run(pixels))
    assert suggest(counting, photos, read_labelled(project), 5) == expected
    assert len(passes) == 1 + 5 + computed  # a test of the outputs, the photos, training images


def test_unreadable_file_is_listed_at_the_end_and_the_status_is_1(labelled, photos):
    (photos / "a.jpg").write_text("a dog")
    result = pawprint_here(labelled, "suggest", str(photos), "-n", "2")
    *good, bad = result.stdout.splitlines()
    assert (len(good), result.returncode) == (2, 1)
    assert bad.endswith("a.jpg  (not an image: no image format recognised)")


def test_half_of_the_photos_of_a_table_may_be_unknown_and_none_of_a_folder(tmp_path, monkeypatch):
    """Only photos with a label in the table of `predict` are used, not other files there."""
    write_colour_model(tmp_path / paths.SERVED_MODEL, unknown_threshold=0.25)
    for number in range(5):
        colour = (20, 220, 20) if number < 2 else (100, 50, 100)
        (tmp_path / f"é {number}.png").write_bytes(tinted(colour, number))
    (tmp_path / "text.png").write_text("a dog")
    names = sorted(path.name for path in tmp_path.glob("*.png"))
    for form in ("csv", "jsonl"):
        table = pawprint_here(tmp_path, "predict", *names, "--format", form).stdout
        (tmp_path / f"may.{form}").write_text(table, encoding="utf-8")
    (tmp_path / "later.png").write_bytes(tinted((100, 50, 100), 5))
    for number, suggested, unknown, form in ((2, 2, 1, "csv"), (9, 5, 2, "jsonl")):
        options = ("-n", str(number), "--format", "json")
        result = pawprint_here(tmp_path, "suggest", "--from", f"may.{form}", *options)
        rows = json.loads(result.stdout)
        assert (result.returncode, len(rows)) == (0, suggested)
        assert {row["path"] for row in rows} <= {*names} - {"text.png"}
        assert [row["label"] for row in rows].count("unknown") == unknown
    replace_text(tmp_path / "may.csv", ",unknown,", ",cat,")
    monkeypatch.chdir(tmp_path)
    with refused("may.csv: expected the labels that the model predicted. Received: cat for é"):
        suggest(load_predictor(paths.SERVED_MODEL), Path("may.csv"), read_labelled(Path()), 5)
    result = pawprint_here(tmp_path, "suggest", ".", "--format", "json")
    assert {row["label"] for row in json.loads(result.stdout)}.isdisjoint({"unknown"})
    assert "2 unknown images" in result.stderr


def test_line_of_json_without_a_path_is_named_and_not_left_out(tmp_path):
    table = tmp_path / "may.jsonl"
    table.write_text('{"path": "a.jpg", "label": "cat"}\n{"label": "dog"}\n', encoding="utf-8")
    with refused(f"{table}: line 2: expected the keys path, label", "Received: no path."):
        images_in(table)


def test_incomplete_line_of_json_is_left_out(tmp_path):
    table = tmp_path / "may.jsonl"
    table.write_text('{"path": "a.jpg", "label": "cat"}\n{"path": "b.jpg", "la', encoding="utf-8")
    assert images_in(table) == [Path("a.jpg")]


def test_model_without_features_is_one_line(photos, tmp_path):
    export = Predictor(tmp_path, metadata(), lambda _: {"probability": np.array([[0.5]])})
    with refused(f"{tmp_path}: expected a served model with the output features"):
        suggested(export, photos, 5)


def test_sheet_holds_the_photos(here, predictor, photos, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # stored rotated
    wide = Image.open(io.BytesIO(photo(50))).resize((900, 600))
    (photos / "<b>wide & turned.jpg").write_bytes(encode(wide, exif=turned))
    (photos / "text.jpg").write_text("a dog")
    ranked = suggest(predictor, photos, read_labelled(Path()), 50)
    path = tmp_path / "sheet.html"
    write_suggestions(path, None, ranked)
    text = path.read_text(encoding="utf-8")
    pictures = photos_in(text)
    assert list(pictures) == [str(image) for image, _ in ranked[:-1]]
    assert pictures[str(photos / "<b>wide & turned.jpg")].size == (213, 320)
    assert f"{100 * max(ranked[0][1]['probabilities'].values()):.1f}%" in text
    ranked[1][0].unlink()
    with refused("cannot read the image again"):
        write_suggestions(path, None, ranked)
    assert path.read_text(encoding="utf-8") == text


def at(*degrees: float) -> np.ndarray:
    """Return features of two channels that point in these directions."""
    angle = np.radians(degrees)
    return np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def chosen(features, weight=None, labelled=(), number=9, unsure=()):
    """Return the numbers of the chosen images. None of them are alike, and any may be chosen."""
    images = len(features)
    alike = csr_array((images, images), dtype=bool)
    weight = np.ones(images) if weight is None else np.array(weight)
    is_limited = np.zeros(images, bool)
    is_unsure = np.isin(np.arange(images), unsure)
    candidates = Candidates(features, weight, alike, is_limited, is_unsure)
    return choose(candidates, at(*labelled), number, number).tolist()


def test_most_uncertain_of_equally_distant_images_is_first():
    assert chosen(at(30, -30, 30, -30), [0.1, 0.4, 0.2, 0.3], labelled=[0])[0] == 1
    assert chosen(at(30, -30), [0.1, 0.4])[0] == 1


def test_unsure_images_are_first():
    assert chosen(at(30, -30, 90, 60), [0.1, 0.4, 0.2, 0.3], unsure=[0, 2]) == [2, 0, 1, 3]


def test_images_are_far_from_labelled_ones_and_from_each_other(monkeypatch):
    monkeypatch.setattr(suggestion, "BLOCK", 2)
    assert chosen(at(1, 20, 22, 40, -21), labelled=[0, 60]) == [2, 4, 3, 1, 0]
    assert chosen(at(0, 1, 2, 90, 91, 45), number=3) == [0, 4, 5]
