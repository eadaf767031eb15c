"""Test whom the app's server lets in."""

import socket
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from conftest import PROJECT, write_files
from servers import served

HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


def status_of(address: str, host: str, origin: str) -> int:
    """Return the status of the connection that a page opens."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    headers = HANDSHAKE | {"Host": host, "Origin": origin}
    connection.request("GET", "/_stcore/stream", headers=headers)
    with connection.getresponse() as response:
        return response.status


NAME = "me-8501.app.github.dev"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
# The host and the origin of a page, and the answer. An SSH tunnel may forward another port.
ANSWERS = [
    *(
        (f"{local}:9000", f"http://{local}:9000", 101)
        for local in ("127.0.0.1", "localhost", "[::1]")
    ),
    ("evil.example:8501", "http://evil.example:8501", 403),
    ("localhost:8501", "http://evil.example", 403),
]
# In Codespaces and JupyterHub, the proxy's name is in Host, or only in Origin.
WITH_NAME = [*ANSWERS, (NAME, "http://evil.example", 403)]
WITH_NAME += [(host, f"https://{NAME}", 101) for host in (NAME, "localhost:8501")]


@pytest.mark.parametrize(
    ("options", "answers"), [((), ANSWERS), (("--allow-host", NAME), WITH_NAME)]
)
def test_only_this_computer_and_pages_under_its_names_reach_the_app(
    tmp_path, monkeypatch, options, answers
):
    """A website may have a name that resolves to this computer: DNS rebinding."""
    opening = {"ADDRESS": "0.0.0.0", "ALLOWED_HOSTS": "evil.example", "ENABLE_CORS": "false"}
    for name, value in opening.items():  # as people set them for their own apps
        monkeypatch.setenv(f"STREAMLIT_SERVER_{name}", value)
    write_files(tmp_path, {".streamlit/config.toml": '[server]\naddress = "0.0.0.0"\n'})
    config = PROJECT / "pawprint" / "app" / ".streamlit" / "config.toml"
    assert "gatherUsageStats = false" in config.read_text(encoding="utf-8")
    (tmp_path / "params.yaml").touch()
    with served(tmp_path, *options) as address:
        elsewhere = ("127.0.0.2", urlsplit(address).port)
        with pytest.raises(OSError), socket.create_connection(elsewhere, timeout=5):
            pass
        for host, origin, status in answers:
            assert status_of(address, host, origin) == status, (host, origin)
