import itertools
import os
import threading

import pytest
from conftest import write_files

from pawprint.base import threads as module
from pawprint.base.threads import AHEAD, CORES, WAITING, count_cores, map_in_threads


def test_results_come_in_order_and_are_computed_only_a_little_ahead():
    numbers = []
    results = map_in_threads(
        lambda number: number * 2, (numbers.append(n) or n for n in itertools.count())
    )
    assert [next(results) for _ in range(3)] == [0, 2, 4]
    assert len(numbers) <= 3 + AHEAD


@pytest.mark.parametrize(
    ("time", "cores"), [("150000", 2), ("50000", 1), ("max", 3), ("900000", 3)]
)
def test_container_limits_the_number_of_cores(tmp_path, monkeypatch, time, cores):
    file = write_files(tmp_path, {"cpu.max": f"{time} 100000\n"}) / "cpu.max"
    monkeypatch.setattr(module, "CGROUP", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert count_cores() == cores


def test_worker_of_a_cluster_has_its_own_number_of_threads(monkeypatch):
    monkeypatch.setenv(CORES, "7")
    assert count_cores() == 7


@pytest.mark.skipif(count_cores() < 2, reason="needs two cores")
def test_results_are_computed_by_several_threads():
    barrier = threading.Barrier(2, timeout=60)
    assert list(map_in_threads(lambda _: barrier.wait() >= 0, range(2))) == [True, True]


def test_functions_that_wait_for_a_network_have_more_threads_than_cores():
    number = count_cores() + WAITING
    barrier = threading.Barrier(number, timeout=60)
    tasks = map_in_threads(lambda _: barrier.wait() >= 0, range(number), waits=True)
    assert all(tasks)
