"""Test requests to `pawprint serve` as browsers, load balancers and `curl` send them."""

import http.client
import socket
from contextlib import closing
from functools import partial

import pytest
from conftest import complaint, photo, refused
from servers import HOST, request, started

from pawprint.projects.service import require_free_port

pytest.importorskip("fastapi", reason="install the `serve` extra")
PHOTO = photo(1)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with started(tmp_path_factory.mktemp("server") / "log") as (_, port):
        yield port


@pytest.fixture(scope="module")
def ask(port):
    return partial(request, port, "/predict")


def part(disposition: str, content: bytes) -> bytes:
    return f"Content-Disposition: form-data; {disposition}\r\n\r\n".encode() + content


def form(*parts: bytes, boundary: str = "x-y_z") -> tuple[bytes, dict[str, str]]:
    """Return the body of a form, and its header."""
    delimiter = f"--{boundary}".encode()
    body = b"".join(delimiter + b"\r\n" + each + b"\r\n" for each in parts) + delimiter + b"--\r\n"
    return body, {"Content-Type": f'multipart/form-data; charset=utf-8; boundary="{boundary}"'}


TEXT = part('name="name"', b"x")
NO_FILE = part('name="other"; filename=""', b"")
FILE = part('name="photo"; filename="photo.jpg"\r\nContent-Type: image/jpeg', PHOTO)


@pytest.mark.parametrize(
    "parts",
    [
        [TEXT, FILE],
        [TEXT, NO_FILE, FILE, TEXT],
        [part("name=photo; filename=photo.jpg", PHOTO)],
        [part('name="filename"', b"filename"), FILE],
    ],
)
def test_file_of_a_form_is_answered(ask, parts):
    """As `curl -F photo=@photo.jpg` sends it: seaweedfs/seaweedfs 56, cedric05/dothttp 42."""
    body, header = form(*parts)
    assert ask(body, **header) == ask(PHOTO)
    assert ask(PHOTO)[0] == 200


def test_second_file_of_a_form_is_refused_by_its_name(ask):
    """As in pytorch/serve 1536: a client that sends a batch expects one answer for each image."""
    body, header = form(TEXT, FILE, part('name="more"; filename="second.jpg"', photo(2)))
    status, answer = ask(body, **header)
    assert status == 422
    assert "second.jpg" in answer["detail"]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=other", "image/jpeg"]
)
def test_form_whose_header_does_not_tell_the_boundary_is_answered(ask, kind):
    """As in Stability-AI/stablediffusion 358: a script on a page has set the header itself."""
    body, _ = form(TEXT, FILE)
    assert ask(body, **{"Content-Type": kind}) == ask(PHOTO)
    assert ask(b"\r\n" + body, **{"Content-Type": kind}) == ask(PHOTO)


@pytest.mark.parametrize("parts", [[], [TEXT], [NO_FILE], [TEXT] * 1000])
def test_form_without_a_file_is_one_line(ask, parts):
    body, header = form(*parts)
    status, answer = ask(body, **header)
    assert status == 422
    assert answer["detail"].startswith("expected a file in the form")
    assert len(answer["detail"].splitlines()) == 1


def test_path_with_a_slash_at_its_end_is_answered_without_a_redirect(port):
    """radicalbit/radicalbit-ai-gateway 123, fastapi/fastapi 13019.

    Redirects used http, and the path lacked the prefix of the proxy.
    """
    assert request(port, "/predict/", PHOTO) == request(port, "/predict", PHOTO)
    assert request(port, "/predict/", PHOTO)[0] == 200
    assert request(port, "/health/", method="GET") == request(port, "/health", method="GET")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/health", "/"])
def test_load_balancers_are_told_that_the_service_is_up(port, path, method):
    """As `curl -I`, wget, HAProxy and ELB do: Kludex/fastapi-health 18, mozilla-it/ctms-api 165."""
    with closing(http.client.HTTPConnection(HOST, port)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        content = answer.read()
    assert answer.status == 200
    assert (content == b"") == (method == "HEAD")


@pytest.mark.parametrize("kind", ["image/jpeg", "application/x-www-form-urlencoded", "text/plain"])
def test_image_is_answered_whatever_its_type_says(ask, kind):
    assert ask(PHOTO, **{"Content-Type": kind}) == ask(PHOTO)


def test_address_that_cannot_be_listened_on_is_one_line(tmp_path):
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        line = complaint(tmp_path, "serve", "--port", str(port))
        assert line.startswith("serve: cannot listen on ")
    for host, number in ((HOST, 70_000), (HOST, -1), ("absent.invalid", port)):
        with refused("serve: cannot listen on ", f"{host}, port {number}: "):
            require_free_port(host, number)
    require_free_port(HOST, port)
