"""Map work over the workers of a Dask cluster. docs/decisions/21 has the reasons."""

import contextlib
import functools
import io
import itertools
import json
import logging
import operator
import pickle
import platform
import queue
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import cloudpickle
import dask
import joblib
from distributed import Client, Future
from distributed.scheduler import KilledWorker

from pawprint.core.errors import InputError, printable, reason
from pawprint.core.files import pack
from pawprint.engine import worker as worker_side

CHUNK = 16  # items in a task
AHEAD = 3  # tasks for each thread of a worker: one is computed, others wait there
PROOF = 8  # items that this computer computes, and every worker as its proof
MAX_DEATHS = 3  # of workers that had an item
TIMEOUT = 10  # seconds to bring a result here, or its worker is lost
# They decide the bytes of results, or carry functions and results.
PACKAGES = (
    "cloudpickle",
    "distributed",
    "imagehash",
    "joblib",
    "numpy",
    "opencv-python-headless",
    "openvino",
    "pi-heif",
    "pillow",
    "scipy",
)
LOST = (CancelledError, KilledWorker, OSError, TimeoutError)  # the worker, or the way to it


@dataclass
class Chunk:
    """The items of a task, and the position of the first one among all items."""

    start: int
    items: list
    deaths: int = 0  # of workers that had it

    def __str__(self) -> str:
        return " to ".join(dict.fromkeys(map(_name, (self.items[0], self.items[-1]))))


@dataclass
class Worker:
    threads: int
    compute: Future  # the function, which stays on the worker
    proof: Future | None  # None: the worker is admitted
    chunks: dict[Future, Chunk] = field(default_factory=dict)


def map_on_cluster(scheduler: str, function: Callable, items: Iterable) -> Iterator:
    """As `mapping.map_items`. The first items are computed on this computer."""
    client = connect(scheduler)
    items = iter(items)
    known = list(itertools.islice(items, PROOF))
    results = [function(item) for item in known]
    yield from results
    if more := list(itertools.islice(items, CHUNK)):
        run = Run(client, function, known, results)
        yield from run.results(itertools.chain(more, items))


