"""What `pawprint monitor` says of photos: `python -m bench.monitor PROJECT PROJECT …`.

Each PROJECT is the folder of one after `dvc repro`, and has other classes than the one before it.
Prints two tables of Markdown for each. Of changed copies of its test photos, and of training
photos: accuracy, mean confidence, and the fraction called unknown. Of sets of photos: in how many
percent the verdict is LIKE, PROPORTIONS and OTHER; DRAWS sets of photos as they are, each once or
several times, and DRAWS_OF_CHANGED of each other kind, of each number in SIZES, if there are so
many. Each draw divides the validation and test photos into those of a test split and the set.
Foreign photos are test photos of the project before.
"""

import argparse
import io
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from pawprint import project
from pawprint.columns import PROBABILITY, SPLIT, UNKNOWN_SCORE
from pawprint.evaluation.monitoring import (
    LIKE,
    OTHER,
    PROPORTIONS,
    differences,
    judge,
    verdict_of,
    without_copies,
)
from pawprint.images.archive import open_archive
from pawprint.serving.predictor import Predictor, load_predictor, predict_members
from pawprint.tables import read_table, spread

SIZES = (100, 200, 500)
DRAWS, DRAWS_OF_CHANGED = 1000, 100
TRAINING_PHOTOS = 1500
LEAST = 300  # photos of a test split
TIMES = 20  # that each photo of a set comes
GREY = (114, 114, 114)


