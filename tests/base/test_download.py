"""Test downloads from a real local server, and what it may do to its clients."""

import functools
import hashlib
import http.server
import shutil
import ssl
import threading
from pathlib import Path

import pytest
from conftest import refused, succeed

from pawprint.base import download as module
from pawprint.base.download import download

CONTENT, OTHER = b"a real file over a real connection" * 1000, b"another file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SECRET = "correct-horse"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def log_request(self, code="-", _size="-"):
        self.server.statuses.append(int(code))

    def do_GET(self):
        self.server.authorized.append("Authorization" in self.headers)
        match self.path.split("/")[1]:
            case "drop":
                self.answer(200, CONTENT[:1000], Content_Length=len(CONTENT))
            case "stall":
                self.answer(200, CONTENT[:1000], Content_Length=len(CONTENT))
                self.server.is_over.wait()
            case "fail_at_first":
                again = len(self.server.authorized) > 1
                self.answer(200 if again else 503, CONTENT, Retry_After=9999)
            case "insecure":
                self.answer(302, Location="http://127.0.0.1:9/images.zip")
            case _:
                super().do_GET()

    def answer(self, status: int, content: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": len(content)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def server(tmp_path):
    """Yield a server for the folder tmp_path/served.

    For each request, `authorized` records whether it had a password, and `statuses` the status of
    the answer.
    """
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "images.zip").write_bytes(CONTENT)
    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.statuses, server.authorized, server.folder = [], [], tmp_path / "served"
        server.is_over = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.is_over.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PAWPRINT_MIRROR", raising=False)
    monkeypatch.setattr(module, "RETRY", module.RETRY.new(backoff_factor=0))


def get(url: str, sha256: str | None = None) -> bytes:
    return download(url, sha256, "photos.yaml").read_bytes()


def cached(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache").rglob("*") if path.is_file())


def test_url_with_a_hash_is_asked_once(server):
    assert [get(f"{server.url}/images.zip", SHA256) for _ in range(2)] == [CONTENT] * 2
    assert server.statuses == [200]
    (server.folder / "other").mkdir()
    (server.folder / "other" / "images.zip").write_bytes(OTHER)
    assert get(f"{server.url}/other/images.zip") == OTHER  # with the same name


def test_url_without_a_hash_gives_what_the_server_has_now(server, capfd):
    for content in (CONTENT, OTHER):
        (server.folder / "images.zip").write_bytes(content)
        assert get(f"{server.url}/images.zip") == content
    assert capfd.readouterr().err == ""  # no progress bar without a terminal


def test_without_network_a_download_with_its_hash_is_used(server):
    url = f"{server.url}/images.zip"
    get(url)
    server.shutdown()
    server.server_close()
    assert get(url, SHA256) == CONTENT
    with refused(f"photos.yaml: cannot download {url} (NewConnectionError). "):
        get(url)


def test_other_hash_is_refused_in_one_line_until_the_server_has_that_file(server, tmp_path):
    url = f"{server.url}/images.zip"
    expected = hashlib.sha256(OTHER).hexdigest()
    with refused("photos.yaml: ", f"{expected}. Received: {SHA256}."):
        get(url, expected)
    (tmp_path / "served" / "images.zip").write_bytes(OTHER)
    assert get(url, expected) == OTHER


def test_mirror_is_searched_first_by_file_name(server, tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path / "served"))
    assert get("https://images.invalid/deep/images.zip", SHA256) == CONTENT
    with refused("expected a file with sha256 0"):
        get("https://images.invalid/images.zip", "0" * 64)
    assert get(f"{server.url}/images.zip") == CONTENT
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path / "nowhere"))
    with refused("PAWPRINT_MIRROR: expected a folder"):
        get(f"{server.url}/images.zip")


def test_server_that_fails_at_first_and_that_of_a_damaged_file_are_asked_again(server):
    url = f"{server.url}/fail_at_first/images.zip"
    assert get(url) == CONTENT
    download(url, None, "photos.yaml").write_bytes(CONTENT[:-9])
    assert get(url) == CONTENT


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("drop", "ProtocolError"), ("stall", "ReadTimeoutError"), ("nothing", "HTTP status 404")],
)
def test_server_in_trouble_is_one_line_without_secrets_and_leaves_nothing(
    server, tmp_path, monkeypatch, trouble, reason
):
    if trouble == "stall":
        monkeypatch.setattr(module, "TIMEOUT", 0.2)
    host = server.url.replace("://", f"://user:{SECRET}@")
    shown = f"photos.yaml: cannot download {server.url}/{trouble}/images.zip ({reason})."
    with refused(shown) as error:
        get(f"{host}/{trouble}/images.zip?token={SECRET}#{SECRET}")
    assert SECRET not in str(error.value)
    assert all(server.authorized)
    assert set(cached(tmp_path)) == {"lock"}


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_redirect_from_https_to_http_is_not_followed(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    succeed(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(certificate)),
        cwd=tmp_path,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    url = server.url.replace("http:", "https:")
    assert get(f"{url}/images.zip", SHA256) == CONTENT
    with refused("cannot download ", " (InvalidSchema)"):
        get(f"{url}/insecure/images.zip")