@functools.cache
def connect(scheduler: str) -> Client:
    """Connect, and print where, once in a process. Raises InputError if no scheduler answers."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are explained here
    # A function has its network in it.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
    try:
        if "://" in scheduler:
            client = Client(scheduler, direct_to_workers=True)
        else:
            json.loads(Path(scheduler).read_text(encoding="utf-8"))  # Client waits for the file
            client = Client(scheduler_file=scheduler, direct_to_workers=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            "PAWPRINT_DASK: expected the address or the file of a running Dask scheduler. "
            f"Received: {printable(scheduler)} ({reason(error)}). Start one, or unset the variable."
        ) from None
    print(f"Dask: scheduler {scheduler}, dashboard {client.dashboard_link}", file=sys.stderr)
    return client


class Run:
    """One function over a cluster whose workers come and go.

    A task names its worker, because only admitted ones may compute. The tasks of a worker that died
    go to another one. After two deaths their items are computed one by one, each alone on its
    worker, so that a third death tells which item it was.
    """

    def __init__(self, client: Client, function: Callable, known: list, results: list) -> None:
        self.client, self.known = client, known
        self.expected = [_hash(result) for result in results]
        # A task of its own, so that workers send it to each other.
        self.function = client.submit(bytes, cloudpickle.dumps(function), pure=False)
        self.modules = _imported_modules()
        self.versions = {package: version(package) for package in PACKAGES}
        self.workers: dict[str, Worker] = {}  # by address
        self.refused: set[str] = set()
        self.deaths = 0  # during the proof
        self.done: queue.SimpleQueue[tuple[str, Future]] = queue.SimpleQueue()
        self.again: deque[Chunk] = deque()
        self.alone: deque[Chunk] = deque()
        self.waiting: dict[int, object] = {}  # results that are not due yet, by position

    def results(self, items: Iterator) -> Iterator:
        chunks = _chunks(items)
        position, next_look = PROOF, 0.0
        try:
            while True:
                if time.monotonic() > next_look:
                    self.look()
                    next_look = time.monotonic() + 1
                while position in self.waiting:
                    yield self.waiting.pop(position)
                    position += 1
                if self.feed(chunks):
                    return
                with contextlib.suppress(queue.Empty):
                    self.take(*self.done.get(timeout=1))
        finally:
            self.cancel(*self.workers.values())

    def look(self) -> None:
        """Notice which workers came and went. Raises InputError if there are none."""
        timeout = dask.config.get("distributed.comm.timeouts.connect")
        try:
            self.client.wait_for_workers(1, timeout)
            threads = self.client.nthreads()
            new = threads.keys() - self.workers.keys() - self.refused
            versions = self.client.get_versions()["workers"] if new else {}
        except LOST:
            died = f", after workers died with {self.again[0]}" if self.again else ""
            raise _unusable(f"none within {timeout}{died}") from None
        for address in self.workers.keys() - threads.keys():
            self.lose(self.workers.pop(address))
        others = []
        for address in sorted(new & versions.keys()):
            # Pickled functions hold bytecode, which another Python cannot run.
            python = versions[address]["host"]["python"]
            if python.split(".")[:2] == platform.python_version().split(".")[:2]:
                self.install(address, threads[address])
            else:
                others.append((address, f"Python {python}"))
        for address, python in others:
            self.refuse(address, f"expected Python {platform.python_version()}. Received: {python}")

    def install(self, address: str, threads: int) -> None:
        """Send a worker the function, and the first items as its proof."""
        # By name only functions of the standard library are sent: neither the scheduler nor a
        # worker needs a copy of this project.
        install = self.submit(address, pickle.loads, _by_value(worker_side.install))
        arguments = (self.modules, self.function, self.versions)
        compute = self.submit(address, operator.call, install, *arguments)
        proof = self.submit(address, operator.call, compute, pickle.dumps(self.known))
        self.workers[address] = Worker(threads, compute, proof)

    def submit(self, address: str, function: Callable, *arguments: object) -> Future:
        future = self.client.submit(function, *arguments, workers=[address], pure=False, retries=2)
        future.add_done_callback(lambda future: self.done.put((address, future)))
        return future

    def feed(self, chunks: Iterator[Chunk]) -> bool:
        """Give tasks to admitted workers that have few. Returns whether everything is computed."""
        admitted = {at: worker for at, worker in self.workers.items() if worker.proof is None}
        limit = AHEAD * CHUNK * sum(worker.threads for worker in admitted.values())
        fresh = chunks if len(self.waiting) <= limit else iter(())
        for address, worker in admitted.items():
            while len(worker.chunks) < AHEAD * worker.threads:
                chunk = self.next_chunk(worker, fresh)
                if chunk is None:
                    break
                items = pickle.dumps(chunk.items)
                worker.chunks[self.submit(address, operator.call, worker.compute, items)] = chunk
        return bool(admitted) and not any(worker.chunks for worker in admitted.values())

    def next_chunk(self, worker: Worker, fresh: Iterator[Chunk]) -> Chunk | None:
        """What to give to a worker, if anything."""
        if self.alone and not worker.chunks:
            return self.alone.popleft()
        if self.alone or any(chunk.deaths > 1 for chunk in worker.chunks.values()):
            return None
        return self.again.popleft() if self.again else next(fresh, None)

    def take(self, address: str, future: Future) -> None:
        """Take the result of a task."""
        worker = self.workers.get(address)
        if worker is None:  # its tasks were given to others
            return
        if future is worker.proof:
            self.admit(address, worker)
        elif chunk := worker.chunks.pop(future, None):
            try:
                results = future.result(TIMEOUT)
            except LOST as error:
                self.repeat(chunk, reason(error))
                return
            self.waiting.update(enumerate(results, chunk.start))

    def admit(self, address: str, worker: Worker) -> None:
        """Admit a worker that gives the same bytes as this computer."""
        if worker.proof.status == "error":  # the function cannot be loaded there
            self.refuse(address, reason(worker.proof.exception()))
            return
        try:
            results = worker.proof.result(TIMEOUT)
        except LOST:
            self.done.put((address, worker.proof))  # unless `look` notices that the worker died
            return
        for item, result, expected in zip(self.known, results, self.expected):
            if _hash(result) != expected:
                what = f"expected the same bytes as on this computer for {_name(item)}"
                self.refuse(address, f"{what}. Received: others, as of another processor or file")
                return
        worker.proof = None

    def refuse(self, address: str, why: str) -> None:
        """Go on without a worker. Raises InputError if there is no other one."""
        self.refused.add(address)
        if worker := self.workers.pop(address, None):
            self.cancel(worker)
        if not self.workers:
            raise _unusable(f"worker {address}: {why}")
        print(f"PAWPRINT_DASK: worker {address} is not used: {why}", file=sys.stderr)

    def lose(self, worker: Worker) -> None:
        """Give the tasks of a worker that died to others."""
        self.cancel(worker)
        for chunk in worker.chunks.values():
            self.repeat(chunk, "its worker died")
        self.deaths += worker.proof is not None
        if self.deaths >= MAX_DEATHS:
            raise _unusable(f"{self.deaths} workers that died with {Chunk(0, self.known)}")

    def repeat(self, chunk: Chunk, why: str) -> None:
        chunk.deaths += 1
        if chunk.deaths == 1:
            self.again.append(chunk)
        elif chunk.deaths < MAX_DEATHS or len(chunk.items) > 1:
            singles = enumerate(chunk.items, chunk.start)
            self.alone.extend(Chunk(start, [item], chunk.deaths) for start, item in singles)
        else:
            raise InputError(
                f"{chunk}: expected a worker to compute it. Received, {chunk.deaths} times: {why}. "
                "Check the image, and the memory of the workers."
            )

    def cancel(self, *workers: Worker) -> None:
        """Forget the tasks of workers."""
        for worker in workers:
            with contextlib.suppress(*LOST):
                self.client.cancel([worker.compute, worker.proof or worker.compute, *worker.chunks])


def _chunks(items: Iterator) -> Iterator[Chunk]:
    for start in itertools.count(PROOF, CHUNK):
        if not (chunk := list(itertools.islice(items, CHUNK))):
            return
        yield Chunk(start, chunk)


def _name(item: object) -> str:
    return printable(str(item[0] if isinstance(item, tuple) else item))


def _hash(result: object) -> str:
    """Of the values and layout in memory, pickled once as those of a worker are."""
    return joblib.hash(pickle.loads(pickle.dumps(result)))


def _by_value(function: Callable) -> bytes:
    module = sys.modules[function.__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(function)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _imported_modules() -> bytes:
    """A zip of the project's modules that this process has imported."""
    contents = [("pawprint/", b"")]  # Python looks for the folder in a zip
    for name, module in sorted(sys.modules.items()):
        if name.startswith("pawprint."):
            path = name.replace(".", "/") + (
                "/__init__.py" if module.__spec__.parent == name else ".py"
            )
            contents.append((path, Path(module.__file__).read_bytes()))
    buffer = io.BytesIO()
    pack(buffer, contents)
    return buffer.getvalue()


def _unusable(received: str) -> InputError:
    return InputError(
        f"PAWPRINT_DASK: expected a worker that can compute. Received: {received}. Start other "
        "workers (docs/scale.md), or unset PAWPRINT_DASK."
    )
