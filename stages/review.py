"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Training images are judged by
cross-validation on stored features, the others by the model. Reads data/features/,
data/split/images.csv, plots/predictions.csv and plots/predictions_validation.csv. Params: `review`.
Writes plots/likely_wrong_labels.csv. Run: `python -m stages.review`
"""

import pandas as pd

from pawprint.core import paths
from pawprint.core.entry import run_stage
from pawprint.core.params.review import Review
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
from pawprint.features.reader import open_features


def main() -> None:
    params = Review.load()
    train = read_table(paths.SPLIT_IMAGES, SPLIT).query("split == 'train'")
    held_out = pd.concat(
        read_predictions(file).rename(columns={"actual": "label"}).assign(split=split)
        for split, file in (
            ("validation", paths.VALIDATION_PREDICTIONS),
            ("test", paths.PREDICTIONS),
        )
    )
    labels = predicted_labels(held_out)
    features = open_features(paths.FEATURES, "top", train["pixels_sha256"])[:, 0]
    actual = pd.Index(labels).get_indexer(train["label"])
    crossed = cross_validate(features, actual, params.folds)
    listed = tabulate_suspects([(train, crossed), (held_out, probabilities_in(held_out))], labels)
    write_table(paths.LIKELY_WRONG_LABELS, listed, LIKELY_WRONG_LABELS)
    images = len(train) + len(held_out)
    print(f"review: {len(listed)} of {images:,} labels are likely wrong")


if __name__ == "__main__":
    run_stage(main)
