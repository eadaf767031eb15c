"""Networks that OpenVINO runs on the CPU, three times as fast as TensorFlow does.

OpenVINO compiles a network for one image at a time, whose feature maps stay in a core's cache,
and runs one image per core. docs/decisions/07 has the measurements. A file of a network has the
same bytes for the same network.
"""

import ctypes
import errno
import functools
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import joblib
import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

CORES = joblib.cpu_count()  # that this process may use


class CompiledNetwork:
    """A network as a function of one row of each input that several threads may call.

    Pickled, it is the network, which another process compiles for its own processor.
    """

    def __init__(self, network: openvino.Model, compiled: openvino.CompiledModel) -> None:
        self._network = network
        self._compiled = compiled
        self._local = threading.local()
        _networks.add(self)

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Return each output, float32; inputs and outputs are without the axis of the batch.

        Raises RuntimeError in a process forked from the one that compiled the network.
        """
        require_unforked()
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        results = self._local.request.infer([array[None] for array in inputs])
        return [results[output][0] for output in self._compiled.outputs]

    def __reduce__(self) -> tuple:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "network.xml")
            openvino.serialize(self._network, path)
            return _read_and_compile, (path.read_bytes(), path.with_suffix(".bin").read_bytes())


FORKED = (
    "OpenVINO: expected a process that starts it. Received: one forked from a process with a loaded"
    " model. Load the model after the fork, and none before it, or start processes with "
    "`multiprocessing.get_context('spawn')`."
)
_process: int | None = None  # the one in which OpenVINO has started its threads
_networks: weakref.WeakSet[CompiledNetwork] = weakref.WeakSet()


def _keep_networks() -> None:
    """Never free the networks that exist now: in a forked process that would wait for threads."""
    for network in _networks:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(network))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_keep_networks)


def _is_forked() -> bool:
    return _process not in (None, os.getpid())


def require_unforked() -> None:
    """Raise RuntimeError in a process forked from one that runs OpenVINO.

    Such a process has none of OpenVINO's threads. To wait for them never ends, and to start others
    ends the process.
    """
    if _is_forked():
        raise RuntimeError(FORKED)


def compile_for_cpu(network: openvino.Model) -> CompiledNetwork:
    """Compile a network for one row of each of its inputs, `(batch, …)`, such as uint8 pixels.

    Raises RuntimeError as `require_unforked`.
    """
    global _process
    require_unforked()
    _process = os.getpid()
    single = network.clone()
    single.reshape({port: [1, *_row_shape(port)] for port in single.inputs})
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
    run(*(np.zeros(_row_shape(port), port.element_type.to_dtype()) for port in single.inputs))
    return run


@functools.cache
def processor() -> str:
    """Return the name of the processor that runs networks. Another one may round otherwise."""
    return openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")


def _read_and_compile(network: bytes, weights: bytes) -> Callable[[np.ndarray], list[np.ndarray]]:
    if _is_forked():  # a pool waits for ever for a worker that fails here
        return _refuse
    return compile_for_cpu(openvino.Core().read_model(network, weights))


def _refuse(pixels: np.ndarray) -> NoReturn:
    """Raise RuntimeError in place of a network that a forked process was given."""
    raise RuntimeError(FORKED)


def take_uint8(network: openvino.Model) -> openvino.Model:
    """Return the network with an input of uint8 in place of float32."""
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    return steps.build()


def write_network(
    network: openvino.Model,
    path: Path,
    outputs: Sequence[str],
    inputs: Sequence[str] = ("pixels",),
) -> None:
    """Write `path`, an .xml file, and the weights beside it as .bin, with the names of both sides.

    A converter numbers nodes and tensors differently in every process, so nodes are named by their
    order, and no tensor has a name but the inputs and outputs. Model servers address both by name.
    The network is named by its file, because OpenVINO numbers the networks of a process.
    Raises OSError for a full disk.
    """
    network.set_friendly_name(path.stem)
    for index, node in enumerate(network.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{index}")
        info = node.get_rt_info()
        for key in [key for key in info if key.startswith("fused_names")]:
            del info[key]  # the names before
        for output in node.outputs():
            output.get_tensor().set_names(set())
    for port, name in zip((*network.inputs, *network.outputs), (*inputs, *outputs), strict=True):
        port.get_tensor().set_names({name})
    try:
        openvino.serialize(network, path)
    except RuntimeError:  # which does not say why
        raise OSError(errno.EIO, "OpenVINO cannot write the network", str(path)) from None


def read_network(path: Path) -> openvino.Model:
    """Return what `write_network` wrote. Raises RuntimeError if it is damaged.

    The network holds copies: both files may be replaced or deleted.
    """
    weights = path.with_suffix(".bin").read_bytes()
    return openvino.Core().read_model(path.read_bytes(), weights)


def image_size_of(network: openvino.Model) -> int:
    """Return the side in pixels of the squares that a network takes: its `model.image_size`.

    The stage `backbone` builds the extractor with this param. Stages that run the extractor, or
    write the served model, take the size from it, and `model.json` has it for predictions.
    """
    return network.input().partial_shape[1].get_length()


def input_shapes(network: openvino.Model) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input by its name, without the axis of the batch."""
    return {port.get_any_name(): _row_shape(port) for port in network.inputs}


def output_shapes(network: openvino.Model) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output by its name, without the axis of the batch."""
    return {port.get_any_name(): _row_shape(port) for port in network.outputs}


def _row_shape(port: openvino.Output) -> tuple[int, ...]:
    return tuple(length.get_length() for length in list(port.partial_shape)[1:])
