"""Test with a real scheduler and real workers, each in its own process."""

import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="install the `dask` extra")

import dask
from conftest import PROJECT, TINY, overlay, photo, refused
from distributed import get_worker
from kills import fingerprint
from networks import sample_backbone, write_colour_model
from servers import HOST, free_port

from examples.demo import write_archive
from pawprint.base import dask as engine
from pawprint.base import paths
from pawprint.base.errors import InputError
from pawprint.base.runtime import write_network
from pawprint.base.threads import map_items
from pawprint.model.predictor import load_predictor, predict_each
from pawprint.network.keras_backbone import build_extractor
from pawprint.network.keras_model import convert, cut_index

pytestmark = pytest.mark.slow
DASK = ("-m", "dask")
# Stages that use the cluster, and a module that each needs on a worker.
STAGES = {
    "clean": "pawprint.data.cleaning",
    "split": None,
    "features": "pawprint.network.augmentation",
}
NAMES = [f"{number:02}.jpg" for number in range(60)]


class Cluster:
    """A scheduler without the project's package, and workers that can import it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, []
        self.address = f"tcp://{HOST}:{free_port()}"
        host, _, port = self.address.rpartition(":")
        (folder / "pawprint.py").write_text("raise ModuleNotFoundError('pawprint')\n")
        self.start("scheduler", "--host", host, "--port", port, PYTHONSAFEPATH="")
        self.client = engine.connect(self.address)

    def start(self, *command: str, python: tuple[str, ...] = DASK, **environment: str) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *python, *command, "--no-dashboard"],
                # Python puts this folder first in the module path, except in safe mode.
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONSAFEPATH": "1"} | environment,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)

    def worker(self, *options: str, **more) -> str:
        """Start a worker with one thread and return its address."""
        before = set(self.client.nthreads())
        self.start("worker", self.address, "--nthreads", "1", *options, **more)
        self.client.wait_for_workers(len(before) + 1, 300)
        (address,) = set(self.client.nthreads()) - before
        return address

    def close(self) -> None:
        self.client.close()
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


@pytest.fixture
def start(tmp_path, monkeypatch) -> Iterator[Callable[[], Cluster]]:
    started = []

    def start() -> Cluster:
        folder = tmp_path / "cluster"
        folder.mkdir()
        started.append(Cluster(folder))
        monkeypatch.setenv("PAWPRINT_DASK", started[-1].address)
        return started[-1]

    yield start
    for cluster in started:
        cluster.close()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cluster.worker("--no-nanny")
    cluster.worker("--no-nanny")
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(two_workers, monkeypatch) -> Cluster:
    monkeypatch.setenv("PAWPRINT_DASK", two_workers.address)
    return two_workers


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a separate folder with the inputs of the stages that use the engine."""
    folder = tmp_path_factory.mktemp("project")
    params = (PROJECT / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(overlay(params, TINY), encoding="utf-8")
    for name in (paths.LABELS_CSV, paths.SPLITS_CSV):
        shutil.copy(PROJECT / name, folder)
    (folder / paths.CODE).mkdir(parents=True)
    for code in (paths.FEATURE_ROW_CODE, paths.DECODED_ROW_CODE):
        (folder / code).write_text("code", encoding="utf-8")
    (folder / paths.RAW_ARCHIVES).mkdir(parents=True)
    write_archive(folder / paths.RAW_IMAGES, train=8, validation=8)
    backbone = sample_backbone()
    cut = cut_index(backbone, 100)
    extractor, kinds = build_extractor("MobileNetV2", backbone, "average", cut)
    (folder / paths.EXTRACTOR).parent.mkdir(parents=True)
    write_network(convert(extractor), folder / paths.EXTRACTOR, kinds)
    write_colour_model(folder / paths.SERVED_MODEL)
    return folder


def run_stage(stage: str) -> None:
    if finish := importlib.import_module(f"stages.{stage}").main():
        finish()


def outputs() -> dict[str, str]:
    """Return the hashes of the files that the stages wrote, keyed by path."""
    return fingerprint(Path(), ("data", "models", "plots"))


def test_stages_and_predict_give_the_same_as_on_threads(project, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(project)
    monkeypatch.delenv("PAWPRINT_DASK")
    for stage in STAGES:
        run_stage(stage)
    on_threads = outputs()
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_bytes(photo(number) if number % 7 else b"damaged")
    photos = [Path(os.path.relpath(tmp_path / name)) for name in NAMES]
    rows = [*predict_each(predictor := load_predictor(paths.SERVED_MODEL), photos)]
    monkeypatch.setenv("PAWPRINT_DASK", cluster.address)
    assert [*predict_each(predictor, photos)] == rows
    for stage, module in STAGES.items():
        run_stage(stage)
        imported = set().union(*cluster.client.run(lambda: set(sys.modules)).values())
        assert module is None or module in imported
        assert not imported & {"tensorflow", "keras"}
    assert outputs() == on_threads


OTHER_VERSIONS = """
import importlib.metadata
real = importlib.metadata.version
importlib.metadata.version = lambda name: "0.1" if name == "pillow" else real(name)
"""
OTHER_PROCESSOR = """
import platform
platform.machine = lambda: "riscv64"
"""


@pytest.mark.parametrize(
    ("differs", "named", "is_late"),
    [(OTHER_VERSIONS, "pillow 0.1", False), (OTHER_PROCESSOR, "processor riscv64", True)],
    ids=["versions", "processor"],
)
def test_other_worker_ends_the_run_in_one_line_and_goes_on(start, differs, named, is_late):
    """Its nanny must not restart it, and the cluster may belong to others."""
    cluster = start()
    (cluster.folder / "sitecustomize.py").write_text(differs, encoding="utf-8")
    path = os.pathsep.join(map(str, [PROJECT, cluster.folder]))
    (cluster.folder / "pawprint.py").unlink()
    computed = cluster.folder / "computed"

    def other() -> str:
        return cluster.worker(PYTHONPATH=path)

    def note(name: str) -> str:
        with computed.open("a") as file:
            file.write(f"{get_worker().address}\n")
        return name

    good, address = (cluster.worker(), "") if is_late else ("", other())
    results = map_items(note, NAMES * 1000)
    with pytest.raises(InputError, match=rf"^PAWPRINT_DASK: .* {named}\.") as error:
        for name in results:
            assert name in NAMES
            address = address or other()
    assert address in str(error.value) and len(str(error.value).splitlines()) == 1
    assert address in cluster.client.nthreads()  # under the same address: not restarted
    assert {*computed.read_text().split()} == {good} if is_late else not computed.exists()


def test_images_that_kill_every_worker_are_named(start):
    cluster = start()
    cluster.worker()

    def status(dask_worker: object) -> str:
        return dask_worker.status.name

    # From then on, the nanny restarts this worker.
    while [*cluster.client.run(status, nanny=True).values()] != ["running"]:
        time.sleep(0.1)

    def fatal(name: str) -> str:
        if name == NAMES[30]:
            os._exit(9)
        return name

    with pytest.raises(InputError, match=r"^cannot compute .*16.jpg to 31.jpg.*: 4 workers") as no:
        list(map_items(fatal, NAMES))
    assert len(str(no.value).splitlines()) == 1


def test_worker_without_the_package_ends_the_run_in_one_line(start):
    start().worker(PYTHONPATH="", PYTHONSAFEPATH="")
    with pytest.raises(InputError, match=r"^PAWPRINT_DASK: .* without the driver's packages"):
        list(map_items(str.upper, NAMES))


def test_cluster_that_does_not_answer_is_one_line(monkeypatch):
    monkeypatch.setenv("PAWPRINT_DASK", f"tcp://{HOST}:1")
    timeout = dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    with timeout, refused("PAWPRINT_DASK: "):
        list(map_items(str.upper, NAMES))


def test_native_kernels_on_a_cluster_are_refused(tmp_path, monkeypatch):
    """The process of a worker has one kind of kernels."""
    params = (PROJECT / paths.PARAMS).read_text(encoding="utf-8")
    params = overlay(params, "hardware: {kernels: native}")
    (tmp_path / paths.PARAMS).write_text(params, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAWPRINT_DASK", f"tcp://{HOST}:1")
    with pytest.raises(InputError, match=r"^hardware\.kernels: expected portable with PAWPRINT_D"):
        importlib.import_module("stages.features").main()
