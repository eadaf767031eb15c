"""Hold the results of a run that the report shows, of classes or of several labels per photo."""

from typing import NamedTuple

import pandas as pd

from pawprint.base.labels import LabelKind
from pawprint.report import pages
from pawprint.scores.label_rows import NOT, split_labels


class Results(NamedTuple):
    """What the templates show of a run: its params, metadata and tables, named as in the templates.

    `choices` is the content of data/cross_validation.json, and `unusual` is from `find_unusual`.
    `predictions` are tables of `with_confidence` keyed by split.
    """

    params: dict
    metadata: dict
    label_kind: LabelKind
    choices: dict
    scores: pd.DataFrame
    images: pd.DataFrame
    files: pd.DataFrame
    unknown: pd.DataFrame
    rejected: pd.DataFrame
    unusual: pd.DataFrame
    near_duplicates: pd.DataFrame
    to_review: pd.DataFrame
    judged: pd.DataFrame
    extract: pd.DataFrame
    finetune: pd.DataFrame
    curve: pd.DataFrame
    decided: pd.DataFrame
    predictions: dict[str, pd.DataFrame]

    @property
    def exclusive(self) -> bool:
        """Whether each photo shows one of the labels, which are then called classes."""
        return self.label_kind.exclusive

    @property
    def sentence(self) -> str:
        """A sentence about the test photos."""
        if self.exclusive:
            return pages.describe_result(self.scores)
        return pages.describe_exact(self.scores, self.predictions["test"]["actual"])

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
