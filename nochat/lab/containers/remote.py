"""The Docker Engine of a machine, used from here: a replacement for docker-machine.

For example::

    far = remote.Remote(farm, "containers-host")
    far.docker("ps", context=far.over_ssh())
    far.docker("ps", context=far.over_tls())
    far.close()

Replacements of docker-machine's commands:

- `create`: `machines.up`, and a playbook that installs Docker;
- `ssh`: `farm.ssh`;
- `env`: a `docker context`, or `Remote.env` for programs that only read variables;
- `regenerate-certs`: `Remote.regenerate`.
"""

import io
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Self

from nochat.lab.certificates import Authority, Issued
from nochat.lab.errors import MachinesError
from nochat.lab.machines import Farm
from nochat.lab.waiting import blocking
from nochat.local import doctor

PORT = 2376  # Docker's port for TLS
SECONDS = 120.0  # limit of a command on a machine
INSTALL = "run the playbook containers.yml, which installs Docker"

# In /run: gone after a reboot, and not seen by a playbook.
TLS = "run/nochat-docker"
DROP_IN = "run/systemd/system/docker.service.d/nochat-tls.conf"
# Debian's unit passes DOCKER_OPTS to the engine, which refuses clients without our certificate.
UNIT = f"""\
[Service]
Environment="DOCKER_OPTS=--host=tcp://0.0.0.0:{PORT} --tlsverify --tlscacert=/{TLS}/ca.pem \
--tlscert=/{TLS}/cert.pem --tlskey=/{TLS}/key.pem"
"""
# Debian's unit allows only three starts a minute, unless the count is reset.
RESTART = (
    "sudo systemctl daemon-reload && sudo systemctl reset-failed docker.service && "
    "sudo systemctl restart docker.service"
)

# A wrapper that runs the real ssh with the machine's address, user and key.
SSH = """\
#!/bin/sh
exec {ssh} -F {config} "$@"
"""


