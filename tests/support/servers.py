"""Real servers on loopback ports that hold a DVC remote."""

import getpass
import importlib.util
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


class Server:
    """A process with a folder for its data. The constructor returns when the server answers."""

    package: str  # of DVC
    url: str  # for `dvc remote add`
    settings: dict[str, str]  # options of `dvc remote modify --local`

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        if not importlib.util.find_spec(self.package):
            pytest.skip(f"needs {self.package}: install the extra remotes")

    def start(self, *command: str) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        while not self.answers():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.05)
                pytest.fail((self.folder / "log").read_text())

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class S3(Server):
    """moto, whose user has a bucket and a key."""

    package, url = "dvc_s3", "s3://pawprint/project"

    def __init__(self, folder: Path):
        super().__init__(folder)
        pytest.importorskip("moto", reason="install the extra dev")
        self.start(sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port))
        self.settings = {
            "endpointurl": f"http://{HOST}:{self.port}",
            "region": "us-east-1",
            "access_key_id": "tester",
            "secret_access_key": "secret",
        }
        import boto3

        boto3.client(
            "s3",
            endpoint_url=self.settings["endpointurl"],
            region_name=self.settings["region"],
            aws_access_key_id=self.settings["access_key_id"],
            aws_secret_access_key=self.settings["secret_access_key"],
        ).create_bucket(Bucket="pawprint")


class SSH(Server):
    """OpenSSH with keys and settings of its own."""

    package = "dvc_ssh"

    def __init__(self, folder: Path):
        super().__init__(folder)
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if not sshd:
            pytest.skip("needs OpenSSH's sshd")
        for name in ("host", "user"):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
            subprocess.run(keygen, cwd=folder, check=True)
        (folder / "config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
            "PidFile none\nStrictModes no\nPasswordAuthentication no\n"
            f"Subsystem sftp internal-sftp\nListenAddress {HOST}:{self.port}\n"
        )
        self.url = f"ssh://{getpass.getuser()}@{HOST}{folder}/remote"
        self.settings = {"port": str(self.port), "keyfile": str(folder / "user")}
        self.start(sshd, "-D", "-e", "-f", str(folder / "config"))
