"""Use a project from Python, for example in a notebook.

Tables and the model are read in this process. Changes and computations run in a separate process,
because the training modules hide GPUs from the process that imports them and set its threads.
"""

import html
import json
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # without ipywidgets, a progress bar in a notebook is text
    from tqdm.auto import tqdm

from pawprint import paths
from pawprint.columns import LABELS_TO_REVIEW, SCORES
from pawprint.errors import InputError, one_of
from pawprint.files import read_text
from pawprint.model.predictor import Predictor, load_predictor
from pawprint.package import python_in
from pawprint.params.file import set_params
from pawprint.pipeline import runs
from pawprint.pipeline.dvc import WORKSPACE
from pawprint.projects.comparison import compare_revisions
from pawprint.projects.discard import has_run
from pawprint.projects.labelling import correct_labels
from pawprint.reports.pages import describe_result
from pawprint.scores.prediction_table import read_probabilities
from pawprint.scores.verdict import tabulate_sets
from pawprint.tables import read_table

SECONDS = 0.5  # seconds between two checks of a run
MEASURED = ("accuracy", "log_loss", "difference", "low", "high", "cpu_ms", "seconds")
REPORT_HEIGHT = 700  # pixels
DONE = 100  # percent
BAR_FORMAT = "{desc} {percentage:3.0f}% {bar} {elapsed}{postfix}"


# Formats of FORMATS in `model/exports.py`, which imports Keras.
Form = Literal["keras", "litert", "onnx", "page", "saved_model"]
FORMS = get_args(Form)


class Comparison(NamedTuple):
    """The workspace, or another run, compared with an older run.

    `verdict` is "better", "worse", "equal", "identical", or states that no difference is shown.
    `sentences` begin with the verdict, followed by changes that affect users of the model. `table`
    has a row for each set of images. `notes` list images that are not compared and data that are
    missing.
    """

    verdict: str
    sentences: list[str]
    table: pd.DataFrame
    notes: list[str]

    def __repr__(self) -> str:
        table = self.table.to_string(index=False)
        return "\n".join([*self.sentences, "", table, *self.notes])

    def _repr_html_(self) -> str:
        first, *others = map(html.escape, self.sentences)
        lines = [f"<b>{first}</b>", *others]
        notes = "<br>".join(map(html.escape, self.notes))
        return f"<p>{'<br>'.join(lines)}</p>{self.table.to_html(index=False)}<p>{notes}</p>"


class Result(NamedTuple):
    """The result of `Project.run`.

    `text` states how many test images are correct, compared with always predicting one class. `ran`
    lists the stages that ran, in order. `verdict` is a sentence that compares the run with the last
    commit, or explains why this is impossible. It is "" if the last commit has no run. `comparison`
    contains the table, if there is one.
    """

    text: str
    ran: list[str]
    verdict: str = ""
    comparison: Comparison | None = None

    def __repr__(self) -> str:
        lines = [self.text, f"Stages that ran: {', '.join(self.ran) or 'none'}."]
        lines += [f"Since the last commit: {self.verdict}"] if self.verdict else []
        return "\n".join(lines)


class Report(NamedTuple):
    """The HTML report at `path`, which a notebook shows in its output."""

    path: Path

    def _repr_html_(self) -> str:
        # Without this base, a link within the page would open the notebook inside the frame.
        text = read_text(self.path).replace("<head>", '<head><base href="about:srcdoc">', 1)
        page = html.escape(text)
        style = f"width: 100%; height: {REPORT_HEIGHT}px; border: 1px solid #ccc"
        return f'<div><iframe title="Report" style="{style}" srcdoc="{page}"></iframe></div>'


