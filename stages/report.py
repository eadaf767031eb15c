"""Write one page with everything about a run, which opens from disk without a network.

Reads what the other stages recorded, dvc.yaml and all params. Writes plots/report.html, which
shows photos. Run: `python -m stages.report`
"""

import base64
import io
from pathlib import Path

from PIL import Image
from ruamel.yaml import YAML

from pawprint.core import paths
from pawprint.core.files import read_csv, read_json, replacing
from pawprint.core.params import Params, load_params
from pawprint.reports.rendering import RESULTS, fill

REJECTED_SHOWN = 50
WEBP_QUALITY = 85
# Of the graph, in pixels.
NODE_WIDTH, NODE_HEIGHT, COLUMN, ROW = 96, 34, 118, 60


def draw_graph(stages: dict) -> dict:
    """Boxes and curves for the stages of dvc.yaml, each in the column after all that it needs.

    A curve that others already imply, from stage to stage, is left out.
    """
    maker = {
        next(iter(out)) if isinstance(out, dict) else out: name
        for name, stage in stages.items()
        for kind in ("outs", "metrics", "plots")
        for out in stage.get(kind, [])
    }
    needs = {
        name: sorted({maker[dep] for dep in stage["deps"] if dep in maker})
        for name, stage in stages.items()
    }

    def depth(name: str) -> int:
        return max((depth(needed) + 1 for needed in needs[name]), default=0)

    def before(name: str) -> set[str]:
        return set(needs[name]).union(*map(before, needs[name]))

    place: dict[str, tuple[int, int]] = {}
    rows: dict[int, int] = {}
    # Within a column those first that most others wait for.
    waiting = {name: sum(name in before(other) for other in stages) for name in stages}
    for name in sorted(stages, key=waiting.get, reverse=True):
        column = depth(name)
        row = rows[column] = rows.get(column, -1) + 1
        place[name] = column * COLUMN + 2, row * ROW + 2
    height = (max(rows.values()) + 1) * ROW
    edges = []
    for name, needed in needs.items():
        right, end = place[name][0], place[name][1] + NODE_HEIGHT / 2
        implied = set().union(*map(before, needed))
        for each in (each for each in needed if each not in implied):
            left, start = place[each][0] + NODE_WIDTH, place[each][1] + NODE_HEIGHT / 2
            middle, high, low = (left + right) / 2, start, end
            if right - left > COLUMN:  # around what stands between
                high = low = height
            edges.append(f"M{left} {start} C{middle} {high} {middle} {low} {right} {end}")
    return {
        "nodes": [
            {"name": name, "description": stages[name]["desc"], "x": x, "y": y}
            for name, (x, y) in place.items()
        ],
        "edges": edges,
        "node_width": NODE_WIDTH,
        "node_height": NODE_HEIGHT,
        "width": max(rows) * COLUMN + NODE_WIDTH + 4,
        "height": height,
    }


def embed(alt: str, picture: Path) -> dict:
    """A picture as the page holds it: WebP, a tenth of the bytes of a PNG with photos."""
    data = io.BytesIO()
    Image.open(picture).save(data, "WEBP", quality=WEBP_QUALITY)
    return {"alt": alt, "data": base64.b64encode(data.getvalue()).decode()}


def as_yaml(params: Params) -> str:
    text = io.StringIO()
    YAML().dump(params.model_dump(), text)
    return text.getvalue()


def main() -> None:
    params = load_params()
    split = read_json(paths.SPLIT_METRICS)
    sections = {
        "Training": [embed("Accuracy and loss over the epochs", paths.CURVES_PLOT)],
        "Confusion and ROC": [
            embed("Confusion matrix of the test split", paths.CONFUSION_PLOT),
            embed("ROC curve of the test split", paths.ROC_PLOT),
        ],
        "Calibration": [embed("Share of the second class by probability", paths.RELIABILITY_PLOT)],
        "Mistakes": [embed("Surest mistakes, least certain images", paths.ERRORS_PLOT)],
        "Likely wrong labels": [
            embed("Images whose labels are likely wrong", paths.LIKELY_WRONG_LABELS_PLOT)
        ],
        "Look-alikes": [embed("Images that look like another one", paths.NEAR_DUPLICATES_PLOT)],
        "Samples": [
            embed("Training images", paths.SAMPLES_PLOT),
            embed("An image and its augmented views", paths.AUGMENTED_PLOT),
            embed("Test images with their predictions", paths.PREDICTIONS_PLOT),
        ],
    }
    text = fill(
        paths.REPORT_TEMPLATE,
        labels=sorted(key for key in split["train"] if key != "total"),
        confidence=params.evaluate.confidence,
        evaluated=read_json(paths.EVALUATE_METRICS),
        calibrated=read_json(paths.CALIBRATE_METRICS),
        cleaned=read_json(paths.CLEAN_METRICS),
        split=split,
        rejected=read_csv(paths.CLEAN_REJECTED),
        shown=REJECTED_SHOWN,
        rows=RESULTS,
        sections=[{"title": title, "pictures": shown} for title, shown in sections.items()],
        graph=draw_graph(YAML(typ="safe").load(paths.PIPELINE)["stages"]),
        params=as_yaml(params),
    )
    with replacing(paths.REPORT) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    print(f"report: {paths.REPORT}")


if __name__ == "__main__":
    main()
