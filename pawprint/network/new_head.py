"""Feature extraction: a new head on stored features, solved or, if that cannot be, trained."""

from pathlib import Path
from typing import NamedTuple

from pawprint.features.store import StoredExamples
from pawprint.network.head_weights import NewHead, kinds_of
from pawprint.network.solved_head import CrossValidation, Examples, part_that_fits, solve
from pawprint.params.training import IN_BATCHES, LBFGS, Hardware, Head, TrainHead


class Settings(NamedTuple):
    """How to train; the table HISTORY is written to `path` after each epoch."""

    train: TrainHead
    head: Head
    hardware: Hardware
    path: Path


def open_examples(store: StoredExamples, features: str, class_weight: str | None) -> Examples:
    """The training images; with `features` auto those of blocks, if stored, are open to choice."""
    images = store.images[store.images["split"] == "train"]
    has_blocks, is_open = features == "blocks", features == "auto" and store.has("blocks")
    return Examples(
        store.open("train", *kinds_of(has_blocks)),
        store.classes("train"),
        images["group"].to_numpy(),
        len(store.labels),
        class_weight,
        store.open("train", *kinds_of(True)) if is_open else None,
        has_blocks,
    )


def learn_head(
    store: StoredExamples, examples: Examples, cross_validation: CrossValidation, settings: Settings
) -> NewHead:
    """A head on the features that the cross-validation chose.

    With LBFGS it is solved. What that cannot hold is learned in batches, as IN_BATCHES says.
    """
    params, has_blocks = settings.train, examples.takes_blocks(cross_validation)
    if params.optimizer == LBFGS:
        part = part_that_fits(examples, cross_validation)
        if part is not None:
            features = store.open("validation", *kinds_of(has_blocks))
            validation = features, store.classes("validation")
            return solve(examples, validation, store.labels, cross_validation, part)
        print(
            f"train_extract: lbfgs cannot hold {len(examples.actual):,} images with "
            f"{examples.classes:,} classes, so adam learns in batches"
        )
        params = IN_BATCHES.model_copy(update={"class_weight": params.class_weight})
    from pawprint.network.training import Phase, train_stored_head  # TensorFlow starts here

    phase = Phase("train_extract", params, path=settings.path)
    return train_stored_head(store, has_blocks, settings.head, phase, settings.hardware)
