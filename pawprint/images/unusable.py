"""Why a file of an archive cannot be used as an image."""

from typing import Literal, get_args

Reason = Literal[
    "empty",
    "not_an_image",
    "too_large",
    "truncated",
    "damaged",
    "unsupported",
    "no_jfif_header",
    "no_class",
    "neither_class",
    "duplicate",
    "contradictory",
    "unsafe_name",
    "duplicate_name",
    "not_a_file",
    "encrypted",
    "unreadable",
]
REASONS: tuple[str, ...] = get_args(Reason)


class UnusableImageError(Exception):
    """An image that cannot be used; `reason` is one of REASONS, `detail` explains it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}")
        self.reason = reason
        self.detail = detail
