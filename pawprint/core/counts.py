"""Counts in tables that a stage prints, and that the model card and the report show."""

import pandas as pd

MAX_IMBALANCE = 5  # times as many images in the largest class as in the smallest


def describe_imbalance(images: pd.DataFrame) -> str:
    """Such as "300 images of dog, 40 of cat" if that is above MAX_IMBALANCE, or else "".

    `images` has a column `label`.
    """
    of_class = images["label"].value_counts().sort_index()
    largest, smallest = of_class.idxmax(), of_class.idxmin()
    if of_class.max() <= MAX_IMBALANCE * of_class.min():
        return ""
    return f"{of_class.max():,} images of {largest}, {of_class.min():,} of {smallest}"


def divided_groups(images: pd.DataFrame) -> int:
    """How many groups have images in several splits, of a table with columns `group`, `split`."""
    return int((images.groupby("group")["split"].nunique() > 1).sum())
