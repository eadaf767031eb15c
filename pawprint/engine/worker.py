"""What runs on a worker of the cluster.

The source of this file goes with each task, and with the run the modules of `pawprint`: a worker
needs the packages, but no copy of the project, and never computes with modules from before an edit.
"""

import hashlib
import os
import pickle
import platform
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import joblib
from distributed import Worker, get_worker


def compute(run: dict, items: bytes) -> list | tuple[str, str]:
    """The results of pickled items, or the worker's address and why this process is refused.

    The first task of a run in a process is its admission. Others wait for it: modules are imported,
    and OpenVINO is used for the first time, in one thread only.
    """
    worker = get_worker()
    state = vars(worker).setdefault("pawprint_state", {})  # also that of another version
    admitted = state.setdefault("admitted", {})
    with state.setdefault("lock", threading.Lock()):
        if run["name"] not in admitted:
            try:
                function = admit(run, worker, state)
            except Exception as error:  # whatever the function raises here and not on the driver
                function = (str(error).strip() or type(error).__name__).splitlines()[0]
            admitted.clear()  # what earlier runs hold is freed
            admitted[run["name"]] = function
        function = admitted[run["name"]]
    if isinstance(function, str):
        return worker.address, function
    return [function(item) for item in pickle.loads(items)]


def admit(run: dict, worker: Worker, state: dict) -> Callable:
    """The function of a run. Raises an exception if this process differs from the driver's."""
    for name, expected in run["versions"].items():
        found = platform.python_version().rpartition(".")[0] if name == "Python" else version(name)
        if found != expected:
            raise RuntimeError(f"expected {name} {expected}. Received: {found}")
    # So that joblib.cpu_count() is the number of threads given to this worker.
    os.environ["LOKY_MAX_CPU_COUNT"] = str(worker.state.nthreads)
    path = str(Path(worker.local_directory, hashlib.sha256(run["modules"]).hexdigest() + ".zip"))
    if path != state.get("path"):
        Path(path).write_bytes(run["modules"])
        sys.path[:] = [path, *(each for each in sys.path if each != state.get("path"))]
        state["path"] = path
        for name in [name for name in sys.modules if name.split(".")[0] == "pawprint"]:
            del sys.modules[name]
    function, prove, known = pickle.loads(run["functions"])
    for item, expected in zip(known, run["expected"], strict=True):
        if hash_of(prove(item)) != expected:
            what = f"expected the same bytes as on the driver for {name_of(item)}"
            raise RuntimeError(f"{what}. Received: others, as of another processor or file")
    return function


def hash_of(result: object) -> str:
    """Of the values and their layout in memory, on every computer after one pickling."""
    return joblib.hash(pickle.loads(pickle.dumps(result)))


def name_of(item: object) -> str:
    return str(item[0] if isinstance(item, tuple) else item)
