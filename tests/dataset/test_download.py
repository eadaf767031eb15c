import contextlib
import functools
import hashlib
import http.server
import os
import shutil
import ssl
import threading
from pathlib import Path
from zipfile import is_zipfile

import pytest
from conftest import PROJECT, run
from faults import zipped

from pawprint.core.errors import InputError
from pawprint.dataset import download
from pawprint.dataset.download import locate, verify
from pawprint.dataset.watching import UNWATCHED, require_watched
from stages.fetch import fetch

CONTENT = zipped(("cats/1.jpg", b"a real file over a real connection" * 1000))
OTHER = zipped(("other", b""))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def log_request(self, code="-", _size="-"):
        self.server.statuses.append(int(code))

    def do_GET(self):
        self.server.requested.append(self.path)
        self.server.authorized.append("Authorization" in self.headers)
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


def trickle(handler: Handler) -> None:
    """A byte at a time, without an end."""
    handler.answer(200, Content_Length=len(CONTENT))
    with contextlib.suppress(OSError):  # the client has left
        while not handler.server.is_over.wait(0.02):
            handler.wfile.write(b"P")


def flood(handler: Handler) -> None:
    """Many bytes, without an end and without a length."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while not handler.server.is_over.is_set():
            handler.wfile.write(CONTENT)


def answer_with_etag(handler: Handler) -> None:
    content = Path(handler.directory, "images.zip").read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    is_known = handler.headers.get("If-None-Match") == tag
    handler.answer(304 if is_known else 200, b"" if is_known else content, ETag=tag)


def answer_without_validators(handler: Handler) -> None:
    handler.answer(200, Path(handler.directory, "images.zip").read_bytes())


# What a server may do to who asks below a path, `/status404/images.zip` and so on.
TROUBLE = {
    "drop": lambda handler: handler.answer(200, CONTENT[:1000], Content_Length=len(CONTENT)),
    "drop_at_first": answer_half_at_first,
    "stall": stall,
    "trickle": trickle,
    "flood": flood,
    "etag": answer_with_etag,
    "no_validator": answer_without_validators,
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
    """A real server of the folder tmp_path/served.

    For each request, `requested` lists the path, `authorized` whether a password came with it, and
    `statuses` the status of the answer.
    """
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "images.zip").write_bytes(CONTENT)
    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.requested, server.statuses, server.authorized = [], [], []
        server.is_over = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.is_over.set()
        server.shutdown()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PAWPRINT_MIRROR", raising=False)


def test_url_with_a_hash_is_downloaded_once(server):
    for _ in range(2):
        path = locate(f"{server.url}/images.zip", SHA256, "fetch.source", is_zipfile)
        assert path.read_bytes() == CONTENT
    assert server.requested == ["/images.zip"]


@pytest.mark.parametrize("path", ["images.zip", "etag/images.zip", "no_validator/images.zip"])
def test_url_gives_what_the_server_has_now(server, tmp_path, capfd, path):
    url = f"{server.url}/{path}"
    for content, date in ((CONTENT, 1_000_000_000), (OTHER, 1_000_000_060), (OTHER, 1_000_000_060)):
        served = tmp_path / "served" / "images.zip"
        served.write_bytes(content)
        os.utime(served, (date, date))
        fetch([url], [None], tmp_path / "raw")
        assert (tmp_path / "raw" / "images.zip").read_bytes() == content
    unchanged = 200 if path.startswith("no_validator") else 304
    assert server.statuses == [200, 200, unchanged]
    assert capfd.readouterr().err == ""


def test_url_with_another_hash_than_the_cached_file_is_downloaded_again(server, tmp_path):
    url = f"{server.url}/images.zip"
    locate(url, None, "fetch.source", is_zipfile)
    (tmp_path / "served" / "images.zip").write_bytes(OTHER)
    sha256 = hashlib.sha256(OTHER).hexdigest()
    assert locate(url, sha256, "fetch.source", is_zipfile).read_bytes() == OTHER


def test_without_network_the_last_download_is_used_and_a_line_says_so(server, capfd):
    url = f"{server.url}/images.zip"
    locate(url, None, "fetch.source", is_zipfile)
    server.shutdown()
    server.server_close()
    assert locate(url, None, "fetch.source", is_zipfile).read_bytes() == CONTENT
    expected = f"fetch.source: could not reach {url} (NewConnectionError). "
    expected += "Its last download is used, which may be outdated.\n"
    assert capfd.readouterr().err == expected
    assert locate(url, SHA256, "fetch.source", is_zipfile).read_bytes() == CONTENT
    assert capfd.readouterr().err == ""


def test_damaged_file_in_the_cache_is_downloaded_again(server):
    url = f"{server.url}/images.zip"
    locate(url, None, "fetch.source", is_zipfile).write_bytes(CONTENT[:-9])
    assert locate(url, None, "fetch.source", is_zipfile).read_bytes() == CONTENT


def test_file_that_the_server_no_longer_has_is_not_taken_from_the_cache(server, tmp_path):
    url = f"{server.url}/images.zip"
    locate(url, None, "fetch.source", is_zipfile)
    (tmp_path / "served" / "images.zip").unlink()
    with pytest.raises(InputError, match="HTTP status 404"):
        locate(url, None, "fetch.source", is_zipfile)


@pytest.mark.parametrize("ending", ["", "/", "/photos/", "/..", "/a/..", "/."])
def test_url_of_a_folder_is_refused_before_a_request(server, ending):
    with pytest.raises(InputError, match=r"fetch\.source: expected the URL of a file. Received: "):
        locate(f"{server.url}{ending}", None, "fetch.source", is_zipfile)
    assert server.requested == []


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_source_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "images.zip")
    with pytest.raises(InputError, match=r"fetch\.source: .* a device, a pipe or similar"):
        locate(str(tmp_path / "images.zip"), None, "fetch.source", is_zipfile)


SECRET = "correct-horse"


@pytest.mark.parametrize(
    "path",
    ["status404/images.zip", "portal/images.zip", "drop/images.zip", "a/", "loop/images.zip"],
)
@pytest.mark.parametrize("is_mirror", [False, True])
def test_passwords_and_tokens_are_in_no_message(server, monkeypatch, path, is_mirror):
    monkeypatch.setattr(download, "RETRIES", 0)
    host = server.url.replace("://", f"://user:{SECRET}@")
    url = f"{host}/{path}?token={SECRET}#{SECRET}"
    if is_mirror:
        monkeypatch.setenv("PAWPRINT_MIRROR", f"{host}/{path.split('/')[0]}?token={SECRET}")
    for source in (url, url.replace(f":{server.server_port}/", ":9/")):
        with pytest.raises(InputError) as error:
            locate(source, None, "fetch.source", is_zipfile)
        assert SECRET not in str(error.value)
    for source in (f"ftp://user:{SECRET}@host/x", f"https://[user:{SECRET}@host/x"):
        with pytest.raises(InputError) as error:
            locate(source, None, "fetch.source", is_zipfile)
        assert SECRET not in str(error.value)


def test_password_and_token_of_source_and_mirror_are_sent(server, monkeypatch):
    url = server.url.replace("://", f"://user:{SECRET}@")
    locate(f"{url}/images.zip?token=1", None, "fetch.source", is_zipfile)
    monkeypatch.setenv("PAWPRINT_MIRROR", f"{url}/?token=2")
    locate("https://images.invalid/images.zip", None, "fetch.source", is_zipfile)
    assert server.requested == ["/images.zip?token=1", "/images.zip?token=2"]
    assert all(server.authorized)


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


def test_local_source_is_watched_and_a_web_url_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    file = tmp_path / "my photos.zip"
    file.touch()
    require_watched([file.as_uri()], str(file))
    require_watched([os.path.relpath(file)], str(file))
    require_watched(["https://images.invalid/images.zip"], UNWATCHED)
    with pytest.raises(InputError, match=rf"fetch\.watch: expected {UNWATCHED}, because"):
        require_watched(["https://images.invalid/images.zip"], str(file))
    for source in (file.as_uri(), str(file)):
        with pytest.raises(InputError, match=r"fetch\.watch: expected /.*my photos\.zip, the path"):
            require_watched([source], UNWATCHED)


def test_folder_of_a_list_of_archives_is_watched(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.zip").touch()
    url = "https://images.invalid/images.zip"
    below = ["../photos/a/1.zip", (tmp_path / "photos/b/1.zip").as_uri()]
    require_watched(["../photos/a/1.zip", "../photos/b/1.zip"], "../photos")
    require_watched([url, *below], str(tmp_path / "photos"))
    require_watched([url, "../photos/a/1.zip"], "../photos/a")
    require_watched([url, url], UNWATCHED)
    relative = ["../photos/a/1.zip", "../photos/b/1.zip"]
    for sources, watch in ((relative, "../photos"), (below, "/.*photos")):
        with pytest.raises(InputError, match=rf"fetch\.watch: expected {watch}, the folder of the"):
            require_watched(sources, UNWATCHED)
    (tmp_path / "1.zip").touch()
    with pytest.raises(InputError, match=r"Received: '\.\./1\.zip', '.*Move the images"):
        require_watched(["../1.zip", "../photos/a/1.zip"], "..")


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
        ("trickle", r"could not download .*fewer than 1,000 bytes in 0\.2 seconds"),
        ("flood", "could not download .*more than 9,999,999 bytes"),
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
    monkeypatch.setattr(download, "WINDOW", 0.2)
    monkeypatch.setattr(download, "MIN_BYTES", 1000)
    monkeypatch.setattr(download, "MAX_BYTES", 9_999_999)
    with pytest.raises(InputError, match=rf"fetch\.source: .*{message}") as error:
        locate(f"{server.url}/{trouble}/images.zip", None, "fetch.source", is_zipfile)
    assert "\n" not in str(error.value)
    assert files_in_cache(tmp_path) == []


def test_download_that_breaks_off_starts_again(server, tmp_path):
    path = locate(f"{server.url}/drop_at_first/images.zip", None, "fetch.source", is_zipfile)
    assert path.read_bytes() == CONTENT
    assert files_in_cache(tmp_path) == [path, path.with_name("file.json")]


def files_in_cache(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "cache").rglob("*") if path.is_file())


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


@pytest.mark.parametrize("source", ["http://[x", "file://[x", "x" * 300, "a\0b"])
def test_source_that_is_no_address_is_left_to_locate(source):
    require_watched([source], UNWATCHED)
    with pytest.raises(InputError, match=r"fetch\.source: expected a URL"):
        locate(source, None, "fetch.source", lambda _: True)
