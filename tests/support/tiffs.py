"""Write TIFF files in any mode, because Pillow writes only few of the modes that it opens."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np

WHITE_IS_0, GREY, RGB, PALETTE, MASK, CMYK, YCBCR, LAB = 0, 1, 2, 3, 4, 5, 6, 8
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
SHORT, LONG = "H", "L"
TYPES = {SHORT: 3, LONG: 4}  # numbers of the value types in a directory
LETTERS = {UNSIGNED: "u", SIGNED: "i", FLOAT: "f"}


def pack_bits(row: np.ndarray, bits: int) -> bytes:
    text = "".join(format(int(value), f"0{bits}b") for value in row.ravel())
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def encode_samples(samples: np.ndarray, order: str, bits: int, kind: int) -> bytes:
    if bits in (8, 16, 32, 64):
        return samples.astype(f"{order}{LETTERS[kind]}{bits // 8}").tobytes()
    return b"".join(pack_bits(row, bits) for row in samples)


def in_tiles(plane: np.ndarray, side: int) -> list[np.ndarray]:
    height, width, channels = plane.shape
    padding = (-height % side, -width % side)
    padded = np.pad(plane, [(0, padding[0]), (0, padding[1]), (0, 0)])
    rows = padded.reshape(-1, side, padded.shape[1], channels)
    return [
        tile for row in rows for tile in np.split(row, padded.shape[1] // side, axis=1) if tile.size
    ]


def tiff(
    samples: np.ndarray,
    colours: int = GREY,
    bits: int = 8,
    *,
    order: str = "<",
    kind: int = UNSIGNED,
    extra: Sequence[int] = (),
    palette: np.ndarray | None = None,
    tags: dict[int, tuple[str, list[int]]] | None = None,
    planar: bool = False,
    tile: int = 0,
    deflate: bool = False,
) -> bytes:
    """Return a TIFF of samples `(height, width, channels)`; `order` is "<" or ">".

    `extra` is the meaning of the channels after the colours: 0 nothing, 1 associated alpha, 2
    alpha. `palette` is `(2**bits, 3)`, with 8 bits. `tags` maps the number of each additional tag
    to its type and values.
    """
    height, width, channels = samples.shape
    planes = np.split(samples, channels, axis=2) if planar else [samples]
    blocks = [block for plane in planes for block in (in_tiles(plane, tile) if tile else [plane])]
    parts = [encode_samples(block, order, bits, kind) for block in blocks]
    parts = [zlib.compress(part) for part in parts] if deflate else parts
    parts = [part + b"\0" * (len(part) % 2) for part in parts]
    offsets = np.cumsum([8, *map(len, parts)]).tolist()
    cells = {
        256: (SHORT, [width]),
        257: (SHORT, [height]),
        258: (SHORT, [bits] * channels),
        259: (SHORT, [8 if deflate else 1]),
        262: (SHORT, [colours]),
        277: (SHORT, [channels]),
        284: (SHORT, [2 if planar else 1]),
        339: (SHORT, [kind] * channels),
        324 if tile else 273: (LONG, offsets[:-1]),
        325 if tile else 279: (LONG, [len(part) for part in parts]),
    }
    cells |= {322: (SHORT, [tile]), 323: (SHORT, [tile])} if tile else {278: (SHORT, [height])}
    cells |= {338: (SHORT, list(extra))} if extra else {}
    if palette is not None:
        cells[320] = (SHORT, (palette.astype(int) * 257).T.ravel().tolist())
    directory, further = write_directory(cells | (tags or {}), order, offsets[-1])
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}L", offsets[-1])
    return start + b"".join(parts) + directory + further


def write_directory(
    cells: dict[int, tuple[str, list[int]]], order: str, start: int
) -> tuple[bytes, bytes]:
    directory = struct.pack(f"{order}H", len(cells))
    further = b""
    end = start + len(directory) + 12 * len(cells) + 4
    for tag, (letter, values) in sorted(cells.items()):
        content = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(content) > 4:
            place = struct.pack(f"{order}L", end + len(further))
            further += content + b"\0" * (len(content) % 2)
        else:
            place = content.ljust(4, b"\0")
        directory += struct.pack(f"{order}HHL", tag, TYPES[letter], len(values)) + place
    return directory + bytes(4), further
