"""Count the cores that this process may use."""

import contextlib
import math
import os
from pathlib import Path

CORES = "PAWPRINT_CORES"  # set on a worker of a cluster, to its number of threads
# Files with a container's CPU time in each period and the period, in microseconds. Without a limit,
# the time is "max" or -1.
CGROUPS = (
    (Path("/sys/fs/cgroup/cpu.max"),),
    (
        Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ),
)


def count_cores() -> int:
    """Return the number of cores that this process may use, also in a container.

    joblib counts them as well, but stages would import it for this alone.
    """
    if CORES in os.environ:
        return int(os.environ[CORES])
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    for files in CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            time, period = (int(n) for file in files for n in file.read_text("ascii").split())
            cores = min(cores, math.ceil(time / period)) if time > 0 else cores
    return cores
