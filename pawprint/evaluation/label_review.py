"""Images whose labels are likely wrong."""

import numpy as np
import pandas as pd

from pawprint.core.predictions import predicted_labels, probabilities_in

# A label is likely wrong below the first, if another has more than the second: among many classes
# an image may have a low probability of each. docs/decisions/13 has the precision and the recall.
MAX_OF_LABEL = 0.1
MIN_OF_OTHER = 0.5


def list_suspects(predictions: pd.DataFrame) -> pd.DataFrame:
    """The table LIKELY_WRONG_LABELS, the least probable labels first.

    `predictions` is a table PREDICTIONS with the column `split`, by models that did not learn from
    the images.
    """
    labels = predicted_labels(predictions)
    of_others = probabilities_in(predictions).copy()
    images = np.arange(len(predictions))
    actual = pd.Index(labels).get_indexer(predictions["actual"])
    of_label = of_others[images, actual]
    of_others[images, actual] = 0
    listed = predictions[["path", "split"]].assign(
        label=predictions["actual"],
        likely=np.array(labels)[of_others.argmax(axis=1)],
        probability=of_label,
    )
    is_suspect = (of_label < MAX_OF_LABEL) & (of_others.max(axis=1) > MIN_OF_OTHER)
    return listed[is_suspect].sort_values("probability", kind="stable")