class Remote:
    """The engine of a machine, by contexts of Docker's command in a private folder.

    The files here are removed with the farm, however it ends. Users of the engine have all rights
    of root on the machine.

    Attributes:
        name: the machine's name.
        config: folder with the contexts and the state of `docker login`: DOCKER_CONFIG.
        environment: variables with which programs find the contexts; they include PATH, on which
            Docker's command looks up `ssh`.
    """

    def __init__(self, farm: Farm, name: str) -> None:
        """Use the engine of a machine.

        Args:
            farm: the machines.
            name: a machine with Docker, as installed by containers.yml.

        Raises:
            MachinesError: there is no such machine.
        """
        self.name, self._address = name, farm.reach(name)
        # Among the farm's own files, which are removed even if this process is killed.
        self._folder = Path(tempfile.mkdtemp(prefix="remote-", dir=farm.ssh_config.parent))
        self.config, programs = self._folder / "docker", self._folder / "bin"
        self.config.mkdir()
        programs.mkdir()
        self._ssh = programs / "ssh"
        ssh, config = (shlex.quote(str(word)) for word in (doctor.require("ssh"), farm.ssh_config))
        self._ssh.write_text(SSH.format(ssh=ssh, config=config), encoding="utf-8")
        self._ssh.chmod(0o700)
        path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
        self.environment = {"PATH": path, "DOCKER_CONFIG": str(self.config)}
        self._client: Issued | None = None
        self._changed = False  # whether files of the machine were changed

    @property
    def command(self) -> str:
        """Docker's command with these contexts, for a shell."""
        given = (f"{name}={value}" for name, value in self.environment.items())
        return shlex.join(["env", *given, "docker"])

    def over_ssh(self) -> str:
        """Create the context that reaches the engine by SSH; return its name.

        The machine's user joins the group `docker`, which gives all rights of root; with `sudo`,
        the user has them anyway.

        Raises:
            MachinesError: the engine does not answer, or refuses this user.
        """
        self._run("id -nG | grep -qw docker || sudo usermod -aG docker $(id -un)")
        return self._make(f"{self.name}-ssh", f"host=ssh://{self.name}")

    def over_tls(self) -> str:
        """Create the context that reaches the engine by TLS; return its name.

        Until the next reboot, the engine listens on port 2376 of the machine, for clients with a
        certificate of our authority. It is restarted, which stops its containers.

        Raises:
            MachinesError: the machine or its engine can't be reached, or has no Docker.
        """
        if self._client is None:
            self.regenerate()
        return f"{self.name}-tls"

    def regenerate(self) -> None:
        """Issue new certificates by a new authority; the old ones are refused from now on.

        The engine is restarted, which stops its containers.

        Raises:
            MachinesError: as for `over_tls`.
        """
        self._changed = True
        authority = Authority(f"Docker on {self.name}")
        folder = Path(tempfile.mkdtemp(prefix="tls-", dir=self._folder))
        names = [self.name, self._address, "localhost", "127.0.0.1"]
        self._listen(authority.issue(folder / "server", self.name, names))
        shutil.rmtree(folder / "server")
        old, self._client = self._client, authority.issue(folder / "client", "client", client=True)
        if old:
            shutil.rmtree(old.folder.parent)
        given = {"ca": self._client.authority, "cert": self._client.certificate}
        given |= {"key": self._client.key}
        files = ",".join(f"{key}={path}" for key, path in given.items())
        self._make(f"{self.name}-tls", f"host={self._host},{files}")

    def env(self) -> dict[str, str]:
        """Return the variables of `docker-machine env`, for programs without contexts.

        They reach the engine by TLS; `over_tls` is called if necessary.

        Raises:
            MachinesError: as for `over_tls`.
        """
        self.over_tls()
        assert self._client
        folder = str(self._client.folder)
        return {"DOCKER_HOST": self._host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": folder}

    def docker(self, *arguments: str, context: str) -> str:
        """Run Docker's command in a context; return its output.

        Raises:
            MachinesError: it fails; the message has its error.
        """
        argv = [str(doctor.require("docker")), "--context", context, *arguments]
        env = {**os.environ, **self.environment}
        command = shlex.join(["docker", *argv[1:]])
        with blocking(f"`{command:.80}`"):
            ran = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise MachinesError(f"`{command}` failed: {ran.stderr.strip()}")
        return ran.stdout

    def close(self) -> None:
        """Restrict the engine to its machine again, and remove the files.

        Calling it again, or after the machine is destroyed, does nothing.

        Raises:
            MachinesError: the machine can't be reached.
        """
        if not self._folder.exists():
            return
        try:
            if self._changed:
                self._run(f"sudo rm -rf /{TLS} /{DROP_IN} && {RESTART}")
        finally:
            shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _host(self) -> str:
        return f"tcp://{self._address}:{PORT}"

    def _make(self, context: str, endpoint: str) -> str:
        """Create or change a context, and check that its engine answers."""
        known = self.docker("context", "ls", "--quiet", context="default").split()
        verb = "update" if context in known else "create"
        self.docker("context", verb, context, "--docker", endpoint, context="default")
        try:
            self.docker("version", context=context)
        except MachinesError as error:
            raise MachinesError(f"{error}\nIf it is not there, or refuses us: {INSTALL}.") from None
        return context

    def _listen(self, issued: Issued) -> None:
        """Send a server's certificate to the machine, and restart its engine with it."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in issued.folder.iterdir():
                _add(archive, f"{TLS}/{path.name}", path.read_bytes(), 0o600)
            _add(archive, DROP_IN, UNIT.encode(), 0o644)
        # By a pipe: other users of the machine can see arguments.
        self._run(f"sudo tar --extract --directory=/ && {RESTART}", packed.getvalue())

    def _run(self, command: str, given: bytes = b"") -> None:
        argv = [str(self._ssh), self.name, command]
        try:
            with blocking(f"the setup of Docker on {self.name}"):
                ran = subprocess.run(
                    argv, input=given, capture_output=True, check=False, timeout=SECONDS
                )
        except subprocess.TimeoutExpired:
            raise MachinesError(
                f"{self.name}: Docker is not set up after {SECONDS:g} s: does the machine run "
                "(`farm.status()`)? If it does, run the cell again."
            ) from None
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip() or "it can't be reached by SSH"
            advice = f"{INSTALL}, if it is not there"
            raise MachinesError(f"{self.name}: Docker is not set up: {said}\nTo do: {advice}.")


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(content), mode, int(time.time())
    archive.addfile(member, io.BytesIO(content))
