"""Write the model card: use, data, results and limitations of the served model.

Reads labels.csv, metrics/, the histories, plots/likely_wrong_labels.csv, data/raw/archives/
and models/served/. Params: `fetch.source`, `weights.source`, `model`, `calibrate`, `evaluate`.
Writes docs/model_card.md. Run: `python -m stages.card`
"""

from pawprint.core import paths, tables
from pawprint.core.files import read_json, write_text
from pawprint.core.params import load_params
from pawprint.core.sources import without_secrets
from pawprint.core.tables import read_table
from pawprint.dataset.corrections import read_lines
from pawprint.reports.rendering import file_hashes, fill
from pawprint.reports.results import describe_calibration, describe_weights, result_rows


def main() -> None:
    params = load_params()
    split = read_json(paths.SPLIT_METRICS)
    calibrated = read_json(paths.CALIBRATE_METRICS)
    evaluated = read_json(paths.EVALUATE_METRICS)
    labels = sorted(key for key in split["train"] if key != "total")
    text = fill(
        paths.CARD_TEMPLATE,
        labels=labels,
        source=without_secrets(params.fetch.source),
        weights=describe_weights(params.weights.source),
        model=params.model,
        confidence=params.evaluate.confidence,
        epochs={
            "extract": len(read_table(paths.EXTRACT_HISTORY, tables.HISTORY)),
            "finetune": len(read_table(paths.FINETUNE_HISTORY, tables.HISTORY)),
        },
        calibration=describe_calibration(
            params.calibrate, calibrated["temperature"], evaluated["threshold"], labels[1]
        ),
        cleaned=read_json(paths.CLEAN_METRICS),
        split=split,
        evaluated=evaluated,
        results=result_rows(evaluated, ("validation", "test")),
        corrections=len(read_lines(paths.LABELS)),
        suspected=len(read_table(paths.LIKELY_WRONG_LABELS, tables.LIKELY_WRONG_LABELS)),
        hashes=file_hashes(paths.RAW_ARCHIVES, paths.SERVED_MODEL),
        card=paths.MODEL_CARD.as_posix(),
    )
    write_text(paths.MODEL_CARD, text)
    print(f"card: {paths.MODEL_CARD}")


if __name__ == "__main__":
    main()
