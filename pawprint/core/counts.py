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


def divided_groups(near_duplicates: pd.DataFrame) -> int:
    """Groups of a table NEAR_DUPLICATES in the archive's test split and in another split."""
    return int((near_duplicates.groupby("group")["split"].nunique() > 1).sum())
