import itertools
import threading

import joblib
import pytest

from pawprint.engine.mapping import AHEAD, WAITING, map_in_threads


def test_results_come_in_order_and_are_computed_only_a_little_ahead():
    numbers = []
    results = map_in_threads(
        lambda number: number * 2, (numbers.append(n) or n for n in itertools.count())
    )
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    assert len(numbers) <= 3 + AHEAD


@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs two cores")
def test_results_are_computed_by_several_threads():
    barrier = threading.Barrier(2, timeout=60)
    assert list(map_in_threads(lambda _: barrier.wait() >= 0, range(2))) == [True, True]


def test_functions_that_wait_for_a_network_have_more_threads_than_cores():
    number = joblib.cpu_count() + WAITING
    barrier = threading.Barrier(number, timeout=60)
    tasks = map_in_threads(lambda _: barrier.wait() >= 0, range(number), waits=True)
    assert all(tasks)
