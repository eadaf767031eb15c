"""Compiled networks.

OpenVINO compiles a network for one image at a time, whose feature maps stay in a core's cache,
and runs one image per core. docs/decisions/07 has the measurements.
"""

import tempfile
import threading
from pathlib import Path

import joblib
import numpy as np
import openvino

CORES = joblib.cpu_count()  # that this process may use


class CompiledNetwork:
    """A network as a function of one image that several threads may call.

    Pickled, it is the network, which another process compiles for its own processor.
    """

    def __init__(self, network: openvino.Model, compiled: openvino.CompiledModel) -> None:
        self._network = network
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Each output, float32 without the axis of the batch, for uint8 `(size, size, 3)`."""
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        results = self._local.request.infer([pixels[None]])
        return [results[output][0] for output in self._compiled.outputs]

    def __reduce__(self) -> tuple:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "network.xml")
            openvino.serialize(self._network, path)
            return _read_and_compile, (path.read_bytes(), path.with_suffix(".bin").read_bytes())


def compile_for_cpu(network: openvino.Model) -> CompiledNetwork:
    """Compile a network that takes uint8 pixels `(batch, size, size, 3)`."""
    shape = [length.get_length() for length in list(network.input().partial_shape)[1:]]
    single = network.clone()
    single.reshape([1, *shape])
    compiled = openvino.compile_model(
        single,
        "CPU",
        {
            "NUM_STREAMS": CORES,
            "INFERENCE_NUM_THREADS": CORES,
            # Two processes, such as Dask workers, would pin their threads to the same cores.
            "ENABLE_CPU_PINNING": False,
            # Where the processor has bfloat16, OpenVINO would use it: faster, but other numbers.
            "INFERENCE_PRECISION_HINT": "f32",
        },
    )
    run = CompiledNetwork(network, compiled)
    # OpenVINO's binding to NumPy starts on first use. Two threads that use it first at the same
    # moment wait for each other for ever, so this thread is the first.
    run(np.zeros(shape, np.uint8))
    return run


def _read_and_compile(network: bytes, weights: bytes) -> CompiledNetwork:
    return compile_for_cpu(openvino.Core().read_model(network, weights))
