"""The whole of `params.yaml`."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from pawprint.files import read_yaml
from pawprint.params.data import Augment, Clean, Fetch, Split
from pawprint.params.model import Model, Weights, problem_of_weights
from pawprint.params.results import Calibrate, Evaluate, Plot, Preview, problem_of_threshold
from pawprint.params.section import Section, check_content
from pawprint.params.training import Hardware, Head, Train, TrainHead, problem_of_head
from pawprint.project import PARAMS


class Params(Section):
    """The whole file; one attribute per section."""

    fetch: Fetch
    weights: Weights
    clean: Clean
    split: Split
    model: Model
    augment: Augment
    preview: Preview
    head: Head
    hardware: Hardware
    train_extract: TrainHead
    train_finetune: Train
    calibrate: Calibrate
    evaluate: Evaluate
    plot: Plot

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        problem = None
        if isinstance(self.clean.labels, dict):  # or else they are known after `clean`
            problem = problem_of_threshold(self.calibrate, sorted(self.clean.labels))
        problem = problem or problem_of_head(self.train_extract.optimizer, self.head.dense)
        problem = problem or problem_of_weights(self.model.backbone, self.weights.source)
        if problem:
            raise ValueError(problem)
        return self


def load_params(path: Path = PARAMS) -> Params:
    """Read and check all sections. Raises InputError with one line for each wrong key."""
    return check_content(Params, read_yaml(path), path, [])
