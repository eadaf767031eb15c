import struct

import pytest
from faults import HEIC, JPEG, TURNED_HEIC
from PIL import Image

from pawprint.images import decoder
from pawprint.images.archive import UnusableImageError
from pawprint.images.decoder import decode
from pawprint.images.pixels import GREY, resize


@pytest.mark.parametrize("data", [JPEG, HEIC], ids=["jpeg", "heic"])
def test_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch, data):
    monkeypatch.setattr(decoder, "MAX_PIXELS", 100)
    with pytest.raises(UnusableImageError, match="96x64"):
        decode(data)


def test_heic_of_very_many_boxes_is_refused():
    with pytest.raises(UnusableImageError, match="10,000 boxes"):
        decode(HEIC + struct.pack(">I4s", 8, b"free") * 10_001)


def test_item_of_a_heic_is_read_behind_a_box_with_a_size_of_64_bits():
    flipped = TURNED_HEIC.replace(b"Exif", b"\xba\x87\x96\x99")
    end = int.from_bytes(flipped[:4])
    with pytest.raises(UnusableImageError, match="utf-8"):
        decode(flipped[:end] + struct.pack(">I4sQ", 1, b"free", 16) + flipped[end:])


def test_crop_keeps_the_middle_and_stretch_and_pad_the_whole():
    thirds = Image.new("RGB", (96, 32), "red")
    thirds.paste("blue", (32, 0, 64, 32))
    assert (resize(thirds, 32, "crop") == [0, 0, 255]).all()
    stretched = resize(thirds, 32, "stretch")
    assert (stretched[:, [0, -1]] == [255, 0, 0]).all()
    assert (stretched[:, 16] == [0, 0, 255]).all()
    padded = resize(thirds, 33, "pad")
    assert (padded[:11] == GREY).all()
    assert (padded[22:] == GREY).all()
    assert (padded[11:22, [0, -1]] == [255, 0, 0]).all()
    assert (padded[11:22, 16] == [0, 0, 255]).all()
