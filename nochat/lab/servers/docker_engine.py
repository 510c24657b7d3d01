"""Docker Engine: the computer's own, or a private one."""

import os
import subprocess
from pathlib import Path

from nochat.lab import surroundings
from nochat.lab.board import progress
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.servers.bridge import choose
from nochat.lab.servers.server import Server, private
from nochat.lab.shell import script
from nochat.local import doctor
from nochat.local.processes import start_child

NAME, VARIABLE, CONTEXT = "Docker Engine", "DOCKER_HOST", "DOCKER_CONTEXT"
USUAL = "unix:///var/run/docker.sock"

HERE = Path(__file__).parent
GROUPS, RUN = HERE / "control_groups.sh", HERE / "docker_engine.sh"
GONE = HERE / "docker_engine_gone.sh"

SECONDS = 10.0  # an engine's time to answer


def docker(*, alone: bool = False, quiet: bool = False) -> Server:
    """Use the Docker Engine that answers; if none does, start a private one, which needs root.

    A private engine has a socket, data and networks of its own, which are removed with it; this
    process's children find it by `DOCKER_HOST`.

    Args:
        alone: start a private one in any case.
        quiet: print nothing.

    Raises:
        Missing: neither an engine nor the programs of a private one are installed.
        NotReady: a private one does not start.
        NotAnswering: the engine of `DOCKER_HOST` or `DOCKER_CONTEXT` can't be used, or this user
            may neither use this machine's engine nor start one.
    """
    doctor.require("docker")
    return (None if alone else _answering()) or _start(quiet)


def _answering() -> Server | None:
    """Return the engine that answers; None if there is none and this user may start one."""
    host = os.environ.get(VARIABLE)
    # An address takes precedence over a context, as for Docker's command.
    variable = next((name for name in (VARIABLE, CONTEXT) if os.environ.get(name)), None)
    origin = f"named by {variable}" if variable else "of this machine"
    try:
        return Server(NAME, host or _default(), look(host or ""), origin, look=look)
    except NotAnswering as error:
        if variable:
            also = (
                " (and the variables DOCKER_TLS_VERIFY and DOCKER_CERT_PATH)"
                if (host or "").startswith("tcp:")
                else ""
            )
            advice = f"Correct {variable}{also}, or unset it to use the engine of this machine."
            raise NotAnswering(f"{NAME} at {os.environ[variable]} {error}. {advice}") from None
        if os.geteuid() == 0:
            return None
        advice = "sudo usermod -aG docker $USER, and log in again"
        if "context" in str(error):
            advice = "docker context use default"
        elif "reached" in str(error):
            advice = "sudo systemctl start docker"
        raise NotAnswering(f"{NAME} {error}. To do: {advice}.") from None


def _start(quiet: bool) -> Server:
    if os.geteuid() != 0:
        raise NotAnswering(f"only root may start a private {NAME}: sudo systemctl start docker")
    program, bridge = doctor.require("dockerd"), choose()
    with progress(NAME, quiet):
        folder = own_folder("docker")
        groups = script(GROUPS, groups="/sys/fs/cgroup")
        run = script(RUN, folder=folder, name=bridge.name, pool=bridge.pool)
        whole = f"set -e\n{groups}\n{bridge.up}\n{run}"
        # No grace period: its data are removed as well.
        child = start_child(
            ["unshare", "--mount", "--propagation=slave", "/bin/sh", "-c", whole, "sh", program],
            log=folder / "log",
            remove=folder,
            grace=0,
            after=script(GONE, folder=folder, name=bridge.name) + bridge.down,
        )
        server = private(NAME, f"unix://{folder}/socket", child, look, variable=VARIABLE)
        surroundings.forget_tls(os.environ)  # the variables were meant for another engine
        return server


def look(host: str) -> str:
    """Return the version of the engine at an address, or at the default one if it is empty.

    Raises:
        NotAnswering: it can't be reached, or refuses this user.
    """
    command = [str(doctor.require("docker")), "version", "--format", "{{.Server.Version}}"]
    env = os.environ | ({VARIABLE: host} if host else {})
    surroundings.forget_tls(env)
    try:
        ran = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotAnswering(f"can't be reached (no answer in {SECONDS:g} s)") from None
    if ran.returncode == 0:
        return ran.stdout.strip().partition("+")[0]
    if "permission denied" in ran.stderr:
        raise NotAnswering("refuses us: we have no rights on its socket")
    lines = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
    reason = lines[-1] if lines else f"docker version ended with status {ran.returncode}"
    raise NotAnswering(f"can't be reached ({reason})")


def settings_folder(url: str) -> Path:
    """Return the folder of an engine's settings: /etc/docker, or a private engine's own.

    Raises:
        NotAnswering: the engine is not on this computer.
    """
    scheme, _, path = url.partition("://")
    if scheme != "unix":
        raise NotAnswering(f"{NAME} at {url} is on another computer, with its settings")
    own = Path(path).with_name("etc")  # of a private engine, as in the script RUN
    return own if own.is_dir() else Path("/etc/docker")


def _default() -> str:
    """Return the default address of the docker command."""
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout.strip() or USUAL
