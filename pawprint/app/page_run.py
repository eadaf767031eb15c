"""Run: what stands, what differs from the last commit, `dvc repro`, Keep and Discard."""

from typing import get_args

import streamlit as st

from pawprint import columns, project
from pawprint.app.messages import explained, plain
from pawprint.package import current_commit
from pawprint.params.data import Fetch
from pawprint.params.model import Model
from pawprint.params.results import Evaluate
from pawprint.params.section import Resize
from pawprint.pipeline.entry import stamps
from pawprint.pipeline.revisions import WORKSPACE
from pawprint.reports.results import CATALOGUE, describe_score, headline_of, score_of
from pawprint.scores.paired import Comparison, describe_verdict, tabulate_sets
from pawprint.tables import read_table
from pawprint.tools import last_commit, running
from pawprint.tools.comparison import compare_runs
from pawprint.tools.projects import set_params

TITLE, ICON = "Run", ":material/play_circle:"
INPUTS = (*last_commit.INPUTS, *last_commit.TABLES, project.LOCK)
LATEST = 6  # lines that are shown
FEW = 4  # stages that are named
GOES_ON = "Run goes on with that stage."
# By the state of a run: a label, and what Streamlit calls it.
LABELS = {
    "running": ("Running {stage}: {seconds:.0f} s", "running"),
    "done": ("Done in {seconds:.0f} s", "complete"),
    "failed": ("Failed in {stage}", "error"),
    "stopped": (f"Stopped in {{stage}}. {GOES_ON}", "error"),
    "killed": (f"Killed in {{stage}}. {GOES_ON}", "error"),
}


def show() -> None:
    if not running.HAS_TERMINALS:
        st.warning("This page needs Linux or macOS. Run `dvc repro` in a terminal.")
        return
    now = state()
    with explained():
        if now[0] == "running" or now[1]:
            st.markdown(describe_model())
        else:
            show_differences()
    follow(now)
    if now[0] != "running":
        with st.expander("Params"), explained():
            show_params()


def state() -> tuple[str, bool, float]:
    """The state of the last run, whether one goes on in a terminal, and when the last ended."""
    run = running.read()
    is_running = run is not None and run.state == "running"
    is_elsewhere = not is_running and running.is_elsewhere()
    return run.state if run else "", is_elsewhere, run.time if run and not is_running else 0


def describe_model() -> str:
    """The test score of the model, and its first limit, in Markdown."""
    if not (project.SCORES_CSV.exists() and project.LIMITS.exists()):  # as while they are made
        return "There are no results yet: **Run** makes them."
    limit = project.LIMITS.read_text(encoding="utf-8").partition("\n")[0].removeprefix("- ")
    return f"The model has a **{plain(test_score())}**. {plain(limit)}"


def test_score() -> str:
    scores = read_table(project.SCORES_CSV, columns.SCORES)
    name = headline_of(scores)
    return f"test {CATALOGUE[name].title} of {describe_score(score_of(scores, 'test', name))}"


def show_differences() -> None:
    """The verdict, what differs from the last commit, and the buttons."""
    paths = (*INPUTS, project.SCORES_CSV, Fetch.load().source)
    times = hash(frozenset(pair for path in paths for pair in stamps(path).items()))
    commit = current_commit()
    (kept, lost, stages), has_earlier = differences(commit, times), last_commit.has_run()
    is_whole = project.SCORES_CSV.exists() and not stages
    if is_whole and has_earlier and last_commit.git_status([project.LOCK]):
        with explained(), st.container(border=True):
            compared, note = compared_with(commit, times)
            verdict = plain(describe_verdict("the last commit", "this run", compared))
            st.markdown(f"**{verdict[0].upper()}{verdict[1:]}**")
            st.dataframe(tabulate_sets(compared), hide_index=True)
            st.caption(plain(note))
    st.markdown(describe_model())
    if kept or lost:
        st.markdown("Changed since the last commit:\n" + bullets([*kept, *lost]))
    if stages:
        names = ", ".join(stages) if len(stages) <= FEW else f"{len(stages)} stages"
        st.markdown(f"**Run** runs {plain(names)}, and stages after them if their inputs change.")
    elif not kept and not lost:
        st.markdown("Photos, labels and params are those of the last run.")
    with st.container(horizontal=True):
        st.button("Run", on_click=start, type="primary" if stages else "secondary")
        if is_whole and last_commit.to_keep() and st.button("Keep", type="primary"):
            ask_keep("; ".join([*kept, *lost]) or "Run")
        if has_earlier and last_commit.to_discard() and st.button("Discard"):
            ask_discard(lost)


