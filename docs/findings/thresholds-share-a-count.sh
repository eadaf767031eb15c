#!/usr/bin/env bash
# Surprise: TorchMetrics gives the precision at a threshold of 0.9 as 0.76 in a `MetricCollection` with the precision at
# 0.5, and as 0.96 alone, for the same photos.
# Guess: metrics share their counts only if their arguments say that these are the same.
# Seen with TorchMetrics 1.9.0 and PyTorch 2.13.0: after the first batch, metrics whose counts are equal become a group
# (`_equal_metric_states`), and from then on only the first of them counts. If no photo of that batch lies between the
# two thresholds, both are that of 0.5 for the whole epoch, and with its batches in the opposite order, both are right.
# The same holds for `ignore_index`, if the first batch lacks that class. `compute_groups=False` helps.
# Source: https://github.com/Lightning-AI/torchmetrics/issues/2596
# Why it matters: certain photos, small batches and folders in the order of their classes make such a first batch.
# The threshold is then chosen by a table whose rows are alike, and the same network has other metrics after shuffling.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 torchmetrics==1.9.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import BinaryPrecision, MulticlassRecall


def values(batches, metrics, **options):
    """Return the value of each metric after these batches, to three decimals."""
    copies = {name: metric.clone() for name, metric in metrics.items()}
    collection = MetricCollection(copies, **options)
    for predicted, labels in batches:
        collection.update(predicted, labels)
    return {name: round(value.item(), 3) for name, value in collection.compute().items()}


# Calibrated probabilities of defects, in batches of 10. The photos of the first batch are certain.
generator = torch.Generator().manual_seed(0)
probabilities = torch.rand(990, generator=generator)
defects = (torch.rand(990, generator=generator) < probabilities).long()
certain = torch.tensor([0.01, 0.99] * 5)
batches = [(certain, (certain > 0.5).long()), *zip(probabilities.split(10), defects.split(10))]

precision = {"at 50%": BinaryPrecision(threshold=0.5), "at 90%": BinaryPrecision(threshold=0.9)}
together = values(batches, precision)
backwards = values(batches[::-1], precision)
apart = values(batches, precision, compute_groups=False)
print(f"precision: {together}; batches in the opposite order: {backwards}; apart: {apart}")
assert together["at 90%"] == together["at 50%"] < 0.8, "each threshold has its own counts now"
assert apart == backwards and apart["at 90%"] > 0.9 and apart["at 50%"] == together["at 50%"]

# Photos in the order of their classes, of which the last, "unsure", is not to count.
labels = torch.arange(3).repeat_interleave(100)
guessed = torch.where(torch.rand(300, generator=generator) < 0.8, labels, 0)
guessed[labels == 2] = 0  # the network never says "unsure"
batches = [*zip(guessed.split(20), labels.split(20))]
recall = {
    "of all": MulticlassRecall(3, average="micro"),
    "without unsure": MulticlassRecall(3, average="micro", ignore_index=2),
}
together, apart = values(batches, recall), values(batches, recall, compute_groups=False)
print(f"recall: {together}; apart: {apart}")
assert together["without unsure"] == together["of all"] < 0.65, "each has its own counts now"
assert apart["without unsure"] > 0.85
PYTHON
