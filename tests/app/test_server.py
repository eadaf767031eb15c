"""Who the app's server lets in."""

import socket
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


def test_only_this_computer_and_pages_under_a_local_name_reach_the_app(tmp_path):
    """A page of the web may have a name that leads here: DNS rebinding."""
    config = PROJECT / "pawprint" / "app" / ".streamlit" / "config.toml"
    assert "gatherUsageStats = false" in config.read_text(encoding="utf-8")
    (tmp_path / "params.yaml").touch()
    with served(tmp_path) as address:
        elsewhere = ("127.0.0.2", urlsplit(address).port)
        with pytest.raises(OSError), socket.create_connection(elsewhere, timeout=5):
            pass

        def status(host: str, origin: str) -> int:
            connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
            headers = HANDSHAKE | {"Host": host, "Origin": origin}
            connection.request("GET", "/_stcore/stream", headers=headers)
            with connection.getresponse() as response:
                return response.status

        # As the port that an SSH tunnel forwards, which may be another.
        for name in ("127.0.0.1", "localhost", "[::1]"):
            assert status(f"{name}:9000", f"http://{name}:9000") == 101, name
        assert status("evil.example:8501", "http://evil.example:8501") == 403
        assert status("localhost:8501", "http://evil.example") == 403
