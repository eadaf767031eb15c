"""Show the pages Run and Report.

Run shows the current results, changes since the last commit, `dvc repro`, `try`, Keep and Discard.
"""

import time
from pathlib import Path
from typing import Literal, get_args

import streamlit as st

from pawprint import paths
from pawprint.app import HERE
from pawprint.app.photos import HASHED, explain_errors, message, plain
from pawprint.columns import SCORES
from pawprint.errors import InputError, counted, name_some
from pawprint.git import current_commit, try_git
from pawprint.model.html_page import PAGE_FILE
from pawprint.model.metadata import read_metadata
from pawprint.params.data import Fetch
from pawprint.params.file import set_params
from pawprint.params.model import Model
from pawprint.params.section import Resize
from pawprint.pipeline import runs
from pawprint.pipeline.dvc import WORKSPACE
from pawprint.progress import Progress
from pawprint.projects import discard
from pawprint.projects.candidates import candidates_of
from pawprint.projects.comparison import compare_revisions
from pawprint.reports.pages import describe_score, headline_of, project_name, score_of
from pawprint.scores.compared_runs import ComparedRun
from pawprint.scores.metrics import CATALOGUE
from pawprint.scores.verdict import tabulate_sets
from pawprint.tables import read_table

INPUTS = (*discard.INPUTS, *discard.TABLES, paths.LOCK)
MAX_LINES = 6  # maximum number of lines shown
GOES_ON = ("running", "elsewhere")  # states of an active run
# For each state of a run, a label and Streamlit's name of the state.
LABELS: dict[str, tuple[str, Literal["running", "complete", "error"]]] = {
    "running": ("Running {stage}: {seconds:.0f} s", "running"),
    "done": ("Done in {seconds:.0f} s", "complete"),
    "failed": ("Failed in {stage}", "error"),
    "stopped": ("Stopped in {stage}. The next run continues from there.", "error"),
    "killed": ("Killed in {stage}. The next run continues from there.", "error"),
}


def show_run() -> None:
    """Show the model, the changes since the last commit, the run, and params."""
    run = runs.read(HERE)
    with explain_errors():
        if run.state in GOES_ON:
            st.markdown(describe_model())
        else:
            show_differences()
    follow(run.state, run.end)
    parts = {"Params": show_params, "Try other params": show_candidates, "Share": offer_page}
    for name, part in parts.items():
        expander = st.expander(name, key=name, on_change="rerun")
        if expander.open:
            with expander, explain_errors():
                part() if run.state not in GOES_ON else st.markdown("Wait until the run ends.")


def describe_model() -> str:
    """Return the test score of the model, and its first limit, in Markdown."""
    if not (paths.SCORES_CSV.exists() and paths.LIMITS.exists()):  # the files may be incomplete
        return "This project does not have a trained model yet. **Run** trains one."
    lines = paths.LIMITS.read_text(encoding="utf-8").splitlines()
    limit = next((line.removeprefix("- ") for line in lines if line.startswith("- ")), "")
    tab = "the Label page's tab Labels to review"
    limit = limit.replace(paths.LABELS_TO_REVIEW_CSV.as_posix(), tab)
    return f"The model has a **{plain(test_score())}**. {plain(limit)}"


def test_score() -> str:
    """Return the headline metric on the test images with its interval."""
    scores = read_table(paths.SCORES_CSV, SCORES)
    name = headline_of(scores)
    return f"test {CATALOGUE[name].title} of {describe_score(score_of(scores, 'test', name))}"


def show_differences() -> None:
    """Show the verdict, the changes since the last commit, and the buttons."""
    has_earlier = discard.has_run(HERE)
    kept, lost, stages = describe_changes(watched(), current_commit())
    is_whole = paths.SCORES_CSV.exists() and not stages
    if is_whole and has_earlier and discard.changed_files(HERE, [paths.LOCK]):
        with explain_errors(), st.container(border=True):
            named = {"HEAD": "the last commit", WORKSPACE: "this run"}
            compared = compare("HEAD", WORKSPACE, named)
            verdict = plain(compared.sentences[0])
            show_compared(f"**{verdict[0].upper()}{verdict[1:]}**", compared)
    st.markdown(describe_model())
    if kept or lost:
        st.markdown("Changed since the last commit:\n" + bullets([*kept, *lost]))
    if stages:
        names = plain(name_some(stages))
        st.markdown(f"**Run** runs {names}, and later stages if their inputs change.")
    elif not kept and not lost:
        st.markdown("Photos, labels and params have not changed since the last run.")
    with st.container(horizontal=True):
        kind: Literal["primary", "secondary"] = "primary" if stages else "secondary"
        st.button("Run", on_click=start, args=("dvc", "repro"), type=kind)
        if is_whole and discard.to_keep(HERE) and st.button("Keep", type="primary"):
            ask_keep("; ".join([*kept, *lost]) or "Run")
        if has_earlier and discard.to_discard(HERE) and st.button("Discard"):
            ask_discard(lost, discard.read_loss(HERE))


