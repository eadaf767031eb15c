"""Convert params from versions before 0.5 to the current form, in which `epochs` is a mapping."""

from collections.abc import Mapping

from pawprint.params.earlier import PHASES
from pawprint.params.file import flat, set_values, without_param
from pawprint.params.model import LBFGS, EarlyStopping, Epochs, ReduceLROnPlateau
from pawprint.params.section import Section
from pawprint.paths import PARAMS

# Keys of a phase that have moved to `epochs`.
MOVED = (
    "optimizer",
    "learning_rate",
    "learning_rate_decay",
    "batch_size",
    "views_per_epoch",
    "keep_best",
    "early_stopping",
    "reduce_lr_on_plateau",
    "seed",
)
DEFAULTS = Epochs.model_fields
# New projects omit these params, which have their default values.
UNWRITTEN = ("optimizer", "views_per_epoch", "keep_best")
CALLBACKS: dict[str, type[Section]] = {
    "early_stopping": EarlyStopping,
    "reduce_lr_on_plateau": ReduceLROnPlateau,
}
ERASING = "augment.RandomErasing"


def renew_epochs(params: str) -> tuple[str, list[str]]:
    """Convert params of earlier versions in the text of `params.yaml` to the current form.

    The returned lines list params that have moved and Keras arguments that no longer exist.
    """
    notes = []
    values = flat(params)
    for phase in PHASES:
        if f"{phase}.optimizer" not in values:
            continue
        epochs, dropped = epochs_of(values, phase)
        for key in MOVED:
            if f"{phase}.{key}" in values:
                params = without_param(params, f"{phase}.{key}", is_kept=False)
        params = set_values(params, {f"{phase}.epochs": epochs})
        has = "a mapping, with your values"
        if epochs is None:
            fits = "fits the head" if phase == "train_extract" else "trains nothing"
            has = f"null, which {fits}"
        notes.append(f"{PARAMS}: {phase}.epochs: is now {has}")
        notes += [f"{PARAMS}: {phase}.{name}: no longer exists, and is removed" for name in dropped]
    erasing = values.get(ERASING)
    if isinstance(erasing, dict) and erasing.keys() - {"factor"}:
        kept = {key: value for key, value in erasing.items() if key == "factor"}
        params = set_values(params, {ERASING: kept})
        dropped = sorted(erasing.keys() - {"factor"})
        notes += [f"{PARAMS}: {ERASING}.{key}: no longer exists, and is removed" for key in dropped]
    return params, notes


def epochs_of(values: Mapping[str, object], phase: str) -> tuple[dict | None, list[str]]:
    """Return the mapping `epochs` of a phase, and missing names, from earlier params keyed by name.

    There is no mapping for a fitted head or for 0 epochs.
    """
    number = values.get(f"{phase}.epochs")
    if values.get(f"{phase}.optimizer") == LBFGS or not number:
        return None, []
    epochs: dict = {"number": number}
    dropped: list[str] = []
    for key in MOVED:
        value = values.get(f"{phase}.{key}")
        if key in CALLBACKS and isinstance(value, dict):
            known = CALLBACKS[key].model_fields
            if key == "early_stopping":  # it replaced keep_best
                epochs["keep_best"] = bool(value.get("restore_best_weights"))
            gone = [name for name in value if name not in (*known, "restore_best_weights")]
            dropped += [f"{key}.{name}" for name in gone]
            value = {name: value[name] for name in value if name in known}
        if value is not None and not (key in UNWRITTEN and value == DEFAULTS[key].default):
            epochs[key] = value
    return epochs, dropped


def with_epochs(values: Mapping[str, object]) -> dict[str, object]:
    """Convert params by name, such as the defaults of an earlier version, to the current form."""
    moved = {f"{phase}.{key}" for phase in PHASES for key in MOVED}
    today = {name: value for name, value in values.items() if name not in moved}
    for phase in PHASES:
        if f"{phase}.optimizer" in values:
            today[f"{phase}.epochs"], _ = epochs_of(values, phase)
    return today
