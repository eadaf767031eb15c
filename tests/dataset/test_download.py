import functools
import hashlib
import http.server
import shutil
import ssl
import threading
from pathlib import Path
from zipfile import is_zipfile

import pytest
from conftest import run
from faults import zipped

from pawprint.core.errors import InputError
from pawprint.dataset import download
from pawprint.dataset.download import locate, verify

CONTENT = zipped(("cats/1.jpg", b"a real file over a real connection" * 1000))
OTHER = zipped(("other", b""))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requested.append(self.path)
        trouble = TROUBLE.get(self.path.split("/")[1])
        if trouble:
            trouble(self)
        else:
            super().do_GET()

    def answer(self, status: int, content: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": len(content)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)


def answer_half_at_first(handler: Handler) -> None:
    again = handler.server.requested.count(handler.path) > 1
    handler.answer(200, CONTENT if again else CONTENT[:1000], Content_Length=len(CONTENT))


def stall(handler: Handler) -> None:
    handler.answer(200, CONTENT[:1000], Content_Length=len(CONTENT))
    handler.server.is_over.wait()


# What a server may do to who asks below a path, `/status404/images.zip` and so on.
TROUBLE = {
    "drop": lambda handler: handler.answer(200, CONTENT[:1000], Content_Length=len(CONTENT)),
    "drop_at_first": answer_half_at_first,
    "stall": stall,
    "status404": lambda handler: handler.answer(404),
    "status429": lambda handler: handler.answer(429, Retry_After=0),
    "status500": lambda handler: handler.answer(500),
    "loop": lambda handler: handler.answer(302, Location=handler.path),
    "portal": lambda handler: handler.answer(200, b"<html>Welcome to our network</html>"),
    "cut": lambda handler: handler.answer(200, CONTENT[:1000]),
    "no_bytes": lambda handler: handler.answer(200),
    "insecure": lambda handler: handler.answer(302, Location="http://127.0.0.1:9/images.zip"),
}


@pytest.fixture
def server(tmp_path):
    """A real server of the folder tmp_path/served; `requested` lists the paths asked for."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "images.zip").write_bytes(CONTENT)
    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.requested, server.is_over = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.is_over.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PAWPRINT_MIRROR", raising=False)


def test_url_is_downloaded_once(server):
    for _ in range(2):
        path = locate(f"{server.url}/images.zip", SHA256, "fetch.source", is_zipfile)
        assert path.read_bytes() == CONTENT
    assert server.requested == ["/images.zip"]


def test_files_of_one_name_from_two_places_are_kept_apart(server, tmp_path):
    (tmp_path / "served" / "other").mkdir()
    (tmp_path / "served" / "other" / "images.zip").write_bytes(OTHER)
    locate(f"{server.url}/images.zip", None, "fetch.source", is_zipfile)
    path = locate(f"{server.url}/other/images.zip", None, "fetch.source", is_zipfile)
    assert path.read_bytes() == OTHER


def test_mirror_folder_is_asked_first_by_file_name(server, tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path / "served"))
    path = locate("https://images.invalid/deep/images.zip", None, "fetch.source", is_zipfile)
    assert path == tmp_path / "served" / "images.zip"
    assert server.requested == []


def test_mirror_url_is_asked_first_by_file_name(server, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", f"{server.url}/")
    path = locate("https://images.invalid/deep/images.zip", None, "fetch.source", is_zipfile)
    assert path.read_bytes() == CONTENT


def test_file_that_the_mirror_lacks_comes_from_its_source(server, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    for mirror in (str(tmp_path / "mirror"), f"{server.url}/nothing/here"):
        monkeypatch.setenv("PAWPRINT_MIRROR", mirror)
        assert (
            locate(f"{server.url}/images.zip", None, "fetch.source", is_zipfile).read_bytes()
            == CONTENT
        )


def test_mirror_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="PAWPRINT_MIRROR: expected a folder or a base URL"):
        locate("https://images.invalid/images.zip", None, "fetch.source", is_zipfile)


def test_no_network_is_one_line_with_three_ways_on():
    with pytest.raises(InputError) as error:
        locate("http://127.0.0.1:9/images.zip", None, "fetch.source", is_zipfile)
    message = str(error.value)
    assert "\n" not in message
    assert "fetch.source: could not download http://127.0.0.1:9/images.zip" in message
    for way_on in ("PAWPRINT_MIRROR", "local file", "make demo"):
        assert way_on in message


def test_missing_page_is_told_with_its_status(server):
    with pytest.raises(InputError, match="HTTP status 404"):
        locate(f"{server.url}/nothing.zip", None, "fetch.source", is_zipfile)


def test_download_with_another_hash_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(InputError, match=r"fetch\.source: .*hash"):
        locate(f"{server.url}/images.zip", "0" * 64, "fetch.source", is_zipfile)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_path_and_file_url_are_taken_as_they_are(tmp_path):
    file = tmp_path / "my photos.zip"
    file.touch()
    assert locate(str(file), None, "fetch.source", is_zipfile) == file
    assert locate(file.as_uri(), None, "fetch.source", is_zipfile) == file


def test_missing_path_is_named(tmp_path):
    with pytest.raises(InputError, match=r"fetch\.source: expected a URL, or the path"):
        locate(str(tmp_path / "nothing"), None, "fetch.source", is_zipfile)


def test_relative_path_is_found_from_an_experiment_of_dvc(tmp_path, monkeypatch):
    (tmp_path / "photos.zip").touch()
    copy = tmp_path / "project" / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert (
        locate("../photos.zip", None, "fetch.source", is_zipfile).resolve()
        == tmp_path / "photos.zip"
    )


def test_file_with_another_hash_is_refused(tmp_path):
    (tmp_path / "images.zip").write_bytes(CONTENT)
    verify(tmp_path / "images.zip", SHA256, "fetch.sha256")
    with pytest.raises(InputError, match=rf"fetch\.sha256: .*Received: {SHA256}"):
        verify(tmp_path / "images.zip", "0" * 64, "fetch.sha256")


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("drop", "could not download .*ProtocolError"),
        ("stall", "could not download .*ReadTimeoutError"),
        ("status404", "HTTP status 404"),
        ("status429", "HTTP status 429"),
        ("status500", "HTTP status 500"),
        ("loop", "TooManyRedirects"),
        ("portal", "begins with b'<html>Welcome"),
        ("cut", "another kind of file, which begins with b'PK"),
        ("no_bytes", "another kind of file, which begins with b''"),
    ],
)
def test_server_in_trouble_is_one_line_and_leaves_nothing(
    server, tmp_path, monkeypatch, trouble, message
):
    monkeypatch.setattr(download, "RETRIES", 0)
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    with pytest.raises(InputError, match=rf"fetch\.source: .*{message}") as error:
        locate(f"{server.url}/{trouble}/images.zip", None, "fetch.source", is_zipfile)
    assert "\n" not in str(error.value)
    assert files_in_cache(tmp_path) == []


def test_download_that_breaks_off_starts_again(server, tmp_path):
    path = locate(f"{server.url}/drop_at_first/images.zip", None, "fetch.source", is_zipfile)
    assert path.read_bytes() == CONTENT
    assert files_in_cache(tmp_path) == [path]


def files_in_cache(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache").rglob("*") if path.is_file()]


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_answer_that_leads_from_https_to_http_is_not_followed(server, tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(key), "-out", str(certificate)),
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr(download, "RETRIES", 0)
    url = server.url.replace("http:", "https:")
    assert locate(f"{url}/images.zip", SHA256, "fetch.source", is_zipfile).read_bytes() == CONTENT
    message = "redirected from https to http://127.0.0.1:9/images.zip"
    with pytest.raises(InputError, match=message):
        locate(f"{url}/insecure/images.zip", None, "fetch.source", is_zipfile)


@pytest.mark.parametrize("source", ["https://[half", "a\0b", "x" * 5000, "ftp://host/images.zip"])
def test_source_that_can_be_nowhere_is_named(source):
    with pytest.raises(InputError, match=r"fetch\.source: expected a URL, or the path"):
        locate(source, None, "fetch.source", is_zipfile)
