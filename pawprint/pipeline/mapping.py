"""Apply a function to many images, using threads or a Dask cluster."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from pawprint.base.cores import count_cores
from pawprint.base.errors import InputError

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
            from pawprint.pipeline.dask import map_on_cluster
        except ModuleNotFoundError as error:
            from pawprint.base.package import install_command

            raise InputError(
                f"{VARIABLE}: packages of the `dask` extra are missing: {error}. Run "
                f"`{install_command('dask')}`, or unset the variable."
            ) from None
        return map_on_cluster(scheduler, function, items, chunk)
    return map_in_threads(function, items, waits)
