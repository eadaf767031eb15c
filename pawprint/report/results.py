"""Hold the results of a run that the report shows, of classes or of several labels per photo."""

from typing import NamedTuple

import pandas as pd

from pawprint.base.classes import NEITHER
from pawprint.base.label_cells import labels_in, strata
from pawprint.report import pages
from pawprint.scores.label_rows import NOT, split_labels


class Results(NamedTuple):
    """What the templates show of a run: its params, metadata and tables, named as in the templates.

    `training` is the content of data/cross_validation.json. `predictions` are tables of
    `with_confidence` keyed by split.
    """

    params: dict
    metadata: dict
    training: dict
    scores: pd.DataFrame
    images: pd.DataFrame
    files: pd.DataFrame
    unknown: pd.DataFrame
    rejected: pd.DataFrame
    near_duplicates: pd.DataFrame
    to_review: pd.DataFrame
    judged: pd.DataFrame
    extract: pd.DataFrame
    finetune: pd.DataFrame
    curve: pd.DataFrame
    decided: pd.DataFrame
    predictions: dict[str, pd.DataFrame]

    @property
    def sentence(self) -> str:
        """A sentence about the test photos."""
        return pages.describe_result(self.scores)

    @property
    def names(self) -> list[str]:
        """The names in the columns `actual` and `predicted` of `errors_in`, in order."""
        return self.metadata["labels"]

    @property
    def counted(self) -> pd.Series:
        """Each label of each image, whose index it has."""
        return self.images["label"]

    @property
    def strata(self) -> pd.Series:
        """The class that sorts each image."""
        return self.images["label"]

    @property
    def question(self) -> str:
        """A question about `likely` in `to_review`."""
        return "perhaps {}"

    def errors_in(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Return rows that include all errors in predictions, each with what is confused."""
        return predictions

    def matrix(self, ids: list[str]) -> list[list]:
        """Return the confusion matrix of test images, with links to the photos with these ids."""
        return pages.link_matrix(self.predictions["test"], self.names, ids)


class LabelResults(Results):
    """What the templates show of a run whose photos can show several labels."""

    @property
    def sentence(self) -> str:
        """A sentence about the test photos."""
        return pages.describe_exact(self.scores, self.predictions["test"]["actual"])

    @property
    def names(self) -> list[str]:
        """The names in the columns `actual` and `predicted` of `errors_in`, in order."""
        labels = self.metadata["labels"]
        return [*labels, *(f"{NOT}{label}" for label in labels)]

    @property
    def counted(self) -> pd.Series:
        """Each label of each image, whose index it has."""
        return self.images["label"].map(labels_in).explode().fillna(NEITHER)

    @property
    def strata(self) -> pd.Series:
        """The label that sorts each image."""
        return strata(self.images["label"])

    @property
    def question(self) -> str:
        """A question about `likely` in `to_review`."""
        return "{}?"

    def errors_in(self, predictions: pd.DataFrame) -> pd.DataFrame:
        """Return a row for each label that is missed or named wrongly."""
        return split_labels(predictions).query("is_of != is_named")

    def matrix(self, ids: list[str]) -> list[list]:
        """Return [], because labels are not confused with one another."""
        return []
