"""The committed defaults on five datasets: `python -m bench.datasets [--stamps FOLDER]`.

Prints a row of Markdown per dataset, of five runs that differ in `split.seed` and
`train_finetune.seed`: the sizes of the splits, and of the test split the accuracy of a plain
regression, of the head and of the final model, and the final model's log loss, calibration error
and refused fraction. The regression is scikit-learn's LogisticRegressionCV after a StandardScaler,
on the stored features of the images without augmentation. FOLDER is `usr/share/tuxpaint/stamps` of
Debian's package tuxpaint-stamps-default. Run after `dvc repro`; about 40 minutes on two cores.
"""

import argparse
import io
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.compare import with_seed
from pawprint import project
from pawprint.columns import SCORES, SPLIT, SPLITS
from pawprint.features.rows import row_function
from pawprint.features.store import open_examples
from pawprint.files import pack, read_arrays, read_json
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.pixels import IDENTITY
from pawprint.network.solved_head import VALUES_OF_C
from pawprint.params.model import Model
from pawprint.recipes.overlay import overlay
from pawprint.recipes.sample.demo import PROJECT, prepare, run_dvc
from pawprint.runtime.network_file import read_network
from pawprint.serving.predictor import predict_members
from pawprint.tables import read_table

SEEDS = 5
Images = Iterator[tuple[str, bytes]]  # names, in folders of classes, and files
STAMPS = (
    "animals/birds", "animals/insects", "animals/mammals", "clothes/hats", "food/fruit",
    "plants/flowers", "town/houses", "town/roadsigns",
)  # fmt: skip
WORDS = ("account", "date", "for", "name", "of", "order", "please", "the", "total", "with", "your")
INK, PAPER = 40, 245


def measure(workspace: Path) -> dict[str, float]:
    """The cells of one run."""
    split = read_table(workspace / project.SPLIT_CSV, SPLIT)
    labels = read_json(workspace / project.LABELS_JSON)
    train, actual = open_examples(workspace / project.FEATURES, "top", split, "train", labels)
    test = split[split["split"] == "test"]
    how = Model.load(path=workspace / "params.yaml").resize
    rows_of = row_function(read_network(workspace / project.EXTRACTOR), how)
    with open_archive(workspace / project.RAW_ARCHIVES) as archive:
        (features,) = predict_members(
            lambda image: rows_of(image, [IDENTITY])[0][1:2], archive, test["path"], "test"
        )
    fitted = LogisticRegressionCV(
        Cs=VALUES_OF_C, max_iter=500, scoring="accuracy", use_legacy_attributes=False
    )
    images, first_views = np.arange(len(actual)), np.zeros(len(actual), int)
    regression = make_pipeline(StandardScaler(), fitted)
    regression.fit(train[images, first_views].astype(np.float32), actual)
    kernel, bias = read_arrays(workspace / project.HEAD).values()
    logits = features @ kernel + bias
    of_head = logits[:, 0] > 0 if len(labels) == 2 else logits.argmax(axis=1)
    of_test = pd.Index(labels).get_indexer(test["label"])
    plain = regression.score(features, of_test)
    scores = read_table(workspace / project.SCORES_CSV, SCORES)
    scores = scores.query("split == 'test' and label == ''").set_index("score")["value"]
    return {
        "images": len(split),
        **split["split"].value_counts()[list(SPLITS)],
        "regression": plain,
        "head": (of_head == of_test).mean(),
        "final": scores["accuracy"],
        "final less regression": scores["accuracy"] - plain,
        "log loss": scores["loss"],
        "calibration error": scores["expected_calibration_error"],
        "refused": scores["refused"],
    }


def cell(name: str, values: list[float]) -> str:
    """The mean, with the range where the seeds differ."""
    if name in ("images", *SPLITS):
        return "-".join(f"{each:,}" for each in sorted({min(values), max(values)}))
    form = ".3f" if name in ("log loss", "calibration error") else ".2%"
    return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def run(archive: Path, workspace: Path, labels: str) -> dict[str, str]:
    """Run a dataset with each seed and return the cells of its row."""
    runs = []
    for seed in range(1, SEEDS + 1):
        params = with_seed((PROJECT / "params.yaml").read_text(encoding="utf-8"), seed)
        changes = f"fetch: {{source: {archive}}}\nsplit: {{seed: {seed}}}\n{labels}"
        prepare(workspace, overlay(params, changes))
        run_dvc(workspace, "repro", "--quiet", "evaluate")
        runs.append(measure(workspace))
    return {name: cell(name, [each[name] for each in runs]) for name in runs[0]}


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def photos(number: int | None = None) -> Images:
    """The archive's images, or so many of each class without the archive's splits."""
    with open_archive(project.RAW_ARCHIVES) as archive:
        names = sorted(name for name in members(archive) if name.endswith(".jpg"))
        for label in ("cat", "dog") if number else ():
            of_label = [name for name in names if Path(name).name.startswith(label)]
            for name in random.Random(1).sample(of_label, number):
                yield f"{label}/{Path(name).name}", read_member(archive, name)
        for name in names if number is None else ():
            yield name, read_member(archive, name)


