"""Limit what an untrusted image file may cost, and define the error for a file that is refused."""

# Pillow's default limit (a quarter of a gigabyte of RGB pixels), which a program can change.
MAX_PIXELS = 2**30 // 4 // 3
MAX_BYTES = 3 * MAX_PIXELS  # the size of the largest allowed image, uncompressed


class DecodingError(Exception):
    """An image that cannot be decoded; `detail` explains the `reason`.

    The reason is one of the words in the table in docs/images.md. Add a row there for a new one.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.detail = detail
