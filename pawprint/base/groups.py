"""Join images that share a text of one of two keys, such as a group or a series."""

import numpy as np
import pandas as pd


def join_keys(one: pd.Series, other: pd.Series) -> pd.Series:
    """Return each image's group, or "": all images that share a text of either key are in one.

    A group has the name of its first text, so that it keeps its rank if others get another key.
    """
    # The same text may mean different things in both keys; no path contains a NUL.
    one = one.mask((one != "") & one.isin(other), "\0" + one)
    codes, texts = pd.concat([one, other]).factorize(sort=True)
    of_one, of_other = np.split(codes, 2)
    joined = list(range(len(texts)))
    has_both = (one != "") & (other != "")
    for pair in zip(of_one[has_both].tolist(), of_other[has_both].tolist()):
        first, second = sorted(find(joined, text) for text in pair)
        joined[second] = first
    own = np.where(other == "", of_one, of_other)
    return pd.Series(texts[[find(joined, text) for text in own.tolist()]], one.index)


def find(joined: list[int], group: int) -> int:
    """Return the representative of a group and all groups joined with it, and shorten its path."""
    while joined[group] != group:
        joined[group] = joined[joined[group]]
        group = joined[group]
    return group
