import io
import pickle

import numpy as np
from conftest import clean_archive, encode, photo, photos_of, write_files
from PIL import Image

from pawprint.base.files import pack
from pawprint.data.cleaning import describe_bits
from pawprint.data.rejected import describe_files
from pawprint.given.archive import open_archive
from pawprint.given.reading import decode, open_image
from pawprint.model.predictor import find_images


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
