"""Open the course in JupyterLab, and print its address, also for the other end of SSH."""

import getpass
import logging
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from nochat.lab import hints, surroundings
from nochat.lab.folders import own_folder
from nochat.local.processes import when_gone

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
FIRST = "lab/tree/00_start_here.ipynb"
CHAT_PORT = 8000

# The address is 127.0.0.1 and not localhost: a browser then counts the chat's page, which is
# served from 127.0.0.1 too, as the same site as the notebook that frames it, and sends its cookie.
# Options override the settings of the user or the administrator for other notebooks.
OPTIONS = [
    "--ip=127.0.0.1",
    "--allow-root",
    "--ServerApp.port_retries=50",
    "--Application.log_level=ERROR",
    "--ServerApp.base_url=/",
    "--ServerApp.certfile=",
    "--ServerApp.keyfile=",
    "--ServerApp.custom_display_url=",
    "--ServerApp.sock=",
    "--PasswordIdentityProvider.hashed_password=",
    "--PasswordIdentityProvider.password_required=False",
    "--MultiKernelManager.default_kernel_name=python3",
    f"--LabApp.default_url=/{FIRST}",
    f"--ServerApp.root_dir={NOTEBOOKS}",
]


def has_browser() -> bool:
    """Return whether the user would see a browser that opens."""
    if "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def tunnel(port: int, connection: str) -> str:
    """Return the command that forwards the course and the chat to the other end of SSH."""
    *_, address, ssh_port = connection.split()
    option = "" if ssh_port == "22" else f"-p {ssh_port} "
    ports = " ".join(f"-L {number}:127.0.0.1:{number}" for number in (port, CHAT_PORT))
    return f"ssh -N {option}{ports} {getpass.getuser()}@{address}"


def address_of(server: "ServerApp") -> str:
    """Return the course's URL, with the port and token that the server uses."""
    scheme = "https" if server.certfile else "http"
    token = quote(server.identity_provider.token)
    return f"{scheme}://127.0.0.1:{server.port}{server.base_url}{FIRST}?token={token}"


def welcome(port: int, address: str) -> str:
    """Return the message for a student after the start."""
    lines = ["", "The course is open at", "", f"    {address}", ""]
    if connection := os.environ.get("SSH_CONNECTION"):
        lines += ["You came by SSH. On your own machine, run this and leave it running,", ""]
        lines += [f"    {tunnel(port, connection)}", "", "then open the address there.", ""]
    return "\n".join([*lines, "Ctrl-C here stops it."])


def make_server() -> "ServerApp":
    """Create a JupyterLab server, which stops its kernels on every usual signal."""
    from jupyterlab.labapp import LabApp

    options = OPTIONS if has_browser() else [*OPTIONS, "--no-browser"]
    server = LabApp.initialize_server(argv=options)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: _stop(server))
    return server


def _stop(server: "ServerApp") -> None:
    logging.disable()  # late messages of kernels would be logged as errors of closed channels
    server.stop(from_signal=True)


def main() -> None:
    """Start JupyterLab and stay until Ctrl-C."""
    # With a token of its own, JupyterLab would print a long log.
    os.environ["JUPYTER_TOKEN"] = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    # Each kernel runs it first: errors then have hints at the cells to run first.
    os.environ["PYTHONSTARTUP"] = hints.__file__
    folder = own_folder("jupyter")
    with when_gone("", folder):
        os.environ.update(surroundings.of_jupyter(folder))
        server = make_server()
        # From inside the loop, when the address already answers.
        welcomed = lambda: print(welcome(server.port, address_of(server)), flush=True)  # noqa: E731
        server.io_loop.add_callback(welcomed)
        server.start()
    print("\nThe course is closed, and what it started is stopped.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped before JupyterLab was open.")
