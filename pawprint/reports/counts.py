"""Counts of images, errors and near-duplicates, in tables and in words.

The stages `clean` and `split` print some: this module imports no figures and no templates.
"""

import pandas as pd

from pawprint.core.data_tables import SPLITS

MAX_IMBALANCE = 5  # times as many images in the largest class as in the smallest


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images per class (table SPLIT): a row per label, sorted; a column per split, and `images`."""
    counts = pd.crosstab(images["label"], images["split"]).reindex(columns=SPLITS, fill_value=0)
    return counts.assign(images=counts.sum(axis=1))


def confusion(predictions: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """Images (table PREDICTIONS): a row per true label, a column per predicted label."""
    counts = pd.crosstab(predictions["actual"], predictions["predicted"])
    return counts.reindex(index=labels, columns=labels, fill_value=0)


def confused(predictions: pd.DataFrame, number: int) -> pd.DataFrame:
    """The pairs of classes that are confused most often: `actual`, `predicted` and `images`."""
    wrong = predictions[predictions["actual"] != predictions["predicted"]]
    pairs = wrong.groupby(["actual", "predicted"]).size().rename("images")
    return pairs.sort_values(ascending=False, kind="stable").head(number).reset_index()


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


def describe_near_duplicates(near_duplicates: pd.DataFrame) -> str:
    """Number of images and groups of a table NEAR_DUPLICATES, and which groups are divided."""
    divided = divided_groups(near_duplicates)
    which = "A group is never divided between splits"
    if divided:
        which = (
            f"Number of groups that the archive's own splits divide: {divided}. No other group is "
            "divided between splits"
        )
    return (
        f"{len(near_duplicates)} (number of groups: {near_duplicates['group'].nunique()}). "
        f"{which}; number of images moved for this: {near_duplicates['moved'].sum()}."
    )
