"""List images whose labels are likely wrong, for a person to look at.

What the person finds goes into labels.csv, which `clean` applies. Reads data/features/,
data/split/images.csv, plots/predictions.csv and plots/predictions_validation.csv. Params:
`review`. Writes plots/likely_wrong_labels.csv. Run: `python -m stages.review`
"""

import numpy as np

from pawprint.core import paths
from pawprint.core.files import read_csv, read_json, write_csv
from pawprint.core.params import load_params
from pawprint.evaluation.label_review import predict_training, suspect

COLUMNS = ["path", "label", "likely", "split", "probability"]


def main() -> None:
    params = load_params()
    labels = read_json(paths.FEATURES / "labels.json")
    train = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == "train"]
    top = np.load(paths.FEATURES / "train_top.npy", mmap_mode="r")[:, 0]
    of_train = np.array([labels.index(row["label"]) for row in train])
    rows = [
        {"path": row["path"], "label": row["label"], "split": "train", "probability": value}
        for row, value in zip(train, predict_training(params.review, top, of_train))
    ]
    for split, file in (
        ("validation", paths.VALIDATION_PREDICTIONS),
        ("test", paths.PREDICTIONS),
    ):
        rows += [
            {"path": row["path"], "label": row["actual"], "split": split}
            | {"probability": float(row["probability"])}
            for row in read_csv(file)
        ]
    actual = np.array([labels.index(row["label"]) for row in rows])
    suspected = suspect(actual, np.array([row["probability"] for row in rows]))
    listed = []
    for index in suspected:
        row, second = rows[index], rows[index]["probability"]
        own = second if actual[index] else 1 - second
        likely = labels[1 - actual[index]]
        listed.append(row | {"likely": likely, "probability": f"{own:.6f}"})
    write_csv(paths.LIKELY_WRONG_LABELS, COLUMNS, listed)
    print(f"review: likely wrong labels: {len(listed)} of {len(rows):,}; a person has to look")


if __name__ == "__main__":
    main()
