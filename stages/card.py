"""Write the model card: what the model is for, what it was made of, and how good it is.

Reads labels.csv, metrics/, the histories, plots/likely_wrong_labels.csv, data/raw/archives/
and models/served/. Params: `fetch.source`, `weights.source`, `model`, `evaluate`. Writes
docs/model_card.md. Run: `python -m stages.card`
"""

import hashlib
from pathlib import Path

from pawprint.core import paths
from pawprint.core.files import read_csv, read_json, replacing
from pawprint.core.params import load_params
from pawprint.dataset.corrections import read_lines
from pawprint.reports.rendering import RESULTS, fill


def md5(path: Path) -> str:
    """As in dvc.lock."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def main() -> None:
    params = load_params()
    files = (paths.RAW_IMAGES, paths.SERVED_MODEL / "model.bin")
    split = read_json(paths.SPLIT_METRICS)
    text = fill(
        paths.CARD_TEMPLATE,
        params={
            "fetch": {"source": params.fetch.source},
            "weights": {"source": params.weights.source},
            "model": params.model,
            "evaluate": params.evaluate,
        },
        labels=sorted(key for key in split["train"] if key != "total"),
        epochs={
            "extract": len(read_csv(paths.EXTRACT_HISTORY)),
            "finetune": len(read_csv(paths.FINETUNE_HISTORY)),
        },
        cleaned=read_json(paths.CLEAN_METRICS),
        split=split,
        calibrated=read_json(paths.CALIBRATE_METRICS),
        evaluated=read_json(paths.EVALUATE_METRICS),
        corrections=len(read_lines(paths.LABELS)),
        suspected=len(read_csv(paths.LIKELY_WRONG_LABELS)),
        rows=RESULTS,
        hashes={path.as_posix(): md5(path) for path in files},
        card=paths.MODEL_CARD.as_posix(),
    )
    with replacing(paths.MODEL_CARD) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    print(f"card: {paths.MODEL_CARD}")


if __name__ == "__main__":
    main()