@st.cache_data(max_entries=1, show_spinner="Looking for changes …")
def differences(commit: str | None, times: int) -> tuple[list[str], list[str], list[str]]:
    return last_commit.describe_since_commit()


@st.cache_data(max_entries=1, show_spinner="Comparing with the last commit …")
def compared_with(commit: str | None, times: int) -> tuple[Comparison, str]:
    (compared,), note = compare_runs("HEAD", [WORKSPACE], Evaluate.load().confidence, common=True)
    return compared, note


def bullets(lines: list[str]) -> str:
    return "\n".join(f"- {plain(line)}" for line in lines)


def start() -> None:
    with explained():
        running.start()


@st.dialog("Keep this run")
def ask_keep(subject: str) -> None:
    with explained():
        st.markdown("A commit in Git keeps it. `git push` and `dvc push` share it.")
        show_files(list(last_commit.to_keep()))
        message = st.text_area("Message", f"{subject}\n\n{test_score()}")
        author = {}
        if not last_commit.has_author():
            author = {"user.name": st.text_input("Your name, which Git writes into commits")}
            author["user.email"] = st.text_input("Your e-mail address")
        if st.button("Keep", key="keep", type="primary"):
            last_commit.keep(message, author)
            st.rerun()


@st.dialog("Discard this run?")
def ask_discard(lost: list[str]) -> None:
    with explained():
        st.markdown(
            "Model, results and params become those of the last commit. Photos, `labels.csv` and "
            "`splits.csv` stay as they are."
        )
        if lost:
            st.markdown("You lose these changes:\n" + bullets(lost))
        show_files(last_commit.to_discard())
        if st.button("Discard", key="discard", type="primary"):
            last_commit.discard()
            st.rerun()


def show_files(names: list[str]) -> None:
    with st.expander(f"{len(names)} files"):
        st.code("\n".join(names), language=None)


def show_params() -> None:
    """A few params, and the file with all."""
    model = Model.load()
    size = st.number_input("Image size in pixels", 32, 1024, model.image_size, 32)
    kinds = get_args(Resize)
    resize = st.selectbox("Resize", kinds, kinds.index(model.resize))
    is_tuned = st.toggle("Fine-tuning", model.fine_tune_at is not None)
    at = (model.fine_tune_at or "auto") if is_tuned else None
    if st.button("Write to params.yaml"):
        set_params({"model.image_size": size, "model.resize": resize, "model.fine_tune_at": at})
        st.rerun()
    st.code(project.PARAMS.read_text(encoding="utf-8"), language=None)


@st.fragment(run_every=1)
def follow(shown: tuple) -> None:
    """The run, each second anew. When it starts or ends, the whole page is shown anew."""
    if state() != shown:
        st.rerun()
    run = running.read()
    if shown[1]:
        st.info("A `dvc repro` goes on in a terminal.")
    elif run:
        ends = [*(start for *_, start in run.steps), run.time][1:]
        stage = run.steps[-1][0] if run.steps else "code"
        seconds = ends[-1] - run.steps[0][2] if ends else 0
        label, kind = LABELS[run.state]
        if run.state == "failed":
            st.error(plain(running.error_of(run)))
        is_running = run.state == "running"
        with st.status(label.format(stage=stage, seconds=seconds), state=kind, expanded=is_running):
            if run.bar and is_running:
                title, percent, more = run.bar
                st.progress(int(percent), plain(f"{title}: {more}"))
            lines = [
                f"{name}: {end - start:.1f} s{', from the cache of DVC' * (how == 'cached')}"
                for (name, how, start), end in zip(run.steps, ends)
                if how != "didn't change"
            ]
            others = len(run.steps) - len(lines)
            st.markdown(bullets([*lines, *[f"{others} stages did not change"] * (others > 0)]))
            if run.lines:
                st.code("\n".join(run.lines[-LATEST:]), language=None, wrap_lines=True)
        if is_running:
            st.button("Stop", on_click=running.stop)