def digits() -> Images:
    """Handwritten digits of 8 x 8 pixels, enlarged to 28 x 28."""
    pixels, labels = load_digits(return_X_y=True)
    for index, (row, label) in enumerate(zip(pixels, labels)):
        image = Image.fromarray((row.reshape(8, 8) * 15.9375).astype(np.uint8))
        yield f"{label}/{index}.png", encoded(image.resize((28, 28), Image.Resampling.BICUBIC))


def stamps(folder: Path) -> Images:
    """Drawn and photographed things on a transparent background."""
    for kind in STAMPS:
        for file in sorted((folder / kind).rglob("*.png")):
            name = "-".join(file.relative_to(folder / kind).parts)
            yield f"{Path(kind).name}/{name}", file.read_bytes()


def drawn_pages(number: int) -> Images:
    """Scanned pages: so many of each kind."""
    for index, page in enumerate((form, letter, receipt, table)):
        for each in range(number):
            image = scan(page, np.random.default_rng([index, each]))
            yield f"{page.__name__}/{each}.png", encoded(image)


def text(random: Generator, words: int) -> str:
    return " ".join(random.choice(WORDS, words))


def letter(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Paragraphs below an address, and a signature."""
    for row in rows[:3]:
        draw.text((width * 0.1, row), text(random, 3), INK)
    ends = random.integers(3, 9)
    for number, row in enumerate(rows[5:-4]):
        if number % ends != ends - 1:
            draw.text((width * 0.1, row), text(random, int(width / 45)), INK)
    draw.text((width * 0.1, rows[-2]), text(random, 2), INK)


def form(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Names of fields beside boxes, some of which are filled in."""
    draw.text((width * 0.3, rows[0]), text(random, 4), INK)
    for row in rows[2:-2:2]:
        draw.text((width * 0.08, row), text(random, random.integers(1, 3)), INK)
        draw.rectangle((width * 0.45, row - 2, width * 0.9, row + 14), outline=INK)
        if random.random() < 0.5:
            draw.text((width * 0.47, row), text(random, 2), INK)


def table(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Amounts between lines, below a few lines of text."""
    first = random.integers(2, 8)
    for row in rows[: first - 1]:
        draw.text((width * 0.1, row), text(random, int(width / 50)), INK)
    edges = np.linspace(width * 0.08, width * 0.92, random.integers(4, 7))
    last = random.integers(len(rows) // 2, len(rows))
    for row in rows[first:last]:
        draw.line((edges[0], row - 2, edges[-1], row - 2), INK)
        for edge in edges[:-1]:
            draw.text((edge + 3, row), f"{random.uniform(1, 900):.2f}", INK)
    for edge in edges:
        draw.line((edge, rows[first] - 2, edge, rows[last - 1] - 2), INK)


def receipt(draw: ImageDraw.ImageDraw, random: Generator, width: int, rows: list[int]) -> None:
    """Items with their prices at the right, and a total."""
    left, right = width * random.uniform(0.05, 0.2), width * random.uniform(0.8, 0.95)
    draw.text((width * 0.35, rows[0]), text(random, 2), INK)
    last = random.integers(len(rows) // 2, len(rows) - 2)
    for row in rows[3:last]:
        draw.text((left, row), text(random, random.integers(1, 4)), INK)
        draw.text((right, row), f"{random.uniform(1, 900):.2f}", INK, anchor="ra")
    draw.line((left, rows[last], right, rows[last]), INK)
    draw.text((right, rows[last] + 4), f"total {random.uniform(1, 900):.2f}", INK, anchor="ra")


def scan(page, random: Generator) -> Image.Image:
    """The page, turned a little, with the noise and the light of a scanner; L."""
    width, height = random.integers((300, 380), (420, 560)).tolist()
    image = Image.new("L", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    draw.font = ImageFont.load_default(random.uniform(9, 13))
    page(draw, random, width, list(range(20, height - 20, int(random.integers(15, 21)))))
    image = image.rotate(random.normal(0, 2), Image.Resampling.BICUBIC, fillcolor=PAPER)
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.2)))
    pixels = np.asarray(image, float) * random.uniform(0.75, 1.05)
    pixels += random.normal(0, random.uniform(2, 18), pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stamps", type=Path, help="the folder of stamps; without it no stamps")
    folder = parser.parse_args().stamps
    if folder and not folder.is_dir():
        parser.error(f"--stamps: expected a folder. Received: {folder}")
    sets = {"cats and dogs": photos(), "300 cats and dogs": photos(150), "digits": digits()}
    sets["drawn pages"] = drawn_pages(50)
    if folder:
        sets["stamps"] = stamps(folder)
    for name, images in sets.items():
        with tempfile.TemporaryDirectory() as scratch:
            archive, workspace = Path(scratch, "images.zip"), Path(scratch, "workspace")
            workspace.mkdir()
            pack(archive, images)
            cells = run(archive, workspace, "" if "cats" in name else "clean: {labels: auto}\n")
        if name == "cats and dogs":
            print(f"| images of | {' | '.join(cells)} |\n" + "|---" * (len(cells) + 1) + "|")
        print(f"| {name} | {' | '.join(cells.values())} |", flush=True)


if __name__ == "__main__":
    main()
