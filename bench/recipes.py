"""Compare recipes on the same images with a small network: `python -m bench.recipes [NAME …]`.

Prints a Markdown row for each recipe (default: all), with the mean and range over three seeds, and
the median of their seconds. All recipes use the images of `cats-and-dogs`, and MobileNetV2 of
width 0.35 at 224 px instead of their own network. They are written as with `use --data`, so the
rows differ in augmentation, head, schedule and fractions. All of them take about 40 minutes on two
cores.
"""

import argparse
from statistics import mean, median

from bench.compare import run_pipeline, with_seed
from examples.demo import PROJECT
from pawprint.commands.params_file import recipe_names, recipe_values, set_values
from pawprint.pipeline.params.model import load_params

SEEDS = 3
COLUMNS = {
    "validation, feature extraction": "accuracy of train_extract",
    "validation, end": "accuracy of total",
    "test": "accuracy on test",
}


def run_recipe(name: str) -> str:
    """Run a recipe to the end with each seed and return its row of the table."""
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    source = load_params(PROJECT / "params.yaml").fetch.source
    same_for_all = {"fetch.source": source, "model.alpha": 0.35, "model.image_size": 224}
    params = set_values(params, recipe_values(name) | same_for_all)
    runs = [run_pipeline(with_seed(params, seed)) for seed in range(1, SEEDS + 1)]
    columns = ([run[key] for run in runs] for key in COLUMNS.values())
    cells = [f"{mean(values):.2%} ({min(values):.2%} to {max(values):.2%})" for values in columns]
    return f"| `{name}` | {' | '.join(cells)} | {median(run['total'] for run in runs):.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # These recipes use their own images or backbone.
    others = ("efficientnet-lite0", "sample", "three-classes")
    names = [name for name in recipe_names() if name not in others]
    parser.add_argument("recipes", metavar="NAME", nargs="*", default=names)
    print(f"| recipe | {' | '.join(COLUMNS)} | seconds |\n|---|---|---|---|---|")
    for name in parser.parse_args().recipes:
        print(run_recipe(name), flush=True)


if __name__ == "__main__":
    main()
