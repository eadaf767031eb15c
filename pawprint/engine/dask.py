"""Map work over the workers of a Dask cluster. docs/decisions/21 has the reasons."""

import contextlib
import functools
import io
import itertools
import json
import logging
import pickle
import platform
import queue
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from importlib.metadata import version
from pathlib import Path

import cloudpickle
import dask
from distributed import Client, Future
from distributed.scheduler import KilledWorker

from pawprint.core.errors import InputError, printable, reason
from pawprint.core.files import pack
from pawprint.core.sources import without_secrets
from pawprint.engine import worker
from pawprint.engine.worker import hash_of, name_of

AHEAD = 1000  # tasks that run, wait, or have results that are not due yet
PROOF = 8  # items that the driver computes, and every worker process as its proof
# They decide the bytes of results, or carry functions and results.
PACKAGES = (
    *("cloudpickle", "distributed", "imagehash", "joblib", "numpy", "opencv-python-headless"),
    *("openvino", "pi-heif", "pillow", "scipy"),
)
LOST = (CancelledError, OSError, TimeoutError)  # the connection to the scheduler
# A worker of another Python can run source, but no pickled function.
COMPUTE = "exec(source, names) or names['compute'](run, items)"


def map_on_cluster(
    scheduler: str,
    function: Callable,
    items: Iterable,
    chunk: int,
    proof: tuple[Callable, list] | None,
) -> Iterator:
    """As `mapping.map_items`. Without `proof` the first items are computed on the driver."""
    client, items = connect(scheduler), iter(items)
    prove, known = proof or (function, list(itertools.islice(items, PROOF)))
    results = [prove(item) for item in known]
    if proof is None:
        yield from results
    run = {
        "name": uuid.uuid4().hex,
        "modules": _imported_modules(),
        "versions": {"Python": platform.python_version().rpartition(".")[0]}
        | {p: version(p) for p in PACKAGES},
        "functions": cloudpickle.dumps((function, prove, known)),
        "expected": [hash_of(result) for result in results],
    }
    yield from Run(client, run).results(items, chunk)


@functools.cache
def connect(scheduler: str) -> Client:
    """Connect, and print where, once in a process. Raises InputError if no scheduler answers."""
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are explained here
    # A function has its network in it.
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
    shown = without_secrets(f"scheduler {scheduler}, dashboard {client.dashboard_link}")
    print(f"Dask: {shown}", file=sys.stderr)
    return client


class Run:
    """One function over a cluster whose workers come and go."""

    def __init__(self, client: Client, run: dict) -> None:
        # A task of its own: workers send it to each other, and Dask repeats it if they die.
        self.client, self.run = client, client.submit(dict, run, pure=False)
        self.source = Path(worker.__file__).read_text(encoding="utf-8")
        self.refused: set[str] = set()  # addresses of workers
        self.running: dict[Future, tuple[int, list]] = {}  # items, and the position of the first
        self.done: queue.SimpleQueue[Future] = queue.SimpleQueue()

    def results(self, items: Iterator, chunk: int) -> Iterator:
        waiting: dict[int, object] = {}  # results that are not due yet, by position
        due = start = 0
        try:
            while True:
                room = AHEAD - len(self.running) - len(waiting) // chunk
                for _ in range(room):
                    if more := list(itertools.islice(items, chunk)):
                        self.submit(start, more)
                        start += len(more)
                if not self.running:
                    return
                try:
                    waiting.update(self.take(self.done.get(timeout=1)))
                except queue.Empty:
                    self.workers()
                while due in waiting:
                    if isinstance(result := waiting.pop(due), InputError):
                        raise result
                    yield result
                    due += 1
        finally:
            with contextlib.suppress(*LOST):
                self.client.cancel([self.run, *self.running])

    def submit(self, start: int, items: list) -> None:
        where = {}
        if self.refused:  # a preference, because a restarted worker has another address
            others = list(self.workers() - self.refused)
            where = {"workers": others, "allow_other_workers": True}
        names = {"source": self.source, "names": {"__name__": worker.__name__}}
        names |= {"run": self.run, "items": pickle.dumps(items)}
        future = self.client.submit(eval, COMPUTE, names, pure=False, retries=2, **where)
        self.running[future] = start, items
        future.add_done_callback(self.done.put)

    def take(self, future: Future) -> Iterable[tuple[int, object]]:
        """Results of a task with their positions; none if its worker handed it back."""
        start, items = self.running.pop(future)
        try:
            results = future.result()
        except KilledWorker as error:
            first, last = (printable(name_of(items[place])) for place in (0, -1))
            problem = InputError(
                f"{first} to {last}: expected a worker to compute them. Received: "
                f"{error.allowed_failures + 1} workers that died. Check the images, and the memory "
                "of the workers."
            )
            return [(start, problem)]  # raised when due: tasks that waited behind it fail too
        except CancelledError:
            raise _unusable("no connection to the scheduler") from None
        if isinstance(results, list):
            return enumerate(results, start)
        address, why = results
        if address not in self.refused:
            self.refused.add(address)
            if self.workers() <= self.refused:
                raise _unusable(f"worker {address}: {printable(why)}")
            print(f"PAWPRINT_DASK: worker {address} is not used: {printable(why)}", file=sys.stderr)
        self.submit(start, items)
        return ()

    def workers(self) -> set[str]:
        """Addresses of the workers. Raises InputError if there are none for a while."""
        timeout = dask.config.get("distributed.comm.timeouts.connect")
        try:
            self.client.wait_for_workers(1, timeout)
            return set(self.client.nthreads())
        except LOST:
            raise _unusable(f"none within {timeout}") from None


def _imported_modules() -> bytes:
    """A zip of the project's modules that this process has imported."""
    contents = [("pawprint/", b"")]  # Python looks for the folder in a zip
    for name, module in sorted(sys.modules.items()):
        if name.startswith("pawprint."):
            is_package = module.__spec__.parent == name
            path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
            contents.append((path, Path(module.__file__).read_bytes()))
    buffer = io.BytesIO()
    pack(buffer, contents)
    return buffer.getvalue()


def _unusable(received: str) -> InputError:
    return InputError(
        f"PAWPRINT_DASK: expected a worker that can compute. Received: {received}. Start other "
        "workers (docs/scale.md), or unset PAWPRINT_DASK."
    )
