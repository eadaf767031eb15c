"""The `app` command, and the host names under which browsers may reach the app."""

import argparse
import importlib.util
import os
import subprocess
import sys

from pawprint.base.errors import InputError
from pawprint.base.package import PACKAGE, install_command, python_in

LOCAL = ("127.0.0.1", "localhost", "::1")  # a page of the web may have a name that leads here
# On the command line, because variables and other config.toml take precedence over the app's own.
PRIVATE = ("address=127.0.0.1", "enableCORS=true", "enableXsrfProtection=true")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    port = "listen on this port; default: %(default)s"
    parser.add_argument("--port", type=int, default=8501, help=port)
    name = "also accept this host name, such as the name of a proxy; may be repeated"
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=name)


def run(arguments: argparse.Namespace) -> int:
    """Open the web app, in which you label photos, run the project and try its model.

    The app only accepts connections from this computer, under the name localhost. If a proxy, such
    as Codespaces, forwards it under another name, specify that name with --allow-host. The proxy
    must require a login, because anyone who can reach the app can change files and run commands.

    Examples:
      pawprint app --port 8502
      pawprint app --allow-host NAME-8501.app.github.dev
    """
    if not importlib.util.find_spec("streamlit"):
        raise InputError(f"app: streamlit is not installed. Run `{install_command('app')}`.")
    command = [*python_in(), "-m", "streamlit", "run", str(PACKAGE / "app/main.py")]
    command += [f"--server.{option}" for option in (f"port={arguments.port}", *PRIVATE)]
    command += [f"--server.allowedHosts={name}" for name in (*LOCAL, *arguments.allow_host)]
    # A proxy may send its own name only in the Origin header.
    command += [f"--server.corsAllowedOrigins=https://{name}" for name in arguments.allow_host]
    if not arguments.allow_host:
        print("To allow another host name, such as a proxy's: pawprint app --allow-host NAME")
        sys.stdout.flush()  # execv would discard the buffer
    if os.name == "posix":
        os.execv(command[0], command)  # replace this process, so that signals reach the server
    return subprocess.call(command)
