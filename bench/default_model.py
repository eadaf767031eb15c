"""The default of `pawprint init`: `python -m bench.default_model --public FOLDER [NAME …]`.

Frozen MobileNetV2 of width 0.35 at 288 px, of width 1.0 at 160 and at 224 px, with a head that is
solved on one view of each image. Prints a row of Markdown per dataset: the log loss of training
images in folds and its difference to that of the first, with its standard error; log loss and
accuracy of the test split. Then the mean ratio of the losses in folds, and how many sets are more
than a standard error worse. Sets are those of `bench.datasets`, of at most MAX_IMAGES images.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bench.datasets import params_of, sets
from pawprint import project
from pawprint.classes import Difference, log_losses
from pawprint.columns import SPLIT
from pawprint.engine.mapping import map_in_threads
from pawprint.features.rows import row_function
from pawprint.features.shards import ShardComputer, interrupted_shards, tasks
from pawprint.features.store import StoredExamples, count_shards
from pawprint.files import pack, read_json
from pawprint.images.archive import open_archive
from pawprint.network.extractor import load_extractor
from pawprint.network.head_weights import kinds_of
from pawprint.network.new_head import open_examples
from pawprint.network.solved_head import cross_validate, part_that_fits, solve
from pawprint.params.whole import Params, load_params
from pawprint.recipes.sample.demo import prepare, run_dvc
from pawprint.runtime.network_file import output_shapes, read_network, write_network
from pawprint.scores.intervals import mean_by_group
from pawprint.tables import read_table

MODELS = ((0.35, 288), (1.0, 160), (1.0, 224))
MAX_IMAGES = 2500


def measure(params: Params, workspace: Path, network: Path) -> tuple:
    """The losses of the groups of training images in folds; log loss and accuracy of test."""
    split = read_table(workspace / project.SPLIT_CSV, SPLIT)
    labels = read_json(workspace / project.LABELS_JSON)
    compiled = read_network(network)
    one_view = params.augment.model_copy(update={"views": 1, "keep_original": True})
    images = split[split["split"] != "validation"]
    folder = workspace / network.parent.name / str(count_shards(len(images)))
    folder.mkdir(parents=True)
    with open_archive(workspace / project.RAW_ARCHIVES) as archive:
        run = row_function(compiled, params.model.resize)
        computer = ShardComputer(
            archive, run, output_shapes(compiled), one_view, params.model.image_size
        )
        unfinished = interrupted_shards(folder.parent)
        for _ in map_in_threads(computer, tasks(images, folder, unfinished)):
            pass
    store = StoredExamples(folder, images, labels)
    train = images[images["split"] == "train"]
    weight = params.train_extract.weight_for(train["label"])
    examples = open_examples(store, "auto", weight)
    found = cross_validate(examples)
    judged = ~np.isnan(found.probabilities[:, 0])
    losses = log_losses(examples.actual[judged], found.probabilities[judged])
    test = store.open("test", *kinds_of(examples.takes_blocks(found))), store.classes("test")
    head = solve(examples, test, labels, found, part_that_fits(examples, found))
    groups = train["group"].to_numpy()[judged]
    return losses.mean(), mean_by_group(losses, groups), head.validation


def solar_cells(clone: Path) -> Iterator[tuple[str, bytes]]:
    """https://github.com/zae-bayern/elpv-dataset: defective from a probability of 0.5 on."""
    folder = clone / "src/elpv_dataset/data"
    table = pd.read_csv(folder / "labels.csv", sep=r"\s+", names=["path", "probability", "type"])
    for path, probability in zip(table["path"], table["probability"]):
        label = "defective" if probability >= 0.5 else "functional"
        yield f"{label}/{Path(path).name}", (folder / path).read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.default_model")
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="of clones: OWNER/NAME")
    parser.add_argument("names", nargs="*", metavar="NAME", help="sets; default: all")
    arguments = parser.parse_args()
    ratios, worse = [], []
    with tempfile.TemporaryDirectory() as top:
        networks = []
        for alpha, size in MODELS:
            params = load_params()
            model = params.model.model_copy(
                update={"alpha": alpha, "image_size": size, "fine_tune_at": None}
            )
            extractor, outputs, _ = load_extractor(model, params.weights, has_cut=False)
            networks.append(Path(top, f"{alpha}-{size}", "network.xml"))
            networks[-1].parent.mkdir()
            write_network(extractor, networks[-1], outputs)
        found = sets(arguments.public, arguments.names)
        solar = arguments.public / "zae-bayern/elpv-dataset"
        if not arguments.names or "solar cells" in arguments.names:
            found["solar cells"] = solar_cells(solar), "clean: {labels: auto}", ""
        for name, (images, changes, _) in found.items():
            with tempfile.TemporaryDirectory() as scratch:
                archive, workspace = Path(scratch, "images.zip"), Path(scratch, "workspace")
                workspace.mkdir()
                every = [*images]
                step = math.ceil(len(every) / MAX_IMAGES)
                pack(archive, iter(every[::step]))
                prepare(workspace, params_of(archive, 1, changes))
                run_dvc(workspace, "repro", "--quiet", "split")
                params = load_params(workspace / project.PARAMS)
                rows = []
                for (_, size), network in zip(MODELS, networks):
                    model = params.model.model_copy(update={"image_size": size})
                    rows.append(
                        measure(params.model_copy(update={"model": model}), workspace, network)
                    )
                split = read_table(workspace / project.SPLIT_CSV, SPLIT)
            cells = []
            ratios.append([loss / rows[0][0] for loss, *_ in rows])
            differences = [Difference.of(groups, rows[0][1]) for _, groups, _ in rows]
            worse.append([each.mean > each.error for each in differences])
            for (loss, _, test), gap in zip(rows, differences):
                text = f"{loss:.3f} / {test['loss']:.3f} / {test['accuracy']:.2%}"
                cells.append(text + (f" ({gap})" if gap.error else ""))
            counts = split["split"].value_counts()
            print(f"| {name} | {counts['train']:,} | {' | '.join(cells)} |", flush=True)
    table = pd.DataFrame(ratios, columns=[f"{alpha}, {size} px" for alpha, size in MODELS])
    print("mean ratio of log losses:", table.mean().round(3).to_dict())
    print("sets more than a standard error worse:", np.sum(worse, axis=0), "of", len(worse))


if __name__ == "__main__":
    main()