# The arguments of the next two functions are cache keys, so results are kept until a file or commit
# changes.
@st.cache_data(max_entries=2, show_spinner="Looking for changes …", hash_funcs=HASHED)
def describe_changes(
    files: tuple[Path, ...], commit: str | None
) -> tuple[list[str], list[str], list[str]]:
    """Return the result of `find_uncommitted`. Raises InputError."""
    return discard.find_uncommitted(HERE)


@st.cache_data(max_entries=4, show_spinner="Comparing …", hash_funcs=HASHED)
def compare_cached(
    files: tuple[Path, ...], refs: str | None, old: str, new: str, names: dict[str, str]
) -> ComparedRun:
    """Return the result of `compare` for these `files` and `refs`."""
    (compared,) = compare_revisions(HERE, old, [new], names)
    return compared


def compare(old: str, new: str, names: dict[str, str]) -> ComparedRun:
    """Compare two runs, which have other `names` in sentences, like `compare_revisions`.

    Raises InputError for the same reasons, for example if results in the workspace are out of date.
    """
    refs = try_git("show-ref", "--head")  # an experiment's name can be given to another run
    return compare_cached(watched(), refs, old, new, names)


def watched() -> tuple[Path, ...]:
    """Return the files that changes and results depend on. Raises InputError."""
    results = (paths.SCORES_CSV, *paths.PREDICTED_CLASSES_CSV.values())
    return (*INPUTS, *results, Path(Fetch.load().source))


def show_compared(verdict: str, compared: ComparedRun) -> None:
    """Show the verdict in Markdown, the scores of test images, the sets, and images left out."""
    st.markdown(f"{verdict}\n{bullets(compared.sentences[1:])}")
    st.dataframe(tabulate_sets(compared.comparison), hide_index=True)
    st.caption(message(compared.left_out))


def bullets(lines: list[str]) -> str:
    """Return a list in Markdown."""
    return "\n".join(f"- {message(line)}" for line in lines)


def start(*command: str) -> None:
    """Run a command in the background. Errors at the start are shown."""
    with explain_errors():
        runs.start(HERE, *command)


@st.dialog("Keep this run")
def ask_keep(subject: str) -> None:
    """Show a form that commits the run. The proposed message begins with `subject`."""
    with explain_errors():
        st.markdown("This creates a Git commit. To share it, use `git push` and `dvc push`.")
        show_files(discard.to_keep(HERE))
        message = st.text_area("Message", f"{subject}\n\n{test_score()}")
        author = {}
        if not discard.has_author(HERE):
            author = {"user.name": st.text_input("Your name for Git commits")}
            author["user.email"] = st.text_input("Your e-mail address")
        if st.button("Keep", key="keep", type="primary"):
            discard.keep(HERE, message, author)
            st.rerun()


@st.dialog("Discard this run?")
def ask_discard(lost: list[str], loss: discard.Loss) -> None:
    """Show a form that discards the run, with the changes `lost`, in words, and the files."""
    with explain_errors():
        st.markdown(
            "The model, results and params of the last commit are restored. Photos, `labels.csv` "
            "and `splits.csv` are kept."
        )
        if lost:
            st.markdown("You will lose these changes:\n" + bullets(lost))
        show_files([*loss.files])
        if st.button("Discard", key="discard", type="primary"):
            discard.discard(HERE, loss)
            st.rerun()


def show_files(names: list[str]) -> None:
    """Show a list of file names."""
    with st.expander(counted(len(names), "file")):
        st.code("\n".join(names), language=None, wrap_lines=True)


def show_params() -> None:
    """Show a form for some params, and the file with all of them."""
    model = Model.load()
    with st.form("params", border=False):
        size = st.number_input("Image size in pixels", 32, 1024, model.image_size, 32)
        kinds = get_args(Resize)
        resize = st.selectbox("Resize", kinds, kinds.index(model.resize))
        is_tuned = st.toggle("Fine-tuning", model.fine_tune_at is not None)
        is_sent = st.form_submit_button("Write to params.yaml")
    layer = (model.fine_tune_at or "auto") if is_tuned else None
    if is_sent:
        set_params(
            HERE, {"model.image_size": size, "model.resize": resize, "model.fine_tune_at": layer}
        )
        st.rerun()
    st.code(paths.PARAMS.read_text(encoding="utf-8"), language=None, wrap_lines=True)


