"""Distribute work over the workers of a Dask cluster. docs/decisions/21 explains the design."""

import contextlib
import functools
import importlib
import inspect
import itertools
import json
import logging
import operator
import os
import pickle
import platform
import queue
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import cloudpickle
import dask
import joblib
from distributed import Client, Future, get_worker
from distributed.scheduler import KilledWorker

from pawprint.cores import CORES
from pawprint.errors import InputError, printable, reason, without_secrets
from pawprint.pipeline.fingerprint import syntax_of

AHEAD = 1000  # maximum number of tasks submitted ahead
PROOF = 8  # items that the driver and every worker process compute, to compare the results
# Packages that affect the bytes of results, or that serialise functions and results.
PACKAGES = (
    *("cloudpickle", "distributed", "joblib", "numpy", "opencv-python-headless", "openvino"),
    *("pi-heif", "pillow", "scipy"),
)
LOST = (CancelledError, OSError, TimeoutError)  # errors of a lost connection to the scheduler
_ADMISSION = threading.Lock()
# In a worker process, this is the function of a run or the reason for rejecting the worker.
_admissions: dict[str, Callable | str] = {}


class Proof(NamedTuple):
    """The state of the driver, which a worker process must match to take part in a run.

    `functions` contains, in pickled form, the function of the run, and the function and items of
    the proof. `expected` contains the hashes of the proof's results, and `code` the hash of each
    module.
    """

    run: str
    versions: dict[str, str]
    code: dict[str, str]
    functions: bytes
    expected: list[str]


def map_on_cluster(
    scheduler: str,
    function: Callable,
    items: Iterable,
    chunk: int,
    proof: tuple[Callable, list] | None,
) -> Iterator:
    """Map like `mapping.map_items`. Without `proof`, the driver computes the first items itself."""
    client = connect(scheduler)
    items = iter(items)
    prove, samples = proof or (function, list(itertools.islice(items, PROOF)))
    results = [prove(item) for item in samples]
    if proof is None:
        yield from results
    shared = Proof(
        uuid.uuid4().hex,
        _versions(),
        {name: _code(name) for name in sorted(sys.modules) if name.startswith("pawprint.")},
        cloudpickle.dumps((function, prove, samples)),
        [_result_hash(result) for result in results],
    )
    yield from ClusterRun(client, shared).results(items, chunk)


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


