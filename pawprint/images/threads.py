"""Apply a function to many images, one thread per core."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import joblib

AHEAD = 64  # results that may wait for the caller of map_in_threads


def map_in_threads(function: Callable, items: Iterable) -> Iterator:
    """`function(item)` of each item in order, computed ahead by one thread per core.

    Decoding, warping and running a network release the interpreter's lock. Memory holds only a
    few results: the threads wait when the caller does not keep up.
    """
    pending: deque = deque()
    with ThreadPoolExecutor(joblib.cpu_count()) as threads:
        for item in items:
            pending.append(threads.submit(function, item))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
