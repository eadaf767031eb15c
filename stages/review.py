"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Training and validation images are judged by
cross-validation on stored features, test images, which have none, by the model. Reads
data/features/, data/split/images.csv and plots/predictions.csv. Params: `review`.
Writes plots/likely_wrong_labels.csv. Run: `python -m stages.review`
"""

import numpy as np
import pandas as pd

from pawprint.core import paths
from pawprint.core.params import load_params
from pawprint.core.tables import (
    LIKELY_WRONG_LABELS,
    SPLIT,
    predicted_labels,
    probabilities_in,
    read_predictions,
    read_table,
    write_table,
)
from pawprint.evaluation.label_review import cross_validate, tabulate_suspects
from pawprint.features.store import open_features


def main() -> None:
    params = load_params()
    test = read_predictions(paths.PREDICTIONS).rename(columns={"actual": "label"})
    test["split"] = "test"
    labels = predicted_labels(test)
    # Training and validation images have different numbers of views; the first is compared.
    others = (
        read_table(paths.SPLIT_IMAGES, SPLIT)
        .query("split != 'test'")
        .sort_values("split", kind="stable")
    )
    features = [
        open_features(paths.FEATURES, "top", of_split["pixels_sha256"])[:, 0]
        for _, of_split in others.groupby("split")
    ]
    actual = pd.Index(labels).get_indexer(others["label"])
    crossed = cross_validate(np.concatenate(features), actual, params.review.folds)
    # Each by its own thresholds: the two kinds of models differ in their confidence.
    listed = pd.concat(
        [
            tabulate_suspects(others, crossed, labels),
            tabulate_suspects(test, probabilities_in(test), labels),
        ]
    ).sort_values("probability", kind="stable")
    write_table(paths.LIKELY_WRONG_LABELS, listed, LIKELY_WRONG_LABELS)
    images = len(others) + len(test)
    print(f"review: {len(listed)} of {images:,} labels are likely wrong")


if __name__ == "__main__":
    main()
