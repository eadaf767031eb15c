#!/usr/bin/env bash
# Surprise: a Dask worker with one thread limits NumPy's BLAS to one thread, while OpenVINO and OpenCV
# in the same worker use all cores. A worker with more threads limits BLAS to one thread, too.
# Guess: the variables that Dask sets for each worker, such as OMP_NUM_THREADS=1, hold for all native
# libraries in it.
# Seen with distributed 2026.8.0, OpenVINO 2026.4.1, OpenCV 4.12.0 and NumPy 2.2.6: neither of the two
# follows OMP_NUM_THREADS, which the worker sets to 1.
# Why it matters: many workers of one thread that classify photos start as many threads as there are
# cores in each of them, for resizing and for inference.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ "$(nproc)" -lt 2 ]; then echo "skipped: needs two cores"; exit 0; fi
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check distributed==2026.8.0 \
  openvino==2026.4.1 opencv-python-headless==4.12.0.88 numpy==2.2.6 threadpoolctl==3.6.0
cd "$folder"
unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
cat > threads.py <<'PYTHON'
from distributed import Client, LocalCluster


def threads():
    import cv2
    import numpy as np
    import openvino
    from openvino import opset13
    from threadpoolctl import threadpool_info

    image = opset13.parameter([8, 3, 64, 64], np.float32)
    network = openvino.Model([opset13.relu(image)], [image])
    compiled = openvino.Core().compile_model(network, "CPU")
    return {
        "BLAS": max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"),
        "OpenCV": cv2.getNumThreads(),
        "OpenVINO": compiled.get_property("INFERENCE_NUM_THREADS"),
    }


if __name__ == "__main__":
    for number in (1, 2):
        with (
            LocalCluster(n_workers=1, threads_per_worker=number, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            found = client.submit(threads).result()
        print(f"worker with threads: {number}; its libraries: {found}")
        assert found["BLAS"] == 1
        assert found["OpenCV"] > 1 and found["OpenVINO"] > 1, "they follow the worker now"
PYTHON
venv/bin/python threads.py
