#!/usr/bin/env bash
# Surprise: 256 photos that Albumentations crops at random in 8 workers of PyTorch's DataLoader get 32 different crops
# in ten epochs, of 2,560 that were drawn. All workers draw the same 32, and draw them again in each epoch.
# Guess: workers and epochs differ, as with torchvision, because PyTorch gives each worker a new seed in each epoch.
# Seen with Albumentations 2.0.8, the last release under the MIT licence, and PyTorch 2.13.0: `Compose` makes a random
# generator of its own. Workers are copies of the process, with a copy of that generator, and start anew for each epoch.
# PyTorch seeds its own generator and the global ones of Python and NumPy. `worker_init_fn` can pass the worker's seed
# to `set_random_seed`. Tried apart from this script: 1.4.18 and AlbumentationsX 2.5.1 draw anew.
# Source: https://github.com/albumentations-team/AlbumentationsX/issues/266
# Why it matters: augmentation exists so that no photo is seen twice in the same way. The smaller the data set and the
# more workers, the less is left of it, and the only sign is a validation accuracy that could be higher.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  albumentations==2.0.8 opencv-python-headless==5.0.0.93 torch==2.13.0 numpy==2.4.6
cd "$folder"
NO_ALBUMENTATIONS_UPDATE=1 venv/bin/python -W ignore - <<'PYTHON'
import albumentations
import numpy as np
import torch

PHOTOS, EPOCHS = 256, 10
row, column = np.mgrid[:256, :256].astype(np.uint8)
photo = np.stack([row, column, row], axis=-1)  # its pixels tell where a crop comes from


class Photos(torch.utils.data.Dataset):
    def __init__(self):
        self.augment = albumentations.Compose([albumentations.RandomCrop(32, 32)])

    def __len__(self):
        return PHOTOS

    def __getitem__(self, index):
        crop = self.augment(image=photo)["image"]
        return int(crop[0, 0, 0]) * 256 + int(crop[0, 0, 1])


def reseed(worker):
    augment = torch.utils.data.get_worker_info().dataset.augment
    augment.set_random_seed(torch.initial_seed() % 2**32)


def different_crops(**options):
    loader = torch.utils.data.DataLoader(
        Photos(), batch_size=32, shuffle=True, multiprocessing_context="fork", **options
    )
    crops = [set(torch.cat(list(loader)).tolist()) for epoch in range(EPOCHS)]
    return len(crops[0]), len(set.union(*crops))


without = torch.utils.data.DataLoader(Photos(), batch_size=32, shuffle=True)
alone = {crop for epoch in range(EPOCHS) for crop in torch.cat(list(without)).tolist()}
print(f"without workers: {len(alone)} different crops of {PHOTOS} photos in {EPOCHS} epochs")
epoch, training = different_crops(num_workers=8)
print(f"8 workers: {epoch} in the first epoch, {training} in all")
seeded_epoch, seeded = different_crops(num_workers=8, worker_init_fn=reseed)
print(f"8 workers with seeds of their own: {seeded_epoch} in the first epoch, {seeded} in all")
assert len(alone) > 2000 and seeded > 2000
assert epoch == training <= 32, "workers draw different crops now"
PYTHON
