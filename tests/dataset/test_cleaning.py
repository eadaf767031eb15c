import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import clean_archive, encode, photo, photos_of, write_files
from PIL import Image

from pawprint.dataset.cleaning import describe_bits, describe_files, without_duplicates
from pawprint.dataset.user_tables import Correction
from pawprint.decoding.decoder import pixels_sha256
from pawprint.files import pack
from pawprint.images.archive import open_archive
from pawprint.images.folder import find_images
from pawprint.images.reading import decode, open_image


def test_jfif_rule_drops_what_tensorflow_datasets_drops(tmp_path):
    """The images are like those in PetImages. Both rules drop images that cannot be decoded."""
    good, other, cut = photo(1), photo(2), photo(3)[:200]
    files = {
        "Cat/good.jpg": good,
        "Cat/no_jfif.jpg": other[:2] + other[20:],  # without the APP0 segment of 18 bytes
        "Dog/cut.jpg": cut,
        # An extra byte before a marker. Decoders warn and continue.
        "Dog/extraneous.jpg": photo(4)[:-2] + b"\x00" + photo(4)[-2:],
        "Dog/png.jpg": encode(Image.open(io.BytesIO(photo(5))), "PNG"),
    }
    assert good[6:10] == b"JFIF"
    pack(tmp_path / "images.zip", sorted(files.items()))
    for rule, dropped in (("decodes", set()), ("jfif", {"Cat/no_jfif.jpg", "Dog/png.jpg"})):
        kept, rejected, _ = clean_archive(tmp_path / "images.zip", rule)
        assert set(kept["path"]) == files.keys() - {"Dog/cut.jpg"} - dropped
        reasons = dict(zip(rejected["path"], rejected["reason"]))
        assert reasons == {"Dog/cut.jpg": "truncated", **dict.fromkeys(dropped, "no_jfif_header")}


@pytest.mark.parametrize("copy", ["z (1).JPG", "copies/1.jpg"])
def test_of_images_with_the_same_pixels_the_one_with_the_shortest_path_is_kept(tmp_path, copy):
    png = encode(Image.open(io.BytesIO(photo(1))), "PNG")
    same = [(f"cats/{copy}", photo(1)), ("cats/z.JPG", photo(1)), ("cats/zz.png", png)]
    pack(tmp_path / "images.zip", [*same, ("dogs/4.jpg", photo(3))])
    kept, rejected, _ = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/z.JPG", "dogs/4.jpg"]
    assert rejected[["path", "reason", "detail"]].to_numpy().tolist() == [
        [name, "duplicate", "cat with the pixels of cats/z.JPG, cat"]
        for name in (f"cats/{copy}", "cats/zz.png")
    ]


def test_same_pixels_under_both_labels_are_dropped_as_nobody_knows_which(tmp_path):
    files = {"cats/1.jpg": 1, "cats/2.jpg": 1, "dogs/1.jpg": 1, "cats/3.jpg": 3, "dogs/4.jpg": 4}
    pack(tmp_path / "images.zip", [(name, photo(number)) for name, number in files.items()])
    kept, rejected, _ = clean_archive(tmp_path / "images.zip")
    assert list(kept["path"]) == ["cats/3.jpg", "dogs/4.jpg"]
    assert rejected.to_numpy().tolist() == [
        ["cats/1.jpg", "contradictory", "cat with the pixels of cats/2.jpg, cat"],
        ["cats/2.jpg", "contradictory", "cat with the pixels of cats/1.jpg, cat"],
        ["dogs/1.jpg", "contradictory", "dog with the pixels of cats/1.jpg, cat"],
    ]


def pixels_of(number: int) -> str:
    return pixels_sha256(decode(photo(number)))