class Project:
    """A project in a folder, as created by `pawprint init`.

    Results come from the last run; if there is none, methods raise InputError. The names of images
    are paths relative to the project's photos.

    >>> project = pawprint.Project("food")
    """

    def __init__(self, folder: str | os.PathLike = ".") -> None:
        """Open the project in a folder. Raises InputError if there is none."""
        self.folder = Path(folder).absolute()
        if not (self.folder / paths.PARAMS).is_file():
            raise InputError(
                f"cannot open {self.folder} as a project: it has no {paths.PARAMS}. Create a "
                "project with pawprint.init."
            )

    def __repr__(self) -> str:
        return f"pawprint.Project({str(self.folder)!r})"

    def candidates(self, *, minutes: float = 5) -> pd.DataFrame:
        """Rank networks and image sizes on the training images, as `pawprint try` does.

        No candidate starts after this many `minutes`. The table has a row for each candidate, and
        the first row is for the current params. The columns are `accuracy`; `log_loss`;
        `difference`, the log loss minus the first row's, with its interval `low` to `high`;
        `verdict`; `cpu_ms`, the CPU time for one image; `seconds`, the time for the features in the
        next run; `chosen`, True for the candidate to use; `params`, for `set`; and `error`, the
        reason if a candidate has no scores.

        >>> candidates = project.candidates(minutes=0.1)
        >>> project.set(candidates.loc["fast", "params"])[0]
        'model.backbone: EfficientNetLite0 → MobileNetV2'
        """
        run = _follow(self.folder, "pawprint", "try", "--format", "json", "--minutes", str(minutes))
        rows = json.loads(next(line for line in reversed(run.lines) if line.startswith("[")))
        return pd.DataFrame(rows).set_index("candidate").astype(dict.fromkeys(MEASURED, "float64"))

    def set(self, values: Mapping[str, object]) -> list[str]:
        """Write values to params.yaml, by names such as `model.image_size`, and keep its comments.

        A key inside a param has a name such as `augment.RandomZoom.height_factor`. Returns a line
        for each param that has changed. Raises InputError, and writes nothing, if a name or a value
        is wrong.

        >>> project.set({"model.image_size": 160, "augment.RandomFlip.mode": "horizontal"})
        ['model.image_size: 224 → 160']
        """
        plain = {
            str(name): value.item() if isinstance(value, np.generic) else value
            for name, value in values.items()
        }
        return set_params(self.folder, plain)

    def run(self) -> Result:
        """Train and evaluate with `dvc repro`, which only runs the stages affected by a change.

        Shows a progress bar for each stage that runs. Interrupting the kernel stops the run, like
        Ctrl-C in a terminal, and the next run continues from there. If the kernel ends, the run
        continues. If a stage fails, raises InputError with that stage's message. Also raises
        InputError during another run.

        >>> result = project.run()
        >>> "train_extract" in result.ran
        True
        """
        run = _follow(self.folder, "dvc", "repro")
        ran = [name for name, outcome, _ in run.steps if not outcome]
        result = Result(describe_result(self.scores()), ran)
        if not has_run(self.folder):
            return result
        try:
            comparison = self.compare("HEAD")
        except InputError as error:  # for example, if no test image is common
            return result._replace(verdict=str(error))
        return result._replace(verdict=comparison.sentences[0], comparison=comparison)

    def scores(self) -> pd.DataFrame:
        """Return all scores of validation and test images.

        A row contains a `score` for a `split` and for the class `label`, or for all classes if that
        is ""; its `value`; the ends of its interval, `low` and `high`, which may be missing; and
        the number of `images`.

        >>> scores = project.scores()
        >>> scores[(scores.split == "test") & (scores.score == "accuracy")].value.item() > 0.5
        True
        """
        return read_table(self.folder / paths.SCORES_CSV, SCORES)

    def predictions(self, split: Literal["test", "validation"] = "test") -> pd.DataFrame:
        """Return the prediction of each test or validation image.

        The columns are `path`, `actual` (the label), `predicted`, `pixels_sha256`, the probability
        of each class (such as `probability_cat`) and, if the model can flag unknown images,
        `unknown_score`.

        >>> table = project.predictions("test")
        >>> errors = table[table.actual != table.predicted]
        """
        if split not in paths.PROBABILITIES_CSV:
            names = " or ".join(paths.PROBABILITIES_CSV)
            raise InputError(f"predictions: expected {names}. Received: {split}.")
        return read_probabilities(self.folder / paths.PROBABILITIES_CSV[split])

    def labels_to_review(self) -> pd.DataFrame:
        """Return the images whose labels may be wrong, most suspect first.

        A row contains the `path`, the `label`, the `likely` label instead, the `split`, the
        `probability` of the label according to a model that was not trained on the image,
        `contradicts`, which is "" or the path of a near-duplicate with a different label, and
        `pixels_sha256`.

        >>> project.labels_to_review().columns[:3].tolist()
        ['path', 'label', 'likely']
        """
        return read_table(self.folder / paths.LABELS_TO_REVIEW_CSV, LABELS_TO_REVIEW)

    def correct_labels(self, labels: "Mapping[str, str | None] | pd.Series[str]") -> None:
        """Write labels to labels.csv, keyed by the path of the image in the tables of this project.

        A label is a class; "none" for an image that shows none of the classes; "?" for an image
        that you do not know, which moves its row to undecided.csv; or None to remove the row. After
        "?" or None, the label of the image's folder counts again, if there is one. Other rows and
        columns stay as they are. Raises InputError, and writes nothing, if the last run does not
        have the image, if it has two labels, or if a label cannot be a class: where folders or
        metadata.csv provide the classes, labels.csv cannot add one. Raises TypeError if a label is
        not text.

        >>> suspects = project.labels_to_review()
        >>> project.correct_labels(suspects.set_index("path")["likely"])
        """
        pairs = [(str(path), label) for path, label in labels.items()]
        for path, label in pairs:
            if not isinstance(label, str | None):
                raise TypeError(f"{path}: expected a label as text, or None. Received: {label!r}.")
        correct_labels(self.folder, pairs)

    def compare(self, old: str = "HEAD", new: str = WORKSPACE) -> Comparison:
        """Say whether a run is better than an older one, as `pawprint compare` does.

        A run is a commit, branch, tag or experiment, or "workspace" for the current files.

        >>> project.compare("workspace").verdict
        'identical'
        """
        (run,) = compare_revisions(self.folder, old, [new])
        notes = [run.left_out] if run.left_out else []
        return Comparison(run.verdict, run.sentences, tabulate_sets(run.comparison), notes)

    def report(self) -> Report:
        """Return the report of the last run, which a notebook shows inline.

        >>> project.report().path.name
        'report.html'
        """
        path = self.folder / paths.REPORT
        if not path.is_file():
            raise InputError(f"cannot show {path}: the report is missing. Run the project.")
        return Report(path)

    def load(self) -> Predictor:
        """Load the model of the last run, as `pawprint.load` does.

        >>> model = project.load()
        >>> model.predict(["photos/burger/0001.jpg", "photos/other"]).label[0]
        'burger'
        """
        return load_predictor(self.folder / paths.SERVED_MODEL)

    def export(self, form: Form) -> Path:
        """Write the model in another format, as `pawprint export` does, and return its folder.

        Prints how the outputs on the test images differ from the served model's.

        >>> folder = project.export("onnx")  # doctest: +ELLIPSIS
        format    MB largest difference  changed labels
        served...
        """
        if form not in FORMS:
            raise InputError(f"export: expected {one_of(FORMS)}. Received: {form}.")
        run = _follow(self.folder, "pawprint", "export", "--format", form)
        print("\n".join(run.lines))
        return self.folder / paths.EXPORT / form


