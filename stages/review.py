"""List images whose labels are likely wrong, for a person to check.

Corrections go into labels.csv, which `clean` applies. Reads data/features/, data/split/images.csv,
plots/predictions.csv and plots/predictions_validation.csv. Params: `review`.
Writes plots/likely_wrong_labels.csv. Run: `python -m stages.review`
"""

import numpy as np
import pandas as pd

from pawprint.core import paths
from pawprint.core.params import load_params
from pawprint.core.tables import LIKELY_WRONG_LABELS, PREDICTIONS, SPLIT, read_table, write_table
from pawprint.evaluation.label_review import find_suspects, predict_training
from pawprint.features.store import open_features


def main() -> None:
    params = load_params()
    split = read_table(paths.SPLIT_IMAGES, SPLIT)
    labels = sorted(split["label"].unique())

    def is_second(column: pd.Series) -> np.ndarray:
        return (column == labels[1]).to_numpy(int)

    train = split[split["split"] == "train"]
    features = open_features(paths.FEATURES, "top", train["pixels_sha256"])[:, 0]
    of_train = predict_training(features, is_second(train["label"]), params.review.folds)
    images = [train.assign(probability=of_train)]
    for split, file in (
        ("validation", paths.VALIDATION_PREDICTIONS),
        ("test", paths.PREDICTIONS),
    ):
        predictions = read_table(file, PREDICTIONS).rename(columns={"actual": "label"})
        images.append(predictions.assign(split=split))
    images = pd.concat(images, ignore_index=True)
    actual = is_second(images["label"])
    suspects, probability = find_suspects(actual, images["probability"].to_numpy())
    likely = np.array(labels)[1 - actual[suspects]]
    listed = images.loc[suspects].assign(likely=likely, probability=probability)
    write_table(paths.LIKELY_WRONG_LABELS, listed, LIKELY_WRONG_LABELS)
    print(f"review: {len(listed)} of {len(images):,} labels are likely wrong")


if __name__ == "__main__":
    main()
