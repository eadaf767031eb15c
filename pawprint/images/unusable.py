"""Why a file of an archive cannot be used as an image."""

from typing import Literal, get_args

import pandas as pd

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


def describe_files(kept: pd.DataFrame, rejected: pd.DataFrame) -> str:
    """Such as "kept 4 of 7 files (2 truncated, 1 empty)", of tables IMAGES and REJECTED."""
    reasons = rejected["reason"].str.replace("_", " ").value_counts().items()
    listed = ", ".join(f"{number:,} {reason}" for reason, number in reasons)
    files = f"kept {len(kept):,} of {len(kept) + len(rejected):,} files"
    return f"{files} ({listed})" if listed else files
