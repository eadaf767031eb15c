"""Real servers on loopback ports that hold a DVC remote; each can be killed and started again."""

import base64
import getpass
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

import pytest

HOST = "127.0.0.1"
BUCKET = "pawprint"  # of Azure: a container
AZURITE = Path(sys.executable).parent.parent / "node_modules" / ".bin" / "azurite-blob"


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def lacking(*modules: str) -> str | None:
    """Why a server cannot be tested, if one of these modules is not installed."""
    absent = [module for module in modules if not importlib.util.find_spec(module)]
    return f"needs {', '.join(absent)}: install requirements-dev.txt" if absent else None


class Server(ABC):
    """A process with a folder for its data. `start` returns when the server answers."""

    writable = True

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()

    @staticmethod
    def lacking() -> str | None:
        """Why this server cannot run here; None if it can."""
        return None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for `dvc remote add`."""

    @abstractmethod
    def settings(self, port: int) -> dict[str, str]:
        """Options of `dvc remote modify --local` for a server at this port."""

    @property
    @abstractmethod
    def wrong_key(self) -> dict[str, str]:
        """Settings with a key that the server does not know."""

    @abstractmethod
    def command(self) -> list[str]: ...

    def environment(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=os.environ | self.environment(),
                stdout=log,
                stderr=log,
            )
        while not self.answers():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.05)
                pytest.fail((self.folder / "log").read_text())
        self.prepare()

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
            return True
        return False

    def prepare(self) -> None:
        """Create what an administrator creates: a bucket and a user."""
        return None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class S3(Server):
    """moto, which checks signatures. It keeps objects in memory: a restart empties it."""

    url = f"s3://{BUCKET}/project"

    @staticmethod
    def lacking():
        return lacking("dvc_s3", "moto", "flask_cors")

    def command(self):
        return [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port)]

    def environment(self):
        # Creating the user takes three requests without a signature, and the bucket a fourth.
        return {"INITIAL_NO_AUTH_ACTION_COUNT": "4"}

    def prepare(self):
        import boto3

        def client(service: str):
            return boto3.client(
                service,
                endpoint_url=f"http://{HOST}:{self.port}",
                region_name="us-east-1",
                aws_access_key_id="none",
                aws_secret_access_key="none",
            )

        iam = client("iam")
        iam.create_user(UserName="tester")
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=policy)
        self.key = iam.create_access_key(UserName="tester")["AccessKey"]
        client("s3").create_bucket(Bucket=BUCKET)

    def settings(self, port):
        return {
            "endpointurl": f"http://{HOST}:{port}",
            "region": "us-east-1",
            "access_key_id": self.key["AccessKeyId"],
            "secret_access_key": self.key["SecretAccessKey"],
        }

    @property
    def wrong_key(self):
        return {"secret_access_key": "wrong"}


class Azure(Server):
    """Azurite, Microsoft's emulator, which checks signatures."""

    url = f"azure://{BUCKET}/project"
    key = base64.b64encode(b"key of the test").decode()

    @staticmethod
    def lacking():
        if not AZURITE.exists():
            return f"needs Azurite, which .ci/run installs: {AZURITE} does not exist"
        return lacking("dvc_azure")

    def command(self):
        options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        return [str(AZURITE), "--blobPort", str(self.port), "--location", ".", *options]

    def environment(self):
        return {"AZURITE_ACCOUNTS": f"tester:{self.key}"}

    def connection(self, port: int, key: str) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName=tester;AccountKey={key};"
            f"BlobEndpoint=http://{HOST}:{port}/tester"
        )

    def prepare(self):
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import BlobServiceClient

        service = BlobServiceClient.from_connection_string(self.connection(self.port, self.key))
        with service, suppress(ResourceExistsError):  # from before the restart
            service.create_container(BUCKET)

    def settings(self, port):
        return {"connection_string": self.connection(port, self.key)}

    @property
    def wrong_key(self):
        return {
            "connection_string": self.connection(self.port, base64.b64encode(b"wrong").decode())
        }


class GoogleCloudStorage(Server):
    """gcp-storage-emulator. It checks no keys, so the wrong key is a file that holds none."""

    url = f"gs://{BUCKET}/project"

    @staticmethod
    def lacking():
        return lacking("dvc_gs", "gcp_storage_emulator")

    def command(self):
        data = str(self.folder / "data")
        program = [sys.executable, "-m", "gcp_storage_emulator", "--data-dir", data, "start"]
        return [*program, "--host", HOST, "--port", str(self.port), "--default-bucket", BUCKET]

    def settings(self, port):
        return {"endpointurl": f"http://{HOST}:{port}", "allow_anonymous_login": "true"}

    @property
    def wrong_key(self):
        (self.folder / "key.json").write_text("{}")
        return {"allow_anonymous_login": "false", "credentialpath": str(self.folder / "key.json")}


class SSH(Server):
    """OpenSSH with keys and settings of its own."""

    sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")

    @staticmethod
    def lacking():
        return lacking("dvc_ssh") if SSH.sshd else "needs OpenSSH's sshd"

    def __init__(self, folder):
        super().__init__(folder)
        for name in ("host", "user", "unknown"):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
            subprocess.run(keygen, cwd=self.folder, check=True)
        (self.folder / "config").write_text(
            f"HostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\n"
            "PidFile none\nStrictModes no\nPasswordAuthentication no\n"
            "Subsystem sftp internal-sftp\n"
        )

    def command(self):
        listen = ["-o", f"ListenAddress={HOST}:{self.port}"]
        return [self.sshd, "-D", "-e", "-f", str(self.folder / "config"), *listen]

    @property
    def url(self):
        return f"ssh://{getpass.getuser()}@{HOST}{self.folder}/remote"

    def settings(self, port):
        return {"port": str(port), "keyfile": str(self.folder / "user")}

    @property
    def wrong_key(self):
        return {"keyfile": str(self.folder / "unknown")}


class HTTP(Server):
    """Python's http.server with a password; it serves the folder `remote` and takes no files."""

    writable = False

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def command(self):
        return [sys.executable, __file__, str(self.port), str(self.folder / "remote")]

    def settings(self, port):
        url = f"http://{HOST}:{port}"
        return {"url": url, "auth": "basic", "user": "tester", "password": "right"}

    @property
    def wrong_key(self):
        return {"password": "wrong"}


KINDS = {"s3": S3, "azure": Azure, "gs": GoogleCloudStorage, "ssh": SSH, "http": HTTP}


def dying(server: Server, after: int) -> int:
    """A port that leads to `server`, and kills it once `after` bytes went through in one way."""
    listener = socket.create_server((HOST, 0))
    lock = threading.Lock()
    passed = {"up": 0, "down": 0}
    ends = [listener]

    def close() -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def pump(way: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(4096):
                with lock:
                    passed[way] += len(chunk)
                    if passed[way] > after:
                        server.kill()
                        return close()
                target.sendall(chunk)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                pair = listener.accept()[0], socket.create_connection((HOST, server.port))
                ends.extend(pair)
                for way, (source, target) in {"up": pair, "down": pair[::-1]}.items():
                    threading.Thread(target=pump, args=(way, source, target), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def serve(port: int, folder: str) -> None:
    """The server of HTTP, in a process of its own."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    expected = "Basic " + base64.b64encode(b"tester:right").decode()

    class Handler(SimpleHTTPRequestHandler):
        def send_head(self):
            if self.headers["Authorization"] == expected:
                return super().send_head()
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

    ThreadingHTTPServer((HOST, port), partial(Handler, directory=folder)).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
