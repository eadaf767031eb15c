"""Views of training images, by cross-validation: `python -m bench.views FOLDER [NUMBER]`.

Prints a row of Markdown per set: the change of the log loss by four views in place of one, for
each augmentation, of NUMBER images (800) of public sets, whose clones FOLDER has, and of cats and
dogs, in FOLDER/cats as unpacked. C is chosen with one view.
"""

import hashlib
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pawprint.classes import Difference, are_imbalanced, log_losses
from pawprint.features.rows import row_function
from pawprint.images.archive import UnusableImageError
from pawprint.images.augmentation import draw_view
from pawprint.images.decoder import decode
from pawprint.network import solved_head
from pawprint.network.extractor import load_extractor
from pawprint.params.data import Augment
from pawprint.params.model import Model, Weights

DEFAULT = {"RandomRotation": {"factor": 0.03}, "RandomZoom": {"height_factor": 0.15}}
COLOURS = {"RandomBrightness": {"factor": 0.15}, "RandomContrast": {"factor": 0.2}}
AUGMENTATIONS = {
    "36 degrees": {"RandomRotation": {"factor": 0.1}, "RandomZoom": None},
    "default": DEFAULT,
    "and brightness, contrast": DEFAULT | COLOURS,
}
Row = tuple[Path, str, str]  # an image, its label and its group
TWO = {"neutral", "happiness"}


def sample(rows: list[Row], number: int) -> list[Row]:
    """Whole groups, the same fraction of each class."""
    if len(rows) <= number:
        return rows
    groups: dict[str, list[Row]] = {}
    of_class: dict[str, int] = {}
    for row in rows:
        groups.setdefault(row[2], []).append(row)
        of_class[row[1]] = of_class.get(row[1], 0) + 1
    keys = sorted(groups)
    random.Random(0).shuffle(keys)
    wanted = {label: max(6, round(number * n / len(rows))) for label, n in of_class.items()}
    taken, have = [], dict.fromkeys(wanted, 0)
    for key in keys:
        label = groups[key][0][1]
        if have[label] < wanted[label]:
            taken += groups[key]
            have[label] += len(groups[key])
    return taken


def files(folder: Path, pattern: str, depth: int = 1) -> list[Row]:
    paths = sorted(folder.glob(pattern), key=str)
    return [(path, path.parts[-1 - depth], str(path)) for path in paths]


def faces(folder: Path) -> list[Row]:
    lines = (folder / "data/legend.csv").read_text().splitlines()[1:]
    label_of = {image: label.lower() for _, image, label in (each.split(",") for each in lines)}
    paths = sorted((folder / "images").glob("*"), key=str)
    return [
        (path, label_of[path.name], re.sub("_[^_]*$", "", path.name))
        for path in paths
        if label_of.get(path.name) in TWO
    ]


def sets(folder: Path) -> dict[str, Callable[[], list[Row]]]:
    tiles = folder / "abin24/Magnetic-tile-defect-datasets."
    return {
        "cats and dogs": lambda: files(folder / "cats", "*/train/*/*.jpg"),
        "ants and bees": lambda: files(folder / "jaddoescad/ants_and_bees", "*/*/*.jpg"),
        "digits in sign language": lambda: files(
            folder / "ardamavi/Sign-Language-Digits-Dataset", "Dataset/*/*.JPG"
        ),
        "magnetic tiles": lambda: files(tiles, "MT_*/Imgs/*.jpg", 2),
        "waste": lambda: files(folder / "arjunk00/chs", "dataset-resized/*/*.jpg"),
        "satellites": lambda: files(
            folder / "wongyufei1/AAI3001_EuroSAT", "data/EuroSAT_RGB/*/*.jpg"
        ),
        "flowers": lambda: files(folder / "martinwestin/flower_classification", "flowers/*/*.jpg"),
        "clothing": lambda: files(folder / "alexeygrigorev/clothing-dataset-small", "*/*/*.jpg"),
        "faces": lambda: faces(folder / "muxspace/facial_expressions"),
    }


def differences(rows: list[Row], how: str) -> list[Difference]:
    """Of the log loss, by augmentation."""
    params = Path("params.yaml")
    extractor = load_extractor(Model.load(path=params), Weights.load(path=params), has_cut=False)
    size = Model.load(path=params).image_size
    base = Augment.load(path=params).model_dump()
    augments = [Augment(**base | changes) for changes in AUGMENTATIONS.values()]
    features_of = row_function(extractor.network, how)
    features: list[list] = [[] for _ in augments]
    kept = []
    for path, label, group in rows:
        data = path.read_bytes()
        try:
            image = decode(data)
        except UnusableImageError:
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        for of_images, augment in zip(features, augments):
            views = features_of(image, [draw_view(augment, sha256, n, size) for n in range(4)])
            of_images.append([np.concatenate(list(map(np.ravel, view))) for view in views])
        kept.append((label, group))
    labels, actual = np.unique([label for label, _ in kept], return_inverse=True)
    groups = np.unique([group for _, group in kept], return_inverse=True)[1]
    is_imbalanced = len(labels) > 2 and are_imbalanced(np.bincount(actual))
    weight = "balanced" if is_imbalanced else None
    weights = solved_head.compute_sample_weight(weight, actual)
    everything, best, found = np.arange(len(actual)), None, []

    def losses(fit: solved_head.CrossValidation) -> np.ndarray:
        judged = ~np.isnan(fit.probabilities[:, 0])
        return (weights * log_losses(actual, fit.probabilities))[judged]

    for of_images in features:
        given = np.array(of_images, np.float16)
        examples = solved_head.Examples(given, actual, groups, len(labels), weight, None, True)
        crossed = [examples, solved_head._folds(examples), everything]
        none = solved_head.CrossValidation(None, 0)
        if best is None:
            each = solved_head._crossed(*crossed, none, solved_head.VALUES_OF_C)

            best = min(each, key=lambda fit: losses(fit).mean())
        (fitted,) = solved_head._crossed(*crossed, best._replace(views=4), (best.C,))
        found.append(Difference.of(losses(fitted), losses(best)))
    return found


def main() -> None:
    folder, *number = sys.argv[1:]
    print(f"| images of | {' | '.join(AUGMENTATIONS)} |\n" + "|---" * 4 + "|")
    for name, rows in sets(Path(folder)).items():
        how = "stretch" if name == "magnetic tiles" else "crop"
        found = differences(sample(rows(), int(*number or [800])), how)
        print(f"| {name} | {' | '.join(map(str, found))} |", flush=True)


if __name__ == "__main__":
    main()
