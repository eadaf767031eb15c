"""Run networks with OpenVINO on the CPU, which is three times as fast as TensorFlow.

OpenVINO compiles a network for one image at a time, so that its feature maps stay in the cache of a
core, and runs one image per core; docs/decisions/41 has measurements. The file of a network has the
same bytes for the same network.
"""

import contextlib
import errno
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from pawprint.base.threads import count_cores

operations = openvino.opset15
CORES = count_cores()  # number of cores available to this process
# Kernels for AVX-512 add in another order than those for AVX2, so their last bits differ. The first
# variable limits oneDNN, the second OpenVINO's own kernels (docs/decisions/41).
LIMITS = {"ONEDNN_MAX_CPU_ISA": "AVX2", "OV_CPU_MAX_ISA": "AVX2"}


class CompiledNetwork:
    """A network as a function of one row per input. Several threads may call it at once.

    Pickling stores `network`, which another process then compiles for its own processor.
    """

    def __init__(self, network: openvino.Model, compiled: openvino.CompiledModel) -> None:
        self.rows: int = compiled.inputs[0].shape[0]
        self.network = network
        self._compiled = compiled
        self._local = threading.local()

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Return each output as float32. Inputs and outputs have no batch axis."""
        return [output[0] for output in self.run_block(*(array[None] for array in inputs))]

    def run_block(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Do the same for as many rows at once as the network was compiled for."""
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        results = self._local.request.infer([*inputs])
        return [results[output] for output in self._compiled.outputs]

    def __reduce__(self) -> tuple:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "network.xml")
            openvino.serialize(self.network, path)
            files = path.read_bytes(), path.with_suffix(".bin").read_bytes()
            return read_and_compile, (*files, self.rows)


_has_read_limits = False
_environment = threading.Lock()  # held while LIMITS are set


def compile_reproducible(network: openvino.Model, **options: int) -> openvino.CompiledModel:
    """Compile a network so that all processors with AVX2 compute the same bits, in float32.

    Last bits may differ if this process loaded OpenVINO's CPU plugin before, without LIMITS. After
    the first call, all networks that the process runs in OpenVINO keep to them.
    """
    with _limits():
        # On processors with bfloat16, OpenVINO would use it, which is faster but less exact.
        return openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"} | options)


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    """Set LIMITS in the first block only, in which OpenVINO reads them.

    Other libraries of this process, such as PyTorch, would follow one of them.
    """
    global _has_read_limits
    if _has_read_limits:
        yield
        return
    with _environment:
        before = {name: os.environ[name] for name in LIMITS if name in os.environ}
        os.environ |= LIMITS
        try:
            yield
        finally:
            for name in LIMITS:
                del os.environ[name]
            os.environ |= before
            _has_read_limits = True


def product(rows: openvino.Output, weights: openvino.Node) -> openvino.Output:
    """Return the product of rows `(batch, n)` and transposed weights, float32 `(m, n)`.

    It is a 1x1 convolution, because the last bits of OpenVINO's MatMul depend on the size of the
    processor's L2 cache (2026.4.1).
    """
    maps, filters = (operations.unsqueeze(matrix, [2, 3]) for matrix in (rows, weights))
    sums = operations.convolution(maps, filters, [1, 1], [0, 0], [0, 0], [1, 1])
    return operations.squeeze(sums, [2, 3]).output(0)


def compile_for_cpu(
    network: openvino.Model, rows: int = 1, *, is_native: bool = False
) -> CompiledNetwork:
    """Compile a network for a number of rows of each input `(batch, …)`, such as uint8 pixels.

    With `is_native`, it computes with the processor's fastest kernels, in bfloat16 if it has units
    for it. This process may not have loaded OpenVINO's CPU plugin with LIMITS before.
    """
    block = network.clone()
    block.reshape({port: [rows, *_row_shape(port)] for port in block.inputs})
    # Two processes, such as Dask workers, would pin their threads to the same cores.
    threads = {"INFERENCE_NUM_THREADS": CORES, "ENABLE_CPU_PINNING": False}
    options = {"NUM_STREAMS": CORES, **threads}
    if is_native:
        compiled = openvino.compile_model(
            block, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"} | options
        )
    else:
        compiled = compile_reproducible(block, **options)
    run = CompiledNetwork(network, compiled)
    # OpenVINO's NumPy bindings are initialised on first use, where two threads at once would
    # deadlock. Use them here, in a single thread.
    run.run_block(*(np.zeros(port.shape, port.element_type.to_dtype()) for port in block.inputs))
    return run


def read_and_compile(network: bytes, weights: bytes, rows: int) -> CompiledNetwork:
    """Compile the network in the content of an .xml and a .bin file."""
    return compile_for_cpu(openvino.Core().read_model(network, weights), rows)


def take_uint8(network: openvino.Model) -> openvino.Model:
    """Return the network with a uint8 input instead of float32."""
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8)
    return steps.build()


def write_network(
    network: openvino.Model,
    path: Path,
    outputs: Sequence[str],
    inputs: Sequence[str] = ("pixels",),
) -> None:
    """Write an .xml file at `path`, and the weights next to it as .bin, with names on both sides.

    A converter numbers nodes and tensors differently in each process. Therefore, nodes are named
    after their order, and only inputs and outputs have tensor names, which model servers use to
    address them. The network is named after its file, because OpenVINO numbers the networks in a
    process. Raises OSError if the disk is full.
    """
    network.set_friendly_name(path.stem)
    for index, node in enumerate(network.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{index}")
        info = node.get_rt_info()
        for key in [key for key in info if key.startswith("fused_names")]:
            del info[key]  # names before this change
        for output in node.outputs():
            output.get_tensor().set_names(set())
    for port, name in zip((*network.inputs, *network.outputs), (*inputs, *outputs), strict=True):
        port.get_tensor().set_names({name})
    try:
        openvino.serialize(network, path)
    except RuntimeError:  # OpenVINO's message does not include the reason
        raise OSError(errno.EIO, "OpenVINO cannot write the network", str(path)) from None


def read_network(path: Path) -> openvino.Model:
    """Read a file written by `write_network`. Raises RuntimeError if it is damaged.

    The network contains copies, so both files may be replaced or deleted.
    """
    weights = path.with_suffix(".bin").read_bytes()
    return openvino.Core().read_model(path.read_bytes(), weights)


def image_size_of(network: openvino.Model) -> int:
    """Return the side, in pixels, of a network's input squares: its `model.image_size`.

    The `backbone` stage builds the extractor with this param. Stages that run the extractor, or
    write the served model, read the size from it; predictions read it from `model.json`.
    """
    return network.input().partial_shape[1].get_length()


def input_shapes(network: openvino.Model) -> dict[str, tuple[int, ...]]:
    """Return the shape of each input, keyed by name, without the batch axis."""
    return {port.get_any_name(): _row_shape(port) for port in network.inputs}


def output_shapes(network: openvino.Model) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output, keyed by name, without the batch axis."""
    return {port.get_any_name(): _row_shape(port) for port in network.outputs}


def _row_shape(port: openvino.Output) -> tuple[int, ...]:
    return tuple(length.get_length() for length in list(port.partial_shape)[1:])
