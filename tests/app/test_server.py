"""Test whom the app's server lets in."""

import socket
from functools import partial
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

pytest.importorskip("streamlit", reason="Streamlit is not installed")

from conftest import PROJECT
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


def test_only_this_computer_and_pages_under_a_local_name_reach_the_app(tmp_path):
    """A website may have a name that resolves to this computer: DNS rebinding."""
    config = PROJECT / "pawprint" / "app" / ".streamlit" / "config.toml"
    assert "gatherUsageStats = false" in config.read_text(encoding="utf-8")
    (tmp_path / "params.yaml").touch()
    with served(tmp_path) as address:
        elsewhere = ("127.0.0.2", urlsplit(address).port)
        with pytest.raises(OSError), socket.create_connection(elsewhere, timeout=5):
            pass
        status = partial(status_of, address)

        # An SSH tunnel may forward another port.
        for name in ("127.0.0.1", "localhost", "[::1]"):
            assert status(f"{name}:9000", f"http://{name}:9000") == 101, name
        assert status("evil.example:8501", "http://evil.example:8501") == 403
        assert status("localhost:8501", "http://evil.example") == 403


def test_host_name_that_is_allowed_reaches_the_app_as_its_own_page_or_through_a_proxy(tmp_path):
    """In Codespaces and JupyterHub, the proxy's name is in Host, or only in Origin."""
    (tmp_path / "params.yaml").touch()
    name = "me-8501.app.github.dev"
    with served(tmp_path, "--allow-host", name) as address:
        for host in (name, "localhost:8501"):
            assert status_of(address, host, f"https://{name}") == 101, host
        assert status_of(address, "localhost:8501", "http://localhost:8501") == 101
        assert status_of(address, "evil.example", "http://evil.example") == 403
        assert status_of(address, name, "http://evil.example") == 403
