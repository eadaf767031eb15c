"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Reads data/features/, data/split/images.csv,
plots/predictions.csv and plots/predictions_validation.csv. Params: `review`.
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
from pawprint.evaluation.label_review import predict_training, tabulate_suspects
from pawprint.features.store import open_features


def main() -> None:
    params = load_params()
    predictions = [
        read_predictions(file).rename(columns={"actual": "label"}).assign(split=split)
        for split, file in (
            ("validation", paths.VALIDATION_PREDICTIONS),
            ("test", paths.PREDICTIONS),
        )
    ]
    labels = predicted_labels(predictions[0])
    train = read_table(paths.SPLIT_IMAGES, SPLIT).query("split == 'train'")
    features = open_features(paths.FEATURES, "top", train["pixels_sha256"])[:, 0]
    actual = pd.Index(labels).get_indexer(train["label"])
    of_train = predict_training(features, actual, params.review.folds)
    images = pd.concat([train, *predictions], ignore_index=True)
    probabilities = np.concatenate([of_train, *map(probabilities_in, predictions)])
    listed = tabulate_suspects(images, probabilities, labels)
    write_table(paths.LIKELY_WRONG_LABELS, listed, LIKELY_WRONG_LABELS)
    print(f"review: {len(listed)} of {len(images):,} labels are likely wrong")


if __name__ == "__main__":
    main()
