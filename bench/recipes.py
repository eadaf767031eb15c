"""Every recipe on the same images with the same small network: `python -m bench.recipes`.

Prints a row of Markdown per recipe: mean and range of three seeds, and the seconds of the first,
which computes the features. Images are those of the default recipe and the network is
MobileNetV2 of width 0.35 at 224 px, in place of the recipe's own: what differs between rows is
augmentation, head and schedule. About half an hour on two cores.
"""

import tempfile
import time
from pathlib import Path
from statistics import mean

from bench.compare import with_seed
from pawprint.core import model_paths, result_paths
from pawprint.core.files import read_json
from pawprint.core.params.whole import load_params
from recipes.overlay import apply, names, overlay
from recipes.sample.demo import PROJECT, prepare, run_dvc

SAME_FOR_ALL = """
fetch: {{source: "{source}"}}
model: {{alpha: 0.35, image_size: 224}}
"""
SEEDS = 3


def run_recipe(name: str, workspace: Path) -> str:
    """Run a recipe to the end with each seed and return its row of the table."""
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    fetch = load_params(PROJECT / "params.yaml").fetch
    params = overlay(apply(params, name), SAME_FOR_ALL.format(**fetch.model_dump()))
    runs = []
    for seed in range(1, SEEDS + 1):
        prepare(workspace, with_seed(params, seed))
        start = time.perf_counter()
        run_dvc(workspace, "repro", "--quiet")
        seconds = time.perf_counter() - start
        extract = read_json(workspace / model_paths.EXTRACT_METRICS)
        evaluate = read_json(workspace / result_paths.EVALUATE_METRICS)
        accuracies = (
            extract["validation_accuracy"],
            evaluate["validation"]["accuracy"],
            evaluate["test"]["accuracy"],
        )
        runs.append((seconds, *accuracies))
    seconds, *measured = zip(*runs)
    cells = [f"{mean(each):.2%} ({min(each):.2%} to {max(each):.2%})" for each in measured]
    return f"| `{name}` | {' | '.join(cells)} | {seconds[0]:.0f} |"


def main() -> None:
    rows = [
        "| recipe | validation, feature extraction | validation, end | test | seconds |",
        "|---|---|---|---|---|",
    ]
    for name in names():
        if name not in ("sample", "three-classes"):  # with a base and images of their own
            with tempfile.TemporaryDirectory() as workspace:
                rows.append(run_recipe(name, Path(workspace)))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