def show_candidates() -> None:
    """Show the output of `pawprint try`, with a button for each candidate in its table."""
    st.markdown(
        "Compares other networks and image sizes on your training images. This takes a few minutes."
    )
    st.button("Try", on_click=start, args=("pawprint", "try"))
    lines = runs.printed(HERE, paths.PARAMS, paths.SPLIT_CSV)
    if not lines or not lines[0].startswith("try: "):
        return
    shown = [line for line in lines if not line.startswith(("try: ", "features: ", "`"))]
    st.code("\n".join(shown), language=None)
    names = {line.split()[0] for line in shown if line.split()}
    with st.container(horizontal=True), explain_errors():
        for candidate in candidates_of(HERE, {})[1:]:
            if candidate.name in names and st.button(f"Use {plain(candidate.name)}"):
                set_params(HERE, candidate.changes)
                st.rerun()


def offer_page() -> None:
    """Show a button that creates the model's page, and offer an existing page for download."""
    st.markdown(
        "A single HTML file that labels photos. Anyone can open it with a double click, without "
        "Pawprint or an internet connection."
    )
    st.button("Make the page", on_click=start, args=("pawprint", "export", "--format", "page"))
    folder = paths.EXPORT / "page"
    if (folder / PAGE_FILE).exists():
        if read_metadata(folder).model != read_metadata(paths.SERVED_MODEL).model:
            st.markdown("The existing page was created from another model. Create it again.")
            return
        data = (folder / PAGE_FILE).read_bytes()
        name = f"{project_name()}.html"
        st.download_button("Download the page", data, name, "text/html", type="primary")


def show_report() -> None:
    """Show the report of the last run, which is one HTML file."""
    if not paths.REPORT.exists():
        raise InputError(f"cannot show {paths.REPORT}: no such file. Run `dvc repro`.")
    st.iframe(paths.REPORT, alt="Report of the last run")


@st.fragment(run_every=1)
def follow(state: str, end: float) -> None:
    """Show the run, updated every second. The whole page is redrawn when a run starts or ends."""
    run = runs.read(HERE)
    if (run.state, run.end) != (state, end):
        st.rerun()
    if state == "elsewhere":
        st.info("A `dvc repro` is running in a terminal.")
    elif state:
        ends = [*(start for *_, start in run.steps), end or time.time()][1:]
        stage = run.steps[-1][0] if run.steps else "the start"
        seconds = ends[-1] - run.steps[0][2] if ends else 0
        label, kind = LABELS[state]
        is_running = state == "running"
        if state == "failed":
            st.error("  \n".join(map(message, runs.error_of(run).splitlines())))
        with st.status(label.format(stage=stage, seconds=seconds), state=kind, expanded=is_running):
            if run.progress:
                show_progress(run.progress)
            st.markdown(bullets(describe_steps(run.steps, ends)))
            if run.lines:
                st.code("\n".join(run.lines[-MAX_LINES:]), language=None, wrap_lines=True)
        if is_running:
            st.button("Stop", on_click=runs.stop, args=(HERE,))


def show_progress(progress: Progress) -> None:
    """Show a progress bar, or words if the remaining work is unknown."""
    text = plain(": ".join(filter(None, (progress.title, progress.detail))))
    if progress.percent is None:
        st.caption(text)
    else:
        st.progress(progress.percent, text)


def describe_steps(steps: list[tuple[str, str, float]], ends: list[float]) -> list[str]:
    """Return a line for each step of a run, and one for all steps that were unchanged."""
    lines = []
    for (name, outcome, start), end in zip(steps, ends):
        if outcome != "didn't change":
            source = ", from DVC's cache" if outcome == "cached" else ""
            lines.append(f"{name}: {end - start:.1f} s{source}")
    if others := len(steps) - len(lines):
        lines.append(counted(others, "unchanged stage"))
    return lines


def offer_features() -> None:
    """Show a button that runs the stages up to `features`, and their progress."""
    st.markdown("To group similar photos, the network first has to process every photo.")
    run = runs.read(HERE)
    if run.state not in GOES_ON:
        command = ("dvc", "repro", "features")
        st.button("Prepare the photos", on_click=start, args=command, type="primary")
    follow(run.state, run.end)
