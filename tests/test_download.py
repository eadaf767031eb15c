import functools
import hashlib
import http.server
import threading

import pytest

from stages.shared.download import locate, verify
from stages.shared.errors import InputError

CONTENT = b"a real file over a real connection" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requested.append(self.path)
        super().do_GET()


@pytest.fixture
def server(tmp_path):
    """A real server of the folder tmp_path/served; `requested` lists the paths asked for."""
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "images.zip").write_bytes(CONTENT)
    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.requested = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PAWPRINT_MIRROR", raising=False)


def test_url_is_downloaded_once(server):
    for _ in range(2):
        path = locate(f"{server.url}/images.zip", SHA256, "fetch.source")
        assert path.read_bytes() == CONTENT
    assert server.requested == ["/images.zip"]


def test_files_of_one_name_from_two_places_are_kept_apart(server, tmp_path):
    (tmp_path / "served" / "other").mkdir()
    (tmp_path / "served" / "other" / "images.zip").write_bytes(b"other")
    locate(f"{server.url}/images.zip", None, "fetch.source")
    assert locate(f"{server.url}/other/images.zip", None, "fetch.source").read_bytes() == b"other"


def test_mirror_folder_is_asked_first_by_file_name(server, tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path / "served"))
    path = locate("https://images.invalid/deep/images.zip", None, "fetch.source")
    assert path == tmp_path / "served" / "images.zip"
    assert server.requested == []


def test_mirror_url_is_asked_first_by_file_name(server, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", f"{server.url}/")
    path = locate("https://images.invalid/deep/images.zip", None, "fetch.source")
    assert path.read_bytes() == CONTENT


def test_file_that_the_mirror_lacks_comes_from_its_source(server, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    for mirror in (str(tmp_path / "mirror"), f"{server.url}/nothing/here"):
        monkeypatch.setenv("PAWPRINT_MIRROR", mirror)
        assert locate(f"{server.url}/images.zip", None, "fetch.source").read_bytes() == CONTENT


def test_mirror_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PAWPRINT_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="PAWPRINT_MIRROR: expected a folder or a base URL"):
        locate("https://images.invalid/images.zip", None, "fetch.source")


def test_no_network_is_one_line_with_three_ways_on():
    with pytest.raises(InputError) as error:
        locate("http://127.0.0.1:9/images.zip", None, "fetch.source")
    message = str(error.value)
    assert "\n" not in message
    assert "fetch.source: could not download http://127.0.0.1:9/images.zip" in message
    for way_on in ("PAWPRINT_MIRROR", "file on this machine", "make demo"):
        assert way_on in message


def test_missing_page_is_told_with_its_status(server):
    with pytest.raises(InputError, match="HTTP status 404"):
        locate(f"{server.url}/nothing.zip", None, "fetch.source")


def test_download_with_another_hash_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(InputError, match=r"fetch\.source: .*hash"):
        locate(f"{server.url}/images.zip", "0" * 64, "fetch.source")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_path_and_file_url_are_taken_as_they_are(tmp_path):
    file = tmp_path / "my photos.zip"
    file.touch()
    assert locate(str(file), None, "fetch.source") == file
    assert locate(file.as_uri(), None, "fetch.source") == file


def test_missing_path_is_named(tmp_path):
    with pytest.raises(InputError, match=r"fetch\.source: expected a URL, or the path"):
        locate(str(tmp_path / "nothing"), None, "fetch.source")


def test_relative_path_is_found_from_an_experiment_of_dvc(tmp_path, monkeypatch):
    (tmp_path / "photos.zip").touch()
    copy = tmp_path / "project" / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    assert locate("../photos.zip", None, "fetch.source").resolve() == tmp_path / "photos.zip"


def test_file_with_another_hash_is_refused(tmp_path):
    (tmp_path / "images.zip").write_bytes(CONTENT)
    verify(tmp_path / "images.zip", SHA256, "fetch.sha256")
    with pytest.raises(InputError, match=rf"fetch\.sha256: .*Received: {SHA256}"):
        verify(tmp_path / "images.zip", "0" * 64, "fetch.sha256")
