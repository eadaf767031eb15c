"""Assign images to the folds of cross-validation, so that a new image moves few others."""

import numpy as np
import pandas as pd

from pawprint.draws import hash_keys, smallest_keys

FOLDS = 5
STEPS = 1024  # resolution for the position of a class's first cut


def draw_folds(labels: np.ndarray, groups: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the fold of each image, int64 `(images,)` in [0, FOLDS), the same in a group.

    The groups of each class are sorted by their hashes and cut into FOLDS parts of equal size, up
    to one group. A class with two groups is in two folds. The key of a group is the smallest of its
    images' `keys`. A group counts for the class that most of its images belong to, or for the first
    one in case of a tie. If no class has two groups, all groups are cut together.

    Adding, removing or changing a group moves at most FOLDS - 1 other groups in each class that it
    counts for, and none in other classes, unless no class has two groups.
    """
    group = np.unique(groups, return_inverse=True)[1]
    label = _label_of_groups(group, labels)
    names, classes = np.unique(label, return_inverse=True)
    if len(names) == len(label):
        classes = np.zeros(len(label), int)
    hashes = pd.Series(hash_keys(smallest_keys(group, keys), "folds")).groupby(classes)
    rank = hashes.rank(method="first").astype(int) - 1
    # If FOLDS does not divide the number of groups, the larger folds differ between classes.
    start = (hash_keys(names, "first fold") % STEPS).astype(int)[classes]
    fold = FOLDS * (STEPS * rank + start) // (STEPS * hashes.transform("size"))
    return fold.to_numpy()[group]


def _label_of_groups(group: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the class that each group counts for, `(groups,)`."""
    sizes = pd.DataFrame({"group": group, "label": labels}).value_counts(sort=False)
    sizes = sizes.reset_index(name="images").sort_values("label", kind="stable")
    most = sizes.sort_values("images", ascending=False, kind="stable").drop_duplicates("group")
    return most.sort_values("group")["label"].to_numpy()
