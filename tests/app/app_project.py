"""A small repository with results, for tests of the app that need no run and no browser."""

from pathlib import Path

import pandas as pd
from conftest import PROJECT, photo, run

from pawprint.core import paths
from pawprint.core.files import pack, write_json
from pawprint.core.tables import SCORES, write_predictions, write_table
from pawprint.serving.metadata import Metadata
from recipes.overlay import overlay

# No line break and no control character of a subject may end its record.
SUBJECT = "Two\u2028lines\u0085and a\x0cpage"
OLD_HISTORY = "epoch,accuracy,loss,validation_accuracy,validation_loss\n1,0.5,0.7,0.75,0.6\n"
PHOTOS = [
    ("cats/1.jpg", "cat", "cat", 0.9, 0.1),
    ("cats/2.jpg", "cat", "dog", 0.4, 0.6),
    ("dogs/1.jpg", "dog", "dog", 0.3, 0.7),
    ("dogs/2.jpg", "dog", "cat", 0.8, 0.2),
]
COLUMNS = ["path", "actual", "predicted", "probability_cat", "probability_dog"]


def git(*arguments: str, cwd: Path) -> str:
    result = run("git", *arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def commit(project: Path, subject: str) -> str:
    """Commit all files. Returns the hash."""
    git("add", "--all", cwd=project)
    git("commit", "--quiet", "--message", subject, cwd=project)
    return git("rev-parse", "HEAD", cwd=project)


def write_project(project: Path) -> Path:
    """A repository with an early revision, and the one tagged `v2`.

    The early one has other metrics, one column of probabilities, no learning rates and other
    params. Both splits have the same images. Data and models are missing.
    """
    project.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=project)
    git("config", "user.name", "Tester", cwd=project)
    git("config", "user.email", "tester@example.org", cwd=project)
    for path in (paths.EXTRACT_HISTORY, paths.FINETUNE_HISTORY):
        (project / path).parent.mkdir(exist_ok=True)
        (project / path).write_text(OLD_HISTORY, encoding="utf-8")
    predictions = pd.DataFrame(PHOTOS, columns=COLUMNS)
    right = predictions.assign(predicted=predictions["actual"])
    right = right[COLUMNS[:3]].assign(probability=predictions["probability_dog"])
    splits = {"test": paths.PREDICTIONS, "validation": paths.VALIDATION_PREDICTIONS}
    for path in splits.values():
        write_predictions(project / path, right)
    metrics = {name: {"accuracy": 1.0, "correct": 4, "total": 4} for name in splits}
    write_json(project / paths.EVALUATE_METRICS, metrics)
    params = project / "params.yaml"
    params.write_text("train: {rate: 1e-6, resume: no}\n", encoding="utf-8")
    commit(project, "Early")
    for path in splits.values():
        write_predictions(project / path, predictions)
    measured = {"accuracy": 0.5, "balanced_accuracy": 0.5, "loss": 0.7}
    write_json(project / paths.EVALUATE_METRICS, dict.fromkeys(splits, measured))
    accuracy = [(split, "", "accuracy", 0.5, 0.4, 0.6, 4) for split in splits]
    write_table(project / paths.SCORES, pd.DataFrame(accuracy, columns=list(SCORES)), SCORES)
    current = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    params.write_text(overlay(current, "evaluate: {confidence: 0.9}"), encoding="utf-8")
    commit(project, SUBJECT)
    git("tag", "v2", cwd=project)
    return project


def write_photos(project: Path) -> None:
    """The archive with the photos of the predictions, and the metadata of the served model."""
    archive = project / paths.RAW_IMAGES
    archive.parent.mkdir(parents=True)
    pack(archive, ((row[0], photo(number)) for number, row in enumerate(PHOTOS)))
    metadata = Metadata(
        labels=["cat", "dog"], image_size=96, resize="crop", temperature=1.0, threshold=0.5
    )
    write_json(project / paths.SERVED_MODEL / "model.json", metadata.model_dump())
