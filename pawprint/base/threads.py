"""Apply a function to many images, using a thread per core or a Dask cluster; show progress."""

import contextlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pawprint.base.errors import InputError

if TYPE_CHECKING:
    from tqdm import tqdm

CORES = "PAWPRINT_CORES"  # set on a worker of a cluster, to its number of threads
# A container's CPU time in each period, and the period. Without a limit, the time is "max".
CGROUP = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Return the number of cores that this process may use, also in a container.

    joblib counts them as well, but stages would import it for this alone.
    """
    if CORES in os.environ:
        return int(os.environ[CORES])
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        time, period = map(int, CGROUP.read_text("ascii").split())
        cores = min(cores, math.ceil(time / period))
    return cores


AHEAD = 64  # maximum number of results computed ahead of the caller
WAITING = 2  # the number of further threads for functions that wait for a network


def map_in_threads(function: Callable, items: Iterable, waits: bool = False) -> Iterator:
    """Yield `function(item)` for each item in order, using one thread per core.

    Threads are sufficient, because decoding, warping and running a network release the interpreter
    lock. `waits` means that the function runs a network, which OpenVINO does in threads of its own:
    further threads then keep the cores busy. At most AHEAD results are kept in memory.
    """
    pending: deque = deque()
    threads = ThreadPoolExecutor(count_cores() + (WAITING if waits else 0))
    try:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


VARIABLE = "PAWPRINT_DASK"


def map_items(
    function: Callable, items: Iterable, chunk: int = 16, waits: bool = False
) -> Iterator:
    """Return `function(item)` for each item in order, using threads or the PAWPRINT_DASK cluster.

    PAWPRINT_DASK is the address of a scheduler (`tcp://…` or `tls://…`) or the path of its
    scheduler file. On a cluster, the function and its results must be picklable with cloudpickle,
    they may only contain absolute paths, and an item must be a name or a tuple that begins with
    one. A task has `chunk` items and may run more than once. `waits` is as in `map_in_threads`.
    Raises InputError, for example if a worker has other versions of packages than this process.
    """
    if scheduler := os.environ.get(VARIABLE):
        try:
            from pawprint.base.dask import map_on_cluster
        except ModuleNotFoundError as error:
            from pawprint.base.package import install_command

            raise InputError(
                f"{VARIABLE}: packages of the `dask` extra are missing: {error}. Run "
                f"`{install_command('dask')}`, or unset the variable."
            ) from None
        return map_on_cluster(scheduler, CORES, function, items, chunk)
    return map_in_threads(function, items, waits)


def track(
    items: Iterable | None, title: str, total: int | None = None, unit: str = "image"
) -> "tqdm":
    """Yield the items and show on a bar how many are taken.

    `total` is needed if they have no length. Without items, the bar's `update` counts up to
    `total`, or without an end if it is None. The unit "B" is shown with prefixes, such as "MB".
    There is no bar if the output is not a terminal.
    """
    from tqdm import tqdm  # imported here because most stages show no bar

    return tqdm(items, title, total, unit=unit, unit_scale=unit == "B", disable=None)
