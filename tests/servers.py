"""Real servers on loopback ports that hold a DVC remote."""

import getpass
import importlib.util
import json
import os
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
    wrong_key: dict[str, str]  # settings that the server refuses

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        if not importlib.util.find_spec(self.package):
            pytest.skip(f"needs {self.package}: install the extra remotes")

    def start(self, *command: str, **environment: str) -> None:
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=os.environ | environment, stdout=log, stderr=log
            )
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
    """moto, which checks signatures."""

    package, url = "dvc_s3", "s3://pawprint/project"

    def __init__(self, folder: Path):
        super().__init__(folder)
        pytest.importorskip("moto", reason="install the extra dev")
        # Creating the user takes three requests without a signature, and the bucket a fourth.
        command = (sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(self.port))
        self.start(*command, INITIAL_NO_AUTH_ACTION_COUNT="4")
        iam = self.client("iam")
        iam.create_user(UserName="tester")
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=policy)
        key = iam.create_access_key(UserName="tester")["AccessKey"]
        self.client("s3").create_bucket(Bucket="pawprint")
        self.settings = {
            "endpointurl": f"http://{HOST}:{self.port}",
            "region": "us-east-1",
            "access_key_id": key["AccessKeyId"],
            "secret_access_key": key["SecretAccessKey"],
        }
        self.wrong_key = {"secret_access_key": "wrong"}

    def client(self, service: str):
        import boto3

        return boto3.client(
            service,
            endpoint_url=f"http://{HOST}:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
        )


class SSH(Server):
    """OpenSSH with keys and settings of its own."""

    package = "dvc_ssh"

    def __init__(self, folder: Path):
        super().__init__(folder)
        sshd = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if not sshd:
            pytest.skip("needs OpenSSH's sshd")
        for name in ("host", "user", "unknown"):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
            subprocess.run(keygen, cwd=folder, check=True)
        (folder / "config").write_text(
            f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
            "PidFile none\nStrictModes no\nPasswordAuthentication no\n"
            f"Subsystem sftp internal-sftp\nListenAddress {HOST}:{self.port}\n"
        )
        self.url = f"ssh://{getpass.getuser()}@{HOST}{folder}/remote"
        self.settings = {"port": str(self.port), "keyfile": str(folder / "user")}
        self.wrong_key = {"keyfile": str(folder / "unknown")}
        self.start(sshd, "-D", "-e", "-f", str(folder / "config"))
