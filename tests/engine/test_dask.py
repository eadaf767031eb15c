"""Test with a real scheduler and real workers, each in its own process."""

import importlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, TINY, git_project, photo, repro, run
from kills import fingerprint
from networks import sample_backbone, write_colour_model
from servers import HOST, free_port

import pawprint
from examples.demo import write_archive
from pawprint import paths
from pawprint.engine import dask as engine
from pawprint.engine.mapping import map_items
from pawprint.errors import InputError
from pawprint.features.rows import row_function
from pawprint.features.views import IDENTITY
from pawprint.files import pack
from pawprint.images.archive import members, open_archive, read_member
from pawprint.images.reading import open_image
from pawprint.model.predictor import load_predictor, predict_each
from pawprint.network.blocks import cut_index
from pawprint.network.keras_backbone import build_extractor
from pawprint.network.keras_model import convert
from pawprint.params.file import overlay
from pawprint.runtime import read_network, write_network

pytestmark = pytest.mark.slow
DASK = ("-m", "dask")
# Stages that use the cluster, and a module that each needs on a worker.
STAGES = {
    "clean": "pawprint.dataset.cleaning",
    "split": None,
    "features": "pawprint.features.augmentation",
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


def test_worker_with_modules_from_before_an_edit_is_refused(start, tmp_path, monkeypatch):
    """Otherwise, their process would continue to use them."""
    package = tmp_path / "library" / "pawprint"
    shutil.copytree(PROJECT / "pawprint", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(pawprint, "__path__", [*pawprint.__path__, str(package)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    start().worker("--no-nanny", PYTHONPATH=str(package.parent))

    def answers(number: int) -> list[tuple]:
        text = f"def answer(name):\n    return name, {number}\n"
        (package / "edited.py").write_text(text, encoding="utf-8")
        sys.modules.pop("pawprint.edited", None)
        importlib.invalidate_caches()
        engine._code.cache_clear()
        return list(map_items(importlib.import_module("pawprint.edited").answer, NAMES))

    try:
        assert answers(0) == [(name, 0) for name in NAMES]
        with pytest.raises(InputError, match=r"pawprint.edited differs from the driver's"):
            answers(1)
    finally:
        sys.modules.pop("pawprint.edited", None)
        engine._code.cache_clear()


def test_killed_worker_changes_nothing(start):
    cluster = start()
    cluster.worker("--no-nanny")
    cluster.worker("--no-nanny")
    killed = cluster.folder / "killed"

    def fatal_once(name: str) -> str:
        if name == NAMES[30] and not killed.exists():
            killed.touch()
            os._exit(9)
        return name.upper()

    assert list(map_items(fatal_once, NAMES)) == [name.upper() for name in NAMES]
    assert killed.exists()
    assert len(cluster.client.nthreads()) == 1


def test_image_that_kills_every_worker_is_named(start, tmp_path):
    start().worker("--nthreads", "2")  # the nanny restarts this worker

    def fatal(name: str) -> str:
        if name == NAMES[8]:  # runs next to the other item until Dask gives up on both
            while len(list(tmp_path.glob("*.died"))) < 4:
                pass
        if name == NAMES[30]:
            (tmp_path / f"{os.getpid()}.died").touch()
            os._exit(9)
        return name

    with pytest.raises(InputError, match=r"^cannot compute 30.jpg: 4 workers died") as error:
        list(map_items(fatal, NAMES))
    assert len(str(error.value).splitlines()) == 1


def test_worker_with_other_bits_is_refused_and_others_go_on(cluster, project, capfd):
    address = cluster.worker("--no-nanny", FACTOR="1.000001")  # as if it had another processor
    compute = row_function(read_network(project / paths.EXTRACTOR), "crop")
    with open_archive(project / paths.RAW_IMAGES) as archive:
        names = [name for name in members(archive) if "cat.0" in name]

        def features(name: str) -> list[np.ndarray]:
            row = compute(partial(open_image, archive, name), [IDENTITY])[0]
            factor = np.float32(os.environ.get("FACTOR", "1"))
            return [features * factor for features in row]

        expected, printed = [features(name) for name in names], ""
        results = map_items(features, itertools.cycle(names))
        for result, right in zip(results, itertools.cycle(expected)):
            assert all((one == other).all() for one, other in zip(result, right))
            printed += capfd.readouterr().err
            if address in printed:
                break
        results.close()
    assert f"worker {address} is not used: its output for " in printed


def test_worker_that_does_not_see_the_archive_is_refused(cluster, tmp_path):
    path = tmp_path / "images.zip"
    pack(path, [(name, name.encode()) for name in NAMES])
    with open_archive(path) as archive:
        path.rename(tmp_path / "elsewhere.zip")  # this process has the file open
        with pytest.raises(InputError, match=f"worker tcp.*{path}: no such archive"):
            list(map_items(lambda name: read_member(archive, name), NAMES))


def test_pipeline_goes_on_without_the_cluster_and_does_not_notice_it(cluster, tmp_path):
    project = git_project(tmp_path / "project", TINY)
    write_archive(tmp_path / "images.zip", train=15, validation=15)
    wrong = {"PAWPRINT_DASK": f"tcp://{HOST}:1", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"}
    failed = run("dvc", "repro", "clean", cwd=project, **wrong)
    assert failed.returncode
    assert failed.stderr.count("PAWPRINT_DASK") == 1
    assert "Traceback" not in failed.stderr
    assert not any(path.is_file() for path in (project / paths.IMAGES_CSV.parent).rglob("*"))
    assert repro(project, "clean", PAWPRINT_DASK="") == ["clean"]
    lock = (project / "dvc.lock").read_bytes()
    assert repro(project, "clean") == []
    assert repro(project, "--force", "--single-item", "clean") == ["clean"]
    assert (project / "dvc.lock").read_bytes() == lock
