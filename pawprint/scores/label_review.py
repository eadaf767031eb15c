"""Find labels that may be wrong, given a model's probabilities for images it has not seen."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from pawprint.base.columns import JUDGED_LABELS, PROBABILITY

# A label is listed if its probability is below the first number and another label's probability is
# above the second. Both are needed, because with many classes, all probabilities may be low.
# docs/decisions/13 lists this rule's precision and recall.
MAX_OF_LABEL = 0.1
MIN_OF_OTHER = 0.5


def judge(
    images: pd.DataFrame, probabilities: np.ndarray, labels: list[str], exclusive: bool = True
) -> pd.DataFrame:
    """Return the JUDGED table for images with the columns `path`, `label` and `pixels_sha256`.

    `probabilities` are `(images, labels)`, from a model that was not trained on these images.
    Unless labels are `exclusive`, the table has JUDGED_LABELS and the probability of each label.
    """
    if not exclusive:
        of_labels = {PROBABILITY + label: column for label, column in zip(labels, probabilities.T)}
        return images[[*JUDGED_LABELS]].assign(**of_labels)
    rows = np.arange(len(images))
    actual = pd.Index(labels).get_indexer(images["label"])
    others = probabilities.copy()
    others[rows, actual] = 0
    return images[[*JUDGED_LABELS]].assign(
        likely=np.array(labels)[others.argmax(axis=1)],
        probability=probabilities[rows, actual],
        likely_probability=others.max(axis=1),
    )


def list_suspects(
    judged: pd.DataFrame,
    reviewed: Collection[str] = (),
    contradictions: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return the LABELS_TO_REVIEW table: contradictions first, then the least probable labels.

    `judged` is a JUDGED table with the column `split`. `contradictions` maps image paths to the
    path of a near-duplicate with a different label. Either one of the two labels is wrong, or both
    images show both classes. The two images are listed together, and the pair with the least
    probable label comes first. Images labelled by a person are left out: `reviewed` lists them by
    `pixels_sha256`, or by path in composed Unicode.
    """
    is_unlikely = (judged["probability"] < MAX_OF_LABEL) & (
        judged["likely_probability"] > MIN_OF_OTHER
    )
    return order_suspects(judged, is_unlikely, reviewed, contradictions)


def order_suspects(
    judged: pd.DataFrame,
    is_unlikely: pd.Series | bool,
    reviewed: Collection[str],
    contradictions: Collection[tuple[str, str]],
) -> pd.DataFrame:
    """Return the unlikely labels and the contradictions in the order of `list_suspects`."""
    others = dict(contradictions)
    judged = judged.assign(contradicts=[others.get(path, "") for path in judged["path"]])
    is_suspect = is_unlikely | (judged["contradicts"] != "")
    is_suspect &= ~judged["pixels_sha256"].isin(reviewed)
    is_suspect &= ~judged["path"].str.normalize("NFC").isin(reviewed)
    suspects = judged[is_suspect].sort_values("probability", kind="stable")
    pairs = [
        "\n".join(sorted(pair)) if pair[1] else ""
        for pair in zip(suspects["path"], suspects["contradicts"])
    ]
    order = pd.factorize(np.array(pairs, object))[0]
    return suspects.iloc[np.lexsort((order, suspects["contradicts"] == ""))]
