"""Filling in the templates of the model card and the report; the rows of their result tables."""

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def _ratio(name: str) -> Callable[[dict], str]:
    def show(measured: dict) -> str:
        ends = (measured[f"{name}_{end}"] for end in ("low", "high"))
        return f"{measured[name]:.4f} ({' to '.join(f'{value:.4f}' for value in ends)})"

    return show


def _accuracy(measured: dict) -> str:
    low, high = measured["accuracy_low"], measured["accuracy_high"]
    return (
        f"{measured['accuracy']:.2%} ({measured['correct']}/{measured['total']}), "
        f"{low:.2%} to {high:.2%}"
    )


# Title, and what a split's part of metrics/evaluate.json shows under it.
RESULTS: list[tuple[str, Callable[[dict], str]]] = [
    ("accuracy", _accuracy),
    (
        "accuracy at a threshold of 0.5",
        lambda measured: (
            f"{measured['at_half']['accuracy']:.2%} ({measured['at_half']['correct']})"
        ),
    ),
    ("area under the ROC curve", _ratio("roc_auc")),
    ("Brier score", lambda measured: f"{measured['brier_score']:.4f}"),
    (
        "expected calibration error",
        lambda measured: f"{measured['expected_calibration_error']:.4f}",
    ),
    (
        "... before calibration",
        lambda measured: f"{measured['uncalibrated']['expected_calibration_error']:.4f}",
    ),
]


def fill(template: Path, **values: object) -> str:
    """The text of a template with its values; values are escaped in one whose name ends in .html.

    A value that is missing raises jinja2.UndefinedError.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=template.suffix == ".html",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(values)