def corrected(
    folder: Path, files: dict[str, int], corrections: list[Correction]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return the result of `clean` for the photos with these numbers."""
    pack(folder / "images.zip", [(name, photo(number)) for name, number in files.items()])
    return clean_archive(folder / "images.zip", corrections=corrections)


@pytest.mark.parametrize(
    ("label", "kept", "reasons"),
    [
        ("dog", [["cats/1.jpg", "dog"], ["dogs/2.jpg", "dog"]], ["duplicate"]),
        ("none", [["dogs/2.jpg", "dog"]], ["label_none", "label_none"]),
    ],
)
def test_correction_holds_for_copies_of_the_image(tmp_path, label, kept, reasons):
    files = {"cats/1.jpg": 1, "cats/1 (1).jpg": 1, "cats/3.jpg": 3, "dogs/2.jpg": 2}
    corrections = [Correction("cats/1.jpg", label)]
    images, rejected, not_applied = corrected(tmp_path, files, corrections)
    assert not_applied == []
    assert images[["path", "label"]].to_numpy().tolist() == sorted([*kept, ["cats/3.jpg", "cat"]])
    assert rejected["reason"].tolist() == reasons


def labels_of(images: pd.DataFrame) -> dict[str, str]:
    return dict(zip(images["path"], images["label"]))


def test_correction_follows_its_pixels_to_another_name_and_leaves_other_pixels_alone(tmp_path):
    """Files were renumbered, so that a new photo has the name of the corrected one."""
    files = {"cats/1.jpg": 10, "cats/2.jpg": 1, "cats/2 (1).jpg": 1, "dogs/3.jpg": 3}
    corrections = [Correction("cats/1.jpg", "dog", pixels_of(1))]
    images, rejected, not_applied = corrected(tmp_path, files, corrections)
    assert labels_of(images) == {"cats/1.jpg": "cat", "cats/2.jpg": "dog", "dogs/3.jpg": "dog"}
    assert rejected["reason"].tolist() == ["duplicate"]
    assert not_applied == []


@pytest.mark.parametrize(("number", "label"), [("", "dog"), (1, "dog"), (4, None)])
def test_file_in_no_folder_of_a_class_has_the_class_of_a_correction_for_its_pixels(
    tmp_path, number, label
):
    files = {"birds/1.jpg": 1, "cats/2.jpg": 2, "dogs/3.jpg": 3}
    corrections = [Correction("birds/1.jpg", "dog", number and pixels_of(number))]
    images, rejected, not_applied = corrected(tmp_path, files, corrections)
    assert labels_of(images).get("birds/1.jpg") == label
    names = [] if label else ["birds/1.jpg"]
    assert dict(zip(rejected["path"], rejected["reason"])) == dict.fromkeys(names, "unlabelled")
    assert not_applied == names


def test_correction_for_the_pixels_of_an_image_counts_before_that_for_its_path(tmp_path):
    files = {"cats/1.jpg": 1, "cats/1 (1).jpg": 1, "cats/2.jpg": 2, "dogs/3.jpg": 3}
    corrections = [
        Correction("cats/old.jpg", "dog", pixels_of(1)),
        Correction("cats/1.jpg", "none"),
    ]
    for rows in (corrections, corrections[::-1]):
        images, _, not_applied = corrected(tmp_path, files, rows)
        assert labels_of(images) == {"cats/1.jpg": "dog", "cats/2.jpg": "cat", "dogs/3.jpg": "dog"}
        assert not_applied == []


def test_row_that_a_person_adds_counts_before_the_label_of_a_page(tmp_path):
    """As docs/images.md says, a person writes the path and the label, without the hash."""
    files = {"cats/1.jpg": 1, "cats/2.jpg": 2, "dogs/3.jpg": 3, "cats/4.jpg": 4}
    corrections = [
        Correction("cats/1.jpg", "cat", pixels_of(1), is_of_page=True),
        Correction("cats/1.jpg", "dog"),
        Correction("cats/2.jpg", "dog", pixels_of(2), is_of_page=True),
    ]
    for rows in (corrections, corrections[::-1]):
        images, _, not_applied = corrected(tmp_path, files, rows)
        assert [path for path, label in labels_of(images).items() if label == "cat"] == [
            "cats/4.jpg"
        ]
        assert not_applied == []


def deep(number: int) -> bytes:
    """Return a 16-bit PNG with 12-bit values."""
    noise = np.random.default_rng(number).integers(0, 4096, (64, 64), np.uint16)
    return encode(Image.fromarray(noise), "PNG")


def test_bits_of_grey_images_are_proposed_and_then_applied(tmp_path):
    names = ("cats/1.png", "cats/2.png", "dogs/3.png")
    files = [*((name, deep(number)) for number, name in enumerate(names)), ("dogs/4.jpg", photo(4))]
    pack(tmp_path / "images.zip", files)

    def cleaned(bits: int | None) -> tuple[list[str], str]:
        kept, *_ = clean_archive(tmp_path / "images.zip", bits=bits)
        return kept["pixels_sha256"].tolist(), describe_bits(kept, bits)

    before, proposed = cleaned(None)
    assert proposed.startswith("3 16-bit images use only 12 bits; set clean.bits to 12")
    after, line = cleaned(12)
    assert line == ""
    # The hash, which identifies stored features, is computed from the decoded pixels.
    assert [pixels in after for pixels in before] == [False, False, False, True]
    assert "3 images" in cleaned(11)[1]


def test_archive_in_another_process_has_the_same_bits(tmp_path):
    pack(tmp_path / "images.zip", [("cats/1.png", deep(1))])
    with open_archive(tmp_path / "images.zip", 12) as archive:
        copy = pickle.loads(pickle.dumps(archive))
    with copy:
        assert open_image(copy, "cats/1.png").tobytes() == decode(deep(1), 12).tobytes()


def test_all_commands_take_the_same_files_of_a_folder_for_images(tmp_path, capsys):
    names = ["cats/1.jpg", "cats/.hidden.jpg", "cats/raw.nef", "cats/0", "dogs/2.JPG", "dogs/3.txt"]
    write_files(tmp_path / "photos", photos_of(names))
    pack(tmp_path / "images.zip", photos_of(names).items())
    kept, rejected, _ = clean_archive(tmp_path / "images.zip")
    images = kept["path"].tolist()
    assert images == ["cats/1.jpg", "dogs/2.JPG"]
    counted = "4 other files (1 hidden, 1 without a suffix, 1 .nef, 1 .txt)"
    assert describe_files(kept, rejected) == f"kept 2 of 2 images; {counted}"
    paths = find_images([tmp_path / "photos"])
    assert [path.relative_to(tmp_path / "photos").as_posix() for path in paths] == images
    assert counted in capsys.readouterr().err


@pytest.mark.parametrize("labels", [["", "cat"], ["", "cat", "dog"], ["", ""]])
def test_copy_without_a_label_is_a_duplicate_and_contradicts_none(labels):
    columns = {"path": ["a.jpg", "bb.jpg", "ccc.jpg"][: len(labels)], "label": labels}
    images = pd.DataFrame(columns).assign(archive_split="", pixels_sha256="0")
    kept, rejected = without_duplicates(images)
    if "dog" in labels:
        assert kept.empty and set(rejected["reason"]) == {"contradictory"}
    else:
        assert kept["label"].tolist() == [max(labels)]
        assert rejected["reason"].tolist() == ["duplicate"]
