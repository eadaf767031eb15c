"""Show the page Run: `dvc repro` and what it prints, the verdict on the results, and Discard.

The run is a child process of the app. Its output is in LOG, which every page and reload shows.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import streamlit as st

from pawprint.app import HERE
from pawprint.app.photos import HASHED, explain_errors, plain
from pawprint.base import paths
from pawprint.base.errors import InputError, counted
from pawprint.base.git import current_commit
from pawprint.base.package import python_in
from pawprint.commands import discard
from pawprint.commands.compare import compare_revisions
from pawprint.pipeline.dvc import WORKSPACE, is_running, require_idle

LOG = Path(".dvc/tmp/pawprint-run.log")
MAX_LINES = 20  # last lines of LOG to show
SECONDS = 10  # for a run to end, before it is told so in a harder way
# A child of a process that ignores SIGINT, such as a service, would ignore it, too.
DVC = """import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dvc.cli import main
sys.exit(main())"""
INPUTS = (*discard.INPUTS, paths.LABELS_CSV, paths.SPLITS_CSV, paths.LOCK, paths.SCORES_CSV)


@st.cache_resource(show_spinner=False)
def runs() -> list[subprocess.Popen]:
    """Return the runs that this app has started, which all its pages share."""
    return []


@st.cache_resource(show_spinner=False)
def stopped() -> set[int]:
    """Return the process ids of the runs that were stopped."""
    return set()


def show() -> None:
    """Show a button for `dvc repro`, the verdict, the report, Discard, and the run's output."""
    st.markdown(
        "**Run** is `dvc repro`: it runs the stages whose photos, labels, params or code changed. "
        "It ends with the app; the next run continues from there."
    )
    if offer_run("Run"):
        if paths.REPORT.exists():
            st.markdown("[Report](report) of the last run")
        if discard.has_run(HERE):
            for part in (show_verdict, offer_discard):
                with explain_errors():
                    part()
    follow_run()


def offer_features() -> None:
    """Show a button that runs the stages up to `features`, and the run's output."""
    st.markdown(
        "To group similar photos, the network first has to process every photo. If all photos have "
        "a class, go to the Run page instead."
    )
    offer_run("Prepare the photos", "features")
    follow_run()


def offer_run(title: str, *stages: str) -> bool:
    """Show a button that starts a run, and return True, unless a run is active."""
    if is_active():
        return False
    if is_running(HERE):
        st.info("A `dvc` is running in a terminal. Reload this page when it ends.")
        return False
    st.button(title, on_click=start, args=stages, type="primary")
    return True


def is_active() -> bool:
    """Return whether a run that this app has started is active."""
    return bool(runs()) and runs()[-1].poll() is None


def start(*stages: str) -> None:
    """Start `dvc repro` for these stages, or for all. Errors are shown."""
    if is_active():  # another page has just started one
        return
    with explain_errors():
        require_idle(HERE)
        LOG.parent.mkdir(parents=True, exist_ok=True)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with LOG.open("wb") as log:
            process = subprocess.Popen(
                [*python_in(HERE), "-c", DVC, "repro", *stages],
                env=os.environ | {"PATH": path, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Then `stop` reaches DVC and its stage, and nothing else.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        atexit.register(stop, process)
        runs().append(process)


def stop(process: subprocess.Popen) -> None:
    """Stop a run as Ctrl+C does, unless it has ended. If it does not end, kill it."""
    if sys.platform == "win32":
        ways = [partial(process.send_signal, signal.CTRL_BREAK_EVENT), process.kill]
    else:
        signals = signal.SIGINT, signal.SIGTERM, signal.SIGKILL
        ways = [partial(os.killpg, process.pid, each) for each in signals]
    for way in ways:
        if process.poll() is not None:
            return
        stopped().add(process.pid)
        way()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS)


def follow_run() -> None:
    """Show the last lines of a run, every second while it is active."""
    st.fragment(show_lines, run_every=1 if is_active() else None)(is_active())


def show_lines(was_active: bool) -> None:
    """Show the last lines of a run. The whole page is redrawn when it starts or ends."""
    active = is_active()
    if active != was_active:
        st.rerun()
    if not LOG.exists():
        return
    if not active and runs() and runs()[-1].returncode:
        end = "The run failed: see its last lines."
        if runs()[-1].pid in stopped():
            end = "The run was stopped."
        st.error(f"{end} The next run continues from there.")
    with st.expander("Output of the last run", expanded=bool(runs())):
        lines = LOG.read_text(encoding="utf-8", errors="replace").splitlines()
        st.code("\n".join(lines[-MAX_LINES:]), language=None, wrap_lines=True)
    if active:
        st.button("Stop", on_click=stop, args=(runs()[-1],))


def show_verdict() -> None:
    """Show what `pawprint compare HEAD` prints. Raises InputError if results are out of date."""
    text = compare(INPUTS, current_commit())
    sentence, _, rest = text.partition("\n")
    st.markdown(f"**{plain(sentence[0].upper() + sentence[1:])}**")
    st.code(rest.strip("\n"), language=None, wrap_lines=True)


# The arguments are cache keys, so the result is kept until a file or the commit changes.
@st.cache_data(max_entries=2, show_spinner="Comparing …", hash_funcs=HASHED)
def compare(files: tuple[Path, ...], commit: str | None) -> str:
    """Return the comparison of this run with the last commit, as text. Raises InputError."""
    names = {"HEAD": "the last commit", WORKSPACE: "this run"}
    (compared,) = compare_revisions(HERE, "HEAD", [WORKSPACE], names)
    return compared.text


def offer_discard() -> None:
    """Show a button for `pawprint discard` if it would change files."""
    if discard.to_discard(HERE) and st.button("Discard"):
        ask_discard(discard.read_loss(HERE))


@st.dialog("Discard this run?")
def ask_discard(loss: discard.Loss) -> None:
    """Show what will be lost, and a button that restores the last commit."""
    with explain_errors():
        st.markdown(
            "The model, results and params of the last commit are restored. Photos, `labels.csv` "
            "and `splits.csv` are kept."
        )
        if loss.diff:
            st.code(loss.diff, language="diff", wrap_lines=True)
        with st.expander(counted(len(loss.files), "file")):
            st.code("\n".join(loss.files), language=None, wrap_lines=True)
        if st.button("Discard", key="discard", type="primary"):
            discard.discard(HERE, loss)
            st.rerun()


def show_report() -> None:
    """Show the report of the last run, which is one HTML file."""
    if not paths.REPORT.exists():
        raise InputError(f"cannot show {paths.REPORT}: no such file. Run `dvc repro`.")
    st.iframe(paths.REPORT, alt="Report of the last run")
