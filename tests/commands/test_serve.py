"""Test `pawprint serve` as a real process, over real HTTP."""

import http.client
import json
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

import pytest
from conftest import PROJECT, encode, environment_of, printed, run, succeed
from faults import black_png
from networks import write_colour_model
from PIL import Image
from servers import HOST, request, started

from examples.demo import draw_picture
from pawprint.decoding.decoder import pixels_sha256
from pawprint.images.reading import decode
from pawprint.model.metadata import read_metadata
from pawprint.package import installed_version
from pawprint.projects.answers import read_answers

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="install the `serve` extra")
MODEL = PROJECT / "examples" / "cats_and_dogs"
PHOTOS = [draw_picture("cat", 1), draw_picture("dog", 1)]
PHOTO = PHOTOS[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[tuple[subprocess.Popen, int]]:
    with started(tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture
def ask(server):
    return partial(request, server[1])


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> list[dict]:
    """Return the answers of `predict` for PHOTOS."""
    folder = tmp_path_factory.mktemp("photos")
    for number, photo in enumerate(PHOTOS):
        (folder / f"{number}.jpg").write_bytes(photo)
    command = ("predict", "--format", "json", "--model", str(MODEL), str(folder))
    rows = json.loads(printed(PROJECT, *command))
    return [
        {
            "label": row["label"],
            "probabilities": pytest.approx(row["probabilities"], abs=1e-3),
            "unknown_score": pytest.approx(row["unknown_score"], abs=1e-3),
        }
        for row in rows
    ]


def test_health_names_labels_and_versions_and_other_requests_are_refused(ask):
    status, answer = ask("/health", method="GET")
    assert (status, answer["status"], answer["labels"]) == (200, "ok", ["cat", "dog"])
    assert answer["version"] == installed_version()
    assert answer["commit"].startswith(succeed("git", "rev-parse", "HEAD", cwd=PROJECT).strip())
    assert answer["model"] == read_metadata(MODEL).model
    assert ask("/predict", method="GET")[0] == 405
    assert ask("/../params.yaml")[0] == 404


def test_answers_under_load_are_those_of_predict(ask, answers):
    with ThreadPoolExecutor(16) as threads:
        for index, answer in enumerate(
            threads.map(lambda index: ask("/predict", PHOTOS[index % 2]), range(160))
        ):
            assert answer == (200, answers[index % 2])


PAGE = "https://example.org"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


def cross_origin(port: int, method: str, body: bytes | None, **headers: str) -> tuple[int, str]:
    """Return the status for a page of another origin, and the origin that may read the answer."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.request(method, "/predict", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Access-Control-Allow-Origin", "")


def test_page_of_an_origin_that_is_named_reads_answers_and_no_other_does(server, tmp_path):
    """xororz/local-dream 105."""
    photo = {"Origin": PAGE, "Content-Type": "image/jpeg"}
    assert cross_origin(server[1], "OPTIONS", None, **PREFLIGHT) == (405, "")
    assert cross_origin(server[1], "POST", PHOTO, **photo) == (200, "")
    with started(tmp_path / "log", "--allow-origin", PAGE) as (_, port):
        assert cross_origin(port, "OPTIONS", None, **PREFLIGHT) == (200, PAGE)
        assert cross_origin(port, "POST", PHOTO, **photo) == (200, PAGE)
        assert cross_origin(port, "POST", b"no image", **photo) == (422, PAGE)
        other = {"Origin": "https://evil.example"}
        assert cross_origin(port, "OPTIONS", None, **PREFLIGHT | other) == (400, "")
        assert cross_origin(port, "POST", PHOTO, **photo | other) == (200, "")


@pytest.mark.parametrize("origin", ["example.org", "https://example.org/", "https://Example.org"])
def test_origin_that_no_browser_sends_is_refused(tmp_path, origin):
    result = run("python", "-m", "pawprint", "serve", "--allow-origin", origin, cwd=PROJECT)
    assert result.returncode == 2 and "https://example.org or" in result.stderr


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(2**16)


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 422, "0 bytes"),
        (PHOTO[: len(PHOTO) // 2], 422, "truncated"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 422, "no image format"),
        (lambda: black_png(20_000, 20_000), 422, "20000x20000 pixels"),
        (lambda: bytes(11 * 2**20), 413, "at most 10,485,760 bytes"),
        (endless, 413, "at most 10,485,760 bytes"),
    ],
)
def test_hostile_upload_is_refused_in_one_line(ask, answers, body, status, detail):
    try:
        answered, answer = ask("/predict", body() if callable(body) else body)
    # The request was rejected before all of it was sent.
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413
    else:
        assert answered == status
        assert detail in answer["detail"]
        assert len(answer["detail"].splitlines()) == 1
    assert ask("/predict", PHOTO) == (200, answers[0])


def begin(port: int) -> socket.socket:
    """Open a connection and send part of an upload."""
    connection = socket.create_connection((HOST, port))
    connection.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nbegin")
    return connection


def test_upload_that_stops_is_ended(tmp_path):
    with started(tmp_path / "log", "--seconds", "2") as (_, port):
        with begin(port) as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
        begin(port).close()
        assert request(port, "/health", method="GET")[0] == 200


def test_more_connections_than_the_limit_are_told_and_others_are_served_later(ask, server):
    with ExitStack() as opened:
        for _ in range(80):  # a little more than the limit
            opened.enter_context(begin(server[1]))
        connection = http.client.HTTPConnection(HOST, server[1])
        connection.request("GET", "/health")
        assert connection.getresponse().status == 503
        connection.close()
    assert ask("/predict", PHOTO)[0] == 200


PROCESSES, ROWS = 2, 100  # rows per process


def test_answers_of_several_processes_are_lines_of_one_log(tmp_path):
    model = write_colour_model(tmp_path / "model", unknown_threshold=0.3)
    table = tmp_path / "answers.jsonl"
    photos = [encode(Image.new("RGB", (32, 32), (red, 60, 120)), "PNG") for red in range(100, 150)]
    with ExitStack() as opened:
        given = [(tmp_path / f"log {each}", "--log", str(table)) for each in range(PROCESSES)]
        ports = [opened.enter_context(started(*each, model=model))[1] for each in given]
        sent = [(port, photo) for photo in photos for port in ports] * (ROWS // len(photos))
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda each: request(each[0], "/predict", each[1]), sent))
    assert {status for status, _ in answers} == {200}
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == PROCESSES * ROWS
    hashes = [pixels_sha256(decode(photo)) for _, photo in sent]
    expected = Counter(
        (sha256, answer["label"], *answer["probabilities"].values())
        for sha256, (_, answer) in zip(hashes, answers)
    )
    assert {row["model"] for row in rows} == {read_metadata(model).model}
    logged = ((row["pixels_sha256"], row["label"], *row["probabilities"].values()) for row in rows)
    assert Counter(logged) == expected
    assert len(read_answers(table, ["cat", "dog"], has_scores=True)) == len(rows)


def test_small_installation_predicts_and_serves(installed, answers, tmp_path):
    """This tests requirements-serve.txt and a wheel. Other commands say how to install the rest."""
    (wheel,) = (installed.folder / "wheels").glob("*.whl")
    options = ["--no-deps", "-r", "requirements-serve.txt", str(wheel)]
    python = environment_of(tmp_path / "venv", options)
    files = [each.stat() for each in (tmp_path / "venv").rglob("*") if each.is_file()]
    assert sum(each.st_size for each in files) < 500e6
    (tmp_path / "cat.jpg").write_bytes(PHOTO)
    command = (str(python), "-m", "pawprint")
    assert succeed(*command, "predict", "--no-unknown", "cat.jpg", cwd=tmp_path).startswith("cat")
    result = run(*command, "init", "new", "--images", ".", cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert f"Run `pip install '{wheel}'`" in result.stderr
    with started(tmp_path / "log", command=(*command, "serve")) as (_, port):
        assert request(port, "/predict", PHOTO) == (200, answers[0])
