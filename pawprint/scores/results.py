"""Hold the results of a run that the report shows, of classes or of several labels per photo."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from pawprint.base.columns import TRAIN
from pawprint.base.labels import NOT, LabelKind
from pawprint.scores.label_rows import split_labels
from pawprint.scores.prediction_table import every_prediction
from pawprint.scores.slices import Slice


class Results(NamedTuple):
    """What the limits and the templates show of a run: its params, metadata and tables.

    `choices` is the content of data/cross_validation.json. `images` has the columns SPLIT, with
    the groups of `with_groups`, and IMAGES. `predictions` are keyed by split, as in
    `every_prediction`, `unusual` is from `find_unusual`, and `slices` are from `score_slices`.
    `question` asks about classes whose names seem to mean the same, or is "".
    """

    params: dict
    metadata: dict
    label_kind: LabelKind
    choices: dict
    scores: pd.DataFrame
    images: pd.DataFrame
    unknown: pd.DataFrame
    rejected: pd.DataFrame
    unusual: pd.DataFrame
    near_duplicates: pd.DataFrame
    to_review: pd.DataFrame
    extract: pd.DataFrame
    finetune: pd.DataFrame
    curve: pd.DataFrame
    decided: pd.DataFrame
    reliability: pd.DataFrame
    predictions: dict[str, pd.DataFrame]
    question: str
    slices: Sequence[Slice] = ()
    values: pd.DataFrame = pd.DataFrame()  # METADATA with cameras, of which slices are parts

    @property
    def exclusive(self) -> bool:
        """Whether each photo shows one of the labels, which are then called classes."""
        return self.label_kind.exclusive

    @property
    def in_epochs(self) -> bool:
        """Whether the model was trained in epochs.

        Predictions of training images, the learning curve and `choices` are then of a logistic
        regression on frozen features.
        """
        return bool(self.finetune["kept"].any() or self.extract["epoch"].any())

    @property
    def held_out(self) -> pd.DataFrame:
        """The result of `every_prediction` of this model, with the column `group`."""
        of_model = self.predictions
        if self.in_epochs:
            of_model = {name: table for name, table in of_model.items() if name != TRAIN}
        every = every_prediction(of_model, self.metadata["thresholds"])
        groups = every["path"].map(self.images.set_index("path")["group"])
        return every.assign(group=groups.fillna(every["path"]))

    @property
    def names(self) -> list[str]:
        """The names in the columns `actual` and `predicted` of `errors_in`, in order."""
        labels = self.metadata["labels"]
        return labels if self.exclusive else [*labels, *(f"{NOT}{label}" for label in labels)]

    def errors_in(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Return rows that include all errors in predictions, each with what is confused.

        If photos can show several labels, there is a row for each that is missed or named wrongly.
        """
        if self.exclusive:
            return predictions
        return split_labels(predictions).query("actual != predicted")