def make_project(
    folder: str | os.PathLike,
    images: str | os.PathLike | None,
    recipe: str | None,
    is_outside: bool,
    labels: str,
) -> Project:
    """Create a project with the `init` command and print its output.

    Raises InputError with the command's message if it fails. An interrupt stops it like Ctrl-C.
    """
    arguments = ["init", os.fspath(folder)]
    arguments += ["--images", os.fspath(images)] if images is not None else []
    arguments += ["--recipe", recipe] if recipe else []
    arguments += ["--outside"] if is_outside else []
    arguments += ["--labels", labels] if labels != "auto" else []
    process = subprocess.Popen(
        [*python_in(Path.cwd()), "-m", "pawprint", *arguments],
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # a kernel interrupts its whole session
    )
    try:
        text, problem = process.communicate()
    except KeyboardInterrupt:
        # Windows cannot send Ctrl-C to a single process.
        process.send_signal(signal.SIGINT) if os.name == "posix" else process.terminate()
        process.communicate()
        raise
    if process.returncode:
        lines = problem.strip() or f"cannot run init: exit status {process.returncode}."
        raise InputError(lines.splitlines()[-1] if lines.startswith("usage: ") else lines)
    print(text.partition("Next:\n")[0].rstrip())
    return Project(folder)


def _follow(folder: Path, *command: str) -> runs.PipelineRun:
    """Run a Python module in a project, with progress bars. Raises InputError if it fails.

    The app starts runs in the same way, so only one run is active at a time.
    """
    runs.start(folder, *command)
    bars = _Bars()
    try:
        while (run := runs.read(folder)).state == "running":
            bars.show(run)
            time.sleep(SECONDS)
        bars.show(run)
    except KeyboardInterrupt:
        runs.stop(folder)
        while runs.is_running(folder):
            time.sleep(SECONDS)
        raise
    finally:
        bars.close()
    if run.state == "done":
        return run
    if run.state == "failed":
        raise InputError(runs.error_of(run))
    raise InputError(f"cannot finish the run: it was {run.state}. Run again to continue.")


class _Bars:
    """A bar for each step of a run, except skipped steps. Only the last bar is open."""

    def __init__(self) -> None:
        self.number = 0  # number of steps that are done or have a bar
        self.open: tqdm | None = None

    def show(self, run: runs.PipelineRun) -> None:
        """Show the progress of a run since the last call."""
        for name, outcome, _ in run.steps[self.number :]:
            self.close(is_done=True)
            if outcome != "didn't change":
                title = f"{name} ({outcome})" if outcome else name
                self.open = tqdm(total=DONE, desc=title, bar_format=BAR_FORMAT)
        self.number = len(run.steps)
        if self.open is not None and run.progress:
            title, percent, detail = run.progress
            self.open.set_postfix_str(f"{title}: {detail}".rstrip(": "), refresh=False)
            self.open.n = self.open.n if percent is None else percent
            self.open.refresh()
        elif run.state == "done":
            self.close(is_done=True)

    def close(self, is_done: bool = False) -> None:
        """Close the open bar and fill it if its step is done."""
        if self.open is not None:
            if is_done:
                self.open.set_postfix_str("", refresh=False)
                self.open.n = DONE
                self.open.refresh()
            self.open.close()
        self.open = None
