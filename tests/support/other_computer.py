"""Run programs as on another computer: with the kernels of other processors, on some cores.

NumPy, OpenBLAS, OpenCV and oneDNN (in OpenVINO) choose kernels for the processor. Environment
variables make them choose others. A name that a library does not know is ignored, so `kernels`
says what each of them uses.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import succeed

from pawprint.yaml_file import read_mapping

VARIABLES = (
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENCV_CPU_DISABLE",
    "OV_CPU_MAX_ISA",
)
# A processor with AVX2 but without AVX-512.
WITH_AVX2 = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
}
# On a computer without AVX-512: older kernels of the libraries that do not compute features.
WITH_AVX = {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "OPENBLAS_CORETYPE": "Sandybridge"}
KERNELS = """
import json, cv2, numpy as np, openvino, scipy.linalg
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
o = openvino.opset15
pixels = o.parameter([1, 64, 32, 32], np.float32)
filters = o.constant(np.ones((64, 64, 3, 3), np.float32))
layer = o.convolution(pixels, filters, *[[1, 1]] * 4)
compiled = openvino.compile_model(
    openvino.Model([layer], [pixels]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
)
operations = compiled.get_runtime_model().get_ops()
print(json.dumps({
    "NPY_DISABLE_CPU_FEATURES": [name for name in __cpu_dispatch__ if __cpu_features__[name]],
    "ONEDNN_MAX_CPU_ISA": [op.get_rt_info()["primitiveType"].value for op in operations],
    "OPENBLAS_CORETYPE": [
        each["architecture"] for each in threadpool_info() if each["internal_api"] == "openblas"
    ],
    "OPENCV_CPU_DISABLE": [name for name, number in (("AVX512_SKX", 256), ("AVX2", 11))
        if cv2.checkHardwareSupport(number)],
}))
"""


def kernels(**environment: str) -> dict[str, list[str]]:
    """Return the instructions that each library uses, by the variable that changes them."""
    return json.loads(succeed("python", "-c", KERNELS, cwd=Path(), **environment))


def other_computer(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of another computer, and remove its variables from this one.

    Each of the variables changes what its library uses.
    """
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    here = kernels()
    has_avx512 = "X86_V4" in here["NPY_DISABLE_CPU_FEATURES"]
    environment = WITH_AVX2 if has_avx512 else WITH_AVX
    there = kernels(**environment)
    for name in environment:
        assert here[name] != there[name], f"{name} had no effect: {there[name]}"
    return environment


@contextlib.contextmanager
def on_cores(number: int) -> Iterator[None]:
    """Start processes on this number of cores in the block."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def hashes(project: Path) -> dict[str, str]:
    """Return the hashes in dvc.lock of what each stage reads and writes."""
    return {
        f"{stage} {kind} {entry['path']}": entry["md5"]
        for stage, recorded in read_mapping(project / "dvc.lock")["stages"].items()
        for kind in ("deps", "outs")
        for entry in recorded.get(kind, ())
    }
