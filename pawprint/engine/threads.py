"""Apply a function to many images, one thread per core."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import joblib

AHEAD = 64  # results computed before the caller takes them


def map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """`function(item)` of each item in order, computed by one thread per core.

    Threads are enough, because decoding, warping and running a network release the interpreter
    lock. At most AHEAD results are in memory.
    """
    pending: deque = deque()
    threads = ThreadPoolExecutor(joblib.cpu_count())
    try:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
