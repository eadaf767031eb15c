"""Distribute work over the workers of a Dask cluster. docs/decisions/41 explains the design."""

import contextlib
import functools
import itertools
import json
import logging
import operator
import os
import pickle
import platform
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from importlib.metadata import version
from pathlib import Path

import cloudpickle
import dask
from distributed import Client, Future, get_worker, wait
from distributed.scheduler import KilledWorker

from pawprint.base.errors import InputError, name_some, printable, reason, without_secrets
from pawprint.base.package import DISTRIBUTION, architecture, installed_version

AHEAD = 1000  # maximum number of tasks submitted ahead
# Packages that affect the bytes of results, or that serialise functions and results.
PACKAGES = (
    *("cloudpickle", "distributed", "numpy", "opencv-python-headless", "openvino", "pi-heif"),
    *("pillow", "simplejpeg"),
)
LOST = (CancelledError, OSError, TimeoutError)  # errors of a lost connection to the scheduler
_loading = threading.Lock()
_functions: dict[str, Callable] = {}  # the function of the current run, in a worker process


def map_on_cluster(
    scheduler: str, cores: str, function: Callable, items: Iterable, chunk: int
) -> Iterator:
    """Map like `threads.map_items`. Workers set the variable `cores` to their number of threads."""
    client = connect(scheduler)
    run = functools.partial(
        compute_batch, uuid.uuid4().hex, _versions(), cores, cloudpickle.dumps(function)
    )
    # The function is the result of a task, so that workers send it to each other and Dask repeats
    # it if they die. The scheduler unpickles the functions of tasks, and may lack this package.
    # No task is bound to a worker, because a nanny renames it.
    shared = client.submit(pickle.loads, pickle.dumps(run), pure=False)
    submit = functools.partial(client.submit, operator.call, shared, pure=False, retries=2)
    items = iter(items)
    tasks: deque[tuple[list, Future]] = deque()
    try:
        while batch := list(itertools.islice(items, chunk)):
            tasks.append((batch, submit(pickle.dumps(batch))))
            if len(tasks) > AHEAD:
                yield from _results(client, *tasks.popleft(), tasks)
        while tasks:
            yield from _results(client, *tasks.popleft(), tasks)
    finally:
        with contextlib.suppress(*LOST):
            client.cancel([shared, *(future for _, future in tasks)])


@functools.cache
def connect(scheduler: str) -> Client:
    """Connect once per process and print the address. Raises InputError without a scheduler."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are explained here instead
    # Functions contain their network, so they are large.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    try:
        is_address = "://" in scheduler
        client = Client(
            scheduler if is_address else json.loads(Path(scheduler).read_text())["address"]
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            "PAWPRINT_DASK: expected the address or the file of a running Dask scheduler. "
            f"Received: {printable(scheduler)} ({reason(error)}). Start one, or unset the variable."
        ) from None
    text = without_secrets(f"scheduler {scheduler}, dashboard {client.dashboard_link}")
    print(f"Dask: {text}", file=sys.stderr)
    return client


def _results(
    client: Client, batch: list, future: Future, later: Iterable[tuple[list, Future]]
) -> list:
    """Wait for the results of a task. Raises InputError if no worker computes them."""
    try:
        while not future.done():
            client.wait_for_workers(1, dask.config.get("distributed.comm.timeouts.connect"))
            with contextlib.suppress(TimeoutError):
                wait(future, timeout=1)
        results = future.result()
    except KilledWorker as error:
        # Dask blames all tasks that a dead worker held: the fatal one is among those that failed.
        time.sleep(1)  # until their errors, too, arrive
        held = [batch, *(other for other, future in later if future.status == "error")]
        names = name_some([f"{_name(items[0])} to {_name(items[-1])}" for items in held])
        raise InputError(
            f"cannot compute {names}: {error.allowed_failures + 1} workers died. Check these "
            "images, and the memory of the workers."
        ) from None
    except LOST:
        if future.status == "error":  # the function raised it
            raise
        raise _no_cluster("no connection to the scheduler, or no worker") from None
    except ModuleNotFoundError as error:
        raise _no_cluster(f"one without the driver's packages ({error})") from None
    if isinstance(results, str):
        raise _no_cluster(results)
    return results


def compute_batch(
    run: str, expected: set[tuple[str, str | None]], cores: str, function: bytes, items: bytes
) -> list | str:
    """Return the results of pickled items, or the versions in which this worker differs.

    A worker that raised an exception instead would be restarted by its nanny, or the task would
    run again. A single thread imports the function's modules.
    """
    with _loading:
        if run not in _functions:
            differing = [f"{name} {installed}" for name, installed in _versions() - expected]
            if differing:
                return f"worker {get_worker().address} with {name_some(differing)}"
            os.environ[cores] = str(get_worker().state.nthreads)
            _functions.clear()  # free the objects of earlier runs
            _functions[run] = pickle.loads(function)
        compute = _functions[run]
    return [compute(item) for item in pickle.loads(items)]


def _versions() -> set[tuple[str, str | None]]:
    python = platform.python_version().rpartition(".")[0]
    own = {("Python", python), ("processor", architecture()), (DISTRIBUTION, installed_version())}
    return own | {(package, version(package)) for package in PACKAGES}


def _name(item: object) -> str:
    return str(item[0] if isinstance(item, tuple) else item)


def _no_cluster(problem: str) -> InputError:
    return InputError(
        f"PAWPRINT_DASK: expected a usable worker. Received: {problem}. Start other "
        "workers (`pawprint docs costs`), or unset PAWPRINT_DASK."
    )