def halved(image: Image.Image) -> Image.Image:
    around, inner = Image.new("RGB", image.size, GREY), ImageOps.scale(image, 0.5)
    around.paste(inner, ((image.width - inner.width) // 2, (image.height - inner.height) // 2))
    return around


def compressed(image: Image.Image) -> Image.Image:
    image.save(buffer := io.BytesIO(), "JPEG", quality=30)
    return Image.open(buffer)


Copies = dict[str, Callable[[Image.Image], Image.Image]]
COPIES: Copies = {
    "as they are": lambda image: image,
    "turned by 90 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "upside down": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "half the size, on grey": halved,
    "of 32 pixels": lambda image: ImageOps.contain(image, (32, 32)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(min(image.size) / 50)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.25),
    "JPEG of quality 30": compressed,
}
(AS_THEY_ARE, *_), TRAINING = COPIES, "training photos"
REPEATED, DRAWN_AGAIN = f"each {TIMES} times", "drawn with repeats"


class Measured(NamedTuple):
    """Validation and test photos by the name of the copy, photos of training, and foreign ones.

    Tables of `judge` with `correct`, bool, `split` and `pixels_sha256`.
    """

    copies: dict[str, pd.DataFrame]
    training: pd.DataFrame
    foreign: pd.DataFrame


def measure(folder: Path, other: Path) -> Measured:
    predictor = load_predictor(folder / project.SERVED_MODEL)
    split, of_other = (read_table(each / project.SPLIT_CSV, SPLIT) for each in (folder, other))
    training, alone = split[split["split"] == "train"], {AS_THEY_ARE: COPIES[AS_THEY_ARE]}
    return Measured(
        judged(predictor, folder, split[split["split"] != "train"], COPIES),
        judged(predictor, folder, spread(training, TRAINING_PHOTOS), alone)[AS_THEY_ARE],
        judged(predictor, other, of_other[of_other["split"] == "test"], alone)[AS_THEY_ARE],
    )


def judged(
    predictor: Predictor, folder: Path, rows: pd.DataFrame, copies: Copies
) -> dict[str, pd.DataFrame]:
    metadata = predictor.metadata

    def values(image: Image.Image) -> list[list[float]]:
        found = (predictor.predict(copy(image)) for copy in copies.values())
        return [[*each.probabilities, each.unknown_score] for each in found]

    with open_archive(folder / project.RAW_ARCHIVES) as archive:
        of_copies = predict_members(values, archive, list(rows["path"]), folder.name)
    names = [*(PROBABILITY + label for label in metadata.labels), UNKNOWN_SCORE]
    actual = pd.Index(metadata.labels).get_indexer(rows["label"])
    tables = (judge(metadata, pd.DataFrame(each, columns=names)) for each in of_copies)
    more = {name: rows[name].array for name in ("split", "pixels_sha256")}
    return {
        name: table.assign(correct=table["class"] == actual, **more)
        for name, table in zip(copies, tables)
    }


def figures(table: pd.DataFrame) -> str:
    of = table["correct"], table["confidence"], table["unknown"]
    return " | ".join(f"{each.mean():.1%}" for each in of)


Draw = Callable[[Generator, pd.Index, int], pd.DataFrame]  # from photos by number, so many


def draws(measured: Measured) -> dict[str, Draw]:
    """Sets of photos by their kind; of fewer photos if there are not so many."""
    plain = measured.copies[AS_THEY_ARE]

    def copied(name: str, rng: Generator, photos: pd.Index, number: int) -> pd.DataFrame:
        return measured.copies[name].loc[photos[:number]]

    def repeated(rng: Generator, photos: pd.Index, number: int) -> pd.DataFrame:
        return plain.loc[photos[: number // TIMES].repeat(TIMES)]

    def drawn_again(rng: Generator, photos: pd.Index, number: int) -> pd.DataFrame:
        return plain.loc[rng.choice(photos, number)]

    def with_foreign(percent: int, rng: Generator, photos: pd.Index, number: int) -> pd.DataFrame:
        foreign = measured.foreign.sample(number * percent // 100, random_state=rng)
        return pd.concat([plain.loc[photos[: number - len(foreign)]], foreign])

    def of_classes(rng: Generator, photos: pd.Index, number: int) -> pd.DataFrame:
        is_odd = plain.loc[photos, "class"] % 2 == 1
        first, second = photos[~is_odd][: number * 8 // 10], photos[is_odd][: number * 2 // 10]
        return plain.loc[first.append(second)]

    def of_training(rng: Generator, photos: pd.Index, number: int) -> pd.DataFrame:
        return measured.training.sample(number, random_state=rng)

    kinds: dict[str, Draw] = {name: partial(copied, name) for name in COPIES}
    kinds |= {REPEATED: repeated, DRAWN_AGAIN: drawn_again}
    kinds |= {f"{each}% foreign": partial(with_foreign, each) for each in (10, 30)}
    return kinds | {"every second class 80%": of_classes, TRAINING: of_training}


def verdicts(measured: Measured, draw: Draw, number: int, times: int) -> str:
    """The percentages of the verdicts, or "" if there are too few photos."""
    plain, rng, found = measured.copies[AS_THEY_ARE], np.random.default_rng(0), Counter()
    of_test = min((plain["split"] == "test").sum(), len(plain) - number)
    for _ in range(times if of_test >= LEAST else 0):
        order = plain.index[rng.permutation(len(plain))]
        photos = draw(rng, order[of_test:], number)
        if len(photos) < number:
            return ""
        tested = differences(without_copies(photos), plain.loc[order[:of_test]])
        found[verdict_of(tested)] += 1
    percent = [f"{100 * found[each] / times:.3g}" for each in (LIKE, PROPORTIONS, OTHER)]
    return " / ".join(percent) if found else ""


def print_tables(name: str, measured: Measured) -> None:
    print(f"\n| {name} | accuracy | mean confidence | called unknown |\n|---|---|---|---|")
    of_test = {name: each[each["split"] == "test"] for name, each in measured.copies.items()}
    for kind, table in (of_test | {TRAINING: measured.training}).items():
        print(f"| {kind} | {figures(table)} |")
    sizes = " | ".join(f"{number:,} photos" for number in SIZES)
    print(f"\n| {name} | {sizes} |" + "\n|---" + "|---" * len(SIZES) + "|")
    for kind, draw in draws(measured).items():
        is_same = kind in (AS_THEY_ARE, REPEATED, DRAWN_AGAIN)
        times = DRAWS if is_same else DRAWS_OF_CHANGED
        cells = (verdicts(measured, draw, number, times) for number in SIZES)
        print(f"| {kind} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.monitor")
    parser.add_argument("projects", type=Path, nargs="+", metavar="PROJECT", help="two or more")
    folders = [each.resolve() for each in parser.parse_args().projects]
    for folder, other in zip(folders, [folders[-1], *folders]):
        print_tables(folder.name, measure(folder, other))


if __name__ == "__main__":
    main()
