"""Write the model card: use, data, results and limitations of the served model.

Reads labels.csv, metrics/seeds.json, plots/scores.csv, the histories,
plots/likely_wrong_labels.csv, tables in data/clean/ and data/split/, data/raw/archives/ and
models/served/. Params: `fetch.source`, `weights.source`, `model`, `calibrate`, `evaluate`. Writes
docs/model_card.md.
Run: `python -m stages.card`
"""

from pawprint.core import paths, tables
from pawprint.core.counts import describe_imbalance, divided_groups
from pawprint.core.files import read_json, write_text
from pawprint.core.params import load_params
from pawprint.core.sources import without_secrets
from pawprint.core.tables import read_table
from pawprint.dataset.corrections import read_lines
from pawprint.reports.rendering import file_hashes, fill
from pawprint.reports.results import (
    class_rows,
    count_images,
    describe_calibration,
    describe_rejected,
    describe_weights,
    name_classes,
    result_rows,
)
from pawprint.reports.seeds import describe_seeds
from pawprint.serving.metadata import read_metadata

MAX_CLASSES = 10  # in a table


def main() -> None:
    params = load_params()
    metadata = read_metadata(paths.SERVED_MODEL)
    scores = read_table(paths.SCORES, tables.SCORES)
    of_seeds, seeds = describe_seeds(read_json(paths.SEEDS_METRICS), paths.SEED_OUTPUTS)
    images = read_table(paths.SPLIT_IMAGES, tables.SPLIT)
    near_duplicates = read_table(paths.NEAR_DUPLICATES, tables.NEAR_DUPLICATES)
    text = fill(
        paths.CARD_TEMPLATE,
        labels=metadata.labels,
        classes=name_classes(metadata.labels),
        source=without_secrets(params.fetch.source),
        weights=describe_weights(params.weights.source),
        model=params.model,
        views=metadata.views,
        confidence=params.evaluate.confidence,
        epochs={
            "extract": len(read_table(paths.EXTRACT_HISTORY, tables.HISTORY)),
            "finetune": len(read_table(paths.FINETUNE_HISTORY, tables.HISTORY)),
        },
        calibration=describe_calibration(
            params.calibrate, metadata.temperature, metadata.threshold, metadata.labels, scores
        ),
        threshold=metadata.threshold,
        unknown_threshold=metadata.unknown_threshold,
        unknown_quantile=params.calibrate.unknown_quantile,
        counts=count_images(images),
        imbalance=describe_imbalance(images),
        rejected=describe_rejected(read_table(paths.CLEAN_REJECTED, tables.REJECTED)),
        near_duplicates=near_duplicates,
        divided_groups=divided_groups(near_duplicates),
        results=[*of_seeds, *result_rows(scores, ("validation", "test"))],
        seeds=seeds,
        of_classes=class_rows(scores),
        max_classes=MAX_CLASSES,
        corrections=len(read_lines(paths.LABELS)),
        suspected=len(read_table(paths.LIKELY_WRONG_LABELS, tables.LIKELY_WRONG_LABELS)),
        hashes=file_hashes(paths.RAW_ARCHIVES, paths.SERVED_MODEL),
        card=paths.MODEL_CARD.as_posix(),
    )
    write_text(paths.MODEL_CARD, text)
    print(f"card: {paths.MODEL_CARD}")


if __name__ == "__main__":
    main()
