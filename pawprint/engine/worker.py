"""What runs on a worker of the cluster.

This file is sent by value, and with it the modules of `pawprint`: a worker needs the packages, but
no copy of the project, and never computes with modules from before an edit.
"""

import hashlib
import os
import pickle
import sys
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def install(modules: bytes, function: bytes, versions: dict[str, str]) -> Callable[[bytes], list]:
    """A function that computes a pickled list of items.

    `modules` is a zip, `function` is pickled. Raises RuntimeError if a package has another version
    or the function cannot be loaded, for example because the archive is not found.
    """
    from distributed import get_worker

    for package, expected in versions.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "none"
        if found != expected:
            raise RuntimeError(f"expected {package} {expected}. Received: {found}")
    worker = get_worker()
    # Modules are imported, and OpenVINO is used for the first time, in one thread only.
    with vars(worker).setdefault("pawprint", threading.Lock()):
        # So that joblib.cpu_count() is the number of threads given to this worker.
        os.environ["LOKY_MAX_CPU_COUNT"] = str(worker.state.nthreads)
        path = Path(worker.local_directory, f"pawprint-{hashlib.sha256(modules).hexdigest()}.zip")
        if str(path) not in sys.path:
            path.write_bytes(modules)
            sys.path[:] = [str(path), *(each for each in sys.path if "pawprint-" not in each)]
            for name in [name for name in sys.modules if name.split(".")[0] == "pawprint"]:
                del sys.modules[name]
        compute_one = pickle.loads(function)
    return lambda items: [compute_one(item) for item in pickle.loads(items)]
