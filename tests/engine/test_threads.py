import itertools
import os
import threading

import pytest

from pawprint.engine import mapping
from pawprint.engine.mapping import AHEAD, WAITING, count_cores, map_in_threads


def test_results_come_in_order_and_are_computed_only_a_little_ahead():
    numbers = []
    results = map_in_threads(
        lambda number: number * 2, (numbers.append(n) or n for n in itertools.count())
    )
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    assert len(numbers) <= 3 + AHEAD


@pytest.mark.parametrize(
    ("quota", "cores"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 3)]
)
def test_container_limits_the_number_of_cores(tmp_path, monkeypatch, quota, cores):
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    monkeypatch.setattr(mapping, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert count_cores() == cores


@pytest.mark.skipif(count_cores() < 2, reason="needs two cores")
def test_results_are_computed_by_several_threads():
    barrier = threading.Barrier(2, timeout=60)
    assert list(map_in_threads(lambda _: barrier.wait() >= 0, range(2))) == [True, True]


def test_functions_that_wait_for_a_network_have_more_threads_than_cores():
    number = count_cores() + WAITING
    barrier = threading.Barrier(number, timeout=60)
    tasks = map_in_threads(lambda _: barrier.wait() >= 0, range(number), waits=True)
    assert all(tasks)
