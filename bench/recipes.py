"""Every recipe on the same images with the same small network: `python -m bench.recipes`.

Prints a row of Markdown per recipe. Images are those of the default recipe and the network is
MobileNetV2 of width 0.35 at 224 px, in place of the recipe's own: what differs between rows is
augmentation, head and schedule. About ten minutes on two cores.
"""

import tempfile
import time
from pathlib import Path

from pawprint.core import paths
from pawprint.core.files import read_json
from pawprint.core.params import load_params
from pawprint.core.tables import SPLIT, read_table
from recipes.overlay import apply, names, overlay
from recipes.sample.demo import PROJECT, prepare, run_dvc

SAME_FOR_ALL = """
fetch: {{source: "{source}", watch: "{watch}", sha256: null}}
model: {{alpha: 0.35, image_size: 224}}
"""


def run_recipe(name: str, workspace: Path) -> str:
    """Run a recipe to the end and return its row of the table."""
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    fetch = load_params(PROJECT / "params.yaml").fetch
    prepare(workspace, overlay(apply(params, name), SAME_FOR_ALL.format(**fetch.model_dump())))
    start = time.perf_counter()
    run_dvc(workspace, "repro", "--quiet")
    seconds = time.perf_counter() - start
    extract = read_json(workspace / paths.EXTRACT_METRICS)
    evaluate = read_json(workspace / paths.EVALUATE_METRICS)
    images = read_table(workspace / paths.SPLIT_IMAGES, SPLIT)["split"].value_counts()
    measured = (
        ("validation", extract["validation_accuracy"]),
        ("validation", evaluate["validation"]["accuracy"]),
        ("test", evaluate["test"]["accuracy"]),
    )
    cells = [
        f"{accuracy:.2%} ({round(accuracy * images[split])}/{images[split]})"
        for split, accuracy in measured
    ]
    return f"| `{name}` | {' | '.join(cells)} | {seconds:.0f} |"


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