class ClusterRun:
    """A run of one function on a cluster, where workers may come and go."""

    def __init__(self, client: Client, proof: Proof) -> None:
        # The function is a separate task, so that workers send it to each other and Dask repeats it
        # if they die. The scheduler unpickles the functions of tasks, but does not need to have
        # this package.
        compute = pickle.dumps(functools.partial(_compute, proof))
        self.client = client
        self.compute = client.submit(pickle.loads, compute, pure=False)
        self.refused: set[str] = set()  # addresses of workers
        # The items and the position of the first one.
        self.running: dict[Future, tuple[int, list]] = {}
        self.suspects: dict[int, list] = {}  # single items, keyed by position
        self.done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self.submitted = 0  # number of items so far, and position of the next one

    def results(self, items: Iterator, chunk: int) -> Iterator:
        """Yield the results in the order of the items. Each task has `chunk` items."""
        waiting: dict[int, object] = {}  # results received out of order, keyed by position
        due = 0
        try:
            while self.submit_next(items, chunk, AHEAD - len(waiting) // chunk):
                try:
                    waiting.update(self.take(self.done.get(timeout=1)))
                except queue.Empty:
                    self.workers()
                while due in waiting:
                    yield waiting.pop(due)
                    due += 1
        finally:
            with contextlib.suppress(*LOST):
                self.client.cancel([self.compute, *self.running])

    def submit_next(self, items: Iterator, chunk: int, most: int) -> bool:
        """Submit items while fewer than `most` tasks run, and return whether any task is running.

        A suspect item runs alone.
        """
        if self.suspects and not self.running:
            self.submit(*next(iter(self.suspects.items())))
        while not self.suspects and len(self.running) < most:
            batch = list(itertools.islice(items, chunk))
            if not batch:
                break
            self.submit(self.submitted, batch)
            self.submitted += len(batch)
        return bool(self.running)

    def submit(self, start: int, items: list) -> None:
        """Submit a task for these items, where the first one has the position `start`."""
        options = {}
        if self.refused:  # only a preference: a restarted worker has a new address
            workers = list(self.workers() - self.refused)
            options = {"workers": workers, "allow_other_workers": True}
        future = self.client.submit(
            operator.call, self.compute, pickle.dumps(items), pure=False, retries=2, **options
        )
        self.running[future] = start, items
        future.add_done_callback(self.done.put)

    def take(self, future: Future) -> Iterable[tuple[int, object]]:
        """Return the results of a task with their positions, or none if the task runs again."""
        start, items = self.running.pop(future)
        try:
            results = future.result()
        except KilledWorker as error:
            self.suspect(start, items, error.allowed_failures + 1)
            return ()
        except LOST:
            if future.status == "error":  # the function raised it
                raise
            raise _no_cluster("no connection to the scheduler") from None
        except ModuleNotFoundError as error:
            raise _no_cluster(f"one without the driver's packages ({error})") from None
        if isinstance(results, list):
            self.suspects.pop(start, None)
            return enumerate(results, start)
        self.refuse(*results)
        self.submit(start, items)
        return ()

    def suspect(self, start: int, items: list, deaths: int) -> None:
        """Run each item of a task whose workers died alone. Raises InputError if it already did."""
        if start in self.suspects:
            raise InputError(
                f"cannot compute {printable(_name(items[0]))}: {deaths} workers died. Check its "
                "images, and the memory of the workers."
            ) from None
        # Other tasks on the same worker fail too, so any of their items may have killed it.
        self.suspects |= {place: [item] for place, item in enumerate(items, start)}

    def refuse(self, address: str, problem: str) -> None:
        """Prefer other workers from now on. Raises InputError if there are none."""
        if address in self.refused:
            return
        self.refused.add(address)
        if self.workers() <= self.refused:
            raise _no_cluster(f"worker {address}: {printable(problem)}")
        print(f"PAWPRINT_DASK: worker {address} is not used: {printable(problem)}", file=sys.stderr)

    def workers(self) -> set[str]:
        """Return the addresses of all workers. Raises InputError if none connects in time."""
        timeout = dask.config.get("distributed.comm.timeouts.connect")
        try:
            self.client.wait_for_workers(1, timeout)
            return set(self.client.nthreads())
        except LOST:
            suspect = next(iter(self.suspects.values()), None)
            last = f"; the last ones died with {printable(_name(suspect[0]))}" if suspect else ""
            raise _no_cluster(f"none within {timeout}{last}") from None


def _compute(proof: Proof, items: bytes) -> list | tuple[str, str]:
    """Return the results of pickled items, or the worker's address and why it is rejected.

    This runs on a worker. The first task of a run in a process decides whether the worker is
    admitted, and other tasks wait for it. In this way, a single thread imports the modules and uses
    OpenVINO for the first time.
    """
    with _ADMISSION:
        if proof.run not in _admissions:
            admission: Callable | str
            try:
                admission = _admit(proof)
            except Exception as error:  # this worker may raise any exception
                admission = reason(error)
            _admissions.clear()  # free the objects of earlier runs
            _admissions[proof.run] = admission
        function = _admissions[proof.run]
    if isinstance(function, str):
        return get_worker().address, function
    return [function(item) for item in pickle.loads(items)]


def _admit(proof: Proof) -> Callable:
    """Return the function of a run. Raises an exception if this process differs from the driver."""
    installed = _versions()
    for name, expected in proof.versions.items():
        if installed[name] != expected:
            raise RuntimeError(f"expected {name} {expected}. Received: {installed[name]}")
    os.environ[CORES] = str(get_worker().state.nthreads)
    function, prove, samples = pickle.loads(proof.functions)
    for name in proof.code.keys() & sys.modules.keys():  # the modules that the functions import
        if _code(name) != proof.code[name]:
            raise RuntimeError(f"{name} differs from the driver's. Restart the workers")
    for item, expected in zip(samples, proof.expected, strict=True):
        if _result_hash(prove(item)) != expected:
            raise RuntimeError(
                f"its output for {_name(item)} differs from the driver's, because the processor "
                "or a file differs"
            )
    return function


@functools.cache
def _code(module: str) -> str:
    """Return the hash of a module's syntax, computed once per process after its import.

    A worker that imported a module before its file was edited therefore differs from the driver.
    """
    path = Path(inspect.getfile(importlib.import_module(module)))
    return joblib.hash(syntax_of(path.read_text(encoding="utf-8")))


def _versions() -> dict[str, str]:
    python = platform.python_version().rpartition(".")[0]
    return {"Python": python} | {package: version(package) for package in PACKAGES}


def _result_hash(result: object) -> str:
    """Return a hash of values and their memory layout, which is canonical after one pickling."""
    return joblib.hash(pickle.loads(pickle.dumps(result)))


def _name(item: object) -> str:
    return str(item[0] if isinstance(item, tuple) else item)


def _no_cluster(problem: str) -> InputError:
    return InputError(
        f"PAWPRINT_DASK: expected a usable worker. Received: {problem}. Start other "
        "workers (docs/scale.md), or unset PAWPRINT_DASK."
    )
