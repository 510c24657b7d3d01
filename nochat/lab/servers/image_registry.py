"""A registry of images: Debian's docker-registry with TLS and a password, or one named by URL."""

import json
import os
import secrets
import shlex
import socket
import ssl
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import psutil

from nochat.lab.board import progress
from nochat.lab.certificates import Authority
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.passwords import new_password
from nochat.lab.servers.docker_engine import settings_folder
from nochat.lab.servers.server import Server, named, private
from nochat.lab.shell import script
from nochat.lab.surroundings import own_address
from nochat.local import doctor
from nochat.local.processes import free_port, start_child

NAME, VARIABLE, USER = "Registry", "NOCHAT_REGISTRY_URL", "nochat"
HUB = "docker.io"  # Docker Hub in the names of images, and for `docker login`
HUB_HOSTS = (HUB, "index.docker.io", "registry-1.docker.io", "hub.docker.com")
LOGIN_SECONDS = 60.0

GONE = Path(__file__).with_name("image_registry_gone.sh")


@dataclass(eq=False, repr=False)
class Registry(Server):
    """A running registry.

    Attributes:
        authority: certificate of its issuer; None for a public one.
    """

    authority: Path | None = field(default=None, kw_only=True)

    @property
    def address(self) -> str:
        """The prefix of its images' names: `host:port`."""
        return _parts(self.url)[0]

    @property
    def user(self) -> str:
        """The user who may log in."""
        return _parts(self.url)[1]

    @property
    def password(self) -> str:
        """The password: not for the screen."""
        return _parts(self.url)[2]

    def login(self, config: Path) -> None:
        """Log in by `docker login`; the request to the registry comes from Docker Engine.

        Args:
            config: folder for the state of Docker's command, with the password: DOCKER_CONFIG.

        Raises:
            Missing: Docker's command is not installed.
            NotAnswering: the registry refuses, or the engine can't reach it or does not trust it.
        """
        try:
            _login(self.url, config)
        except NotAnswering as error:
            raise NotAnswering(f"{NAME} at {self.shown_url}: {error}") from None

    def trust(self, engine: Server) -> None:
        """Make a Docker Engine of this computer trust it, until it is stopped.

        Raises:
            NotAnswering: this user has no right to, or the engine is on another computer; the
                message has the command to run instead.
        """
        if self.authority is None:
            return
        try:
            made = settings_folder(engine.url) / "certs.d" / self.address
            with self._trusted.open(
                "a", encoding="utf-8"
            ) as trusted:  # before the file exists, for the clean-up
                trusted.write(f"{made}\n")
            made.mkdir(parents=True, exist_ok=True)
            (made / "ca.crt").write_bytes(self.authority.read_bytes())
        except PermissionError:
            advice = f"only root may tell {engine.name} whom to trust, in {made.parent}. To do"
            raise NotAnswering(f"{advice}:\n{self.trust_command}") from None
        except NotAnswering as error:
            raise NotAnswering(f"{error}. To do, there:\n{self.trust_command}") from None

    @property
    def trust_command(self) -> str:
        """The shell command that makes a machine's Docker Engine trust it; needs sudo.

        For a machine of Vagrant: `farm.ssh("containers-host", registry.trust_command)`.
        """
        if self.authority is None:
            return "true"
        made = shlex.quote(f"/etc/docker/certs.d/{self.address}/ca.crt")
        text = self.authority.read_text(encoding="utf-8")
        return f"sudo install -D -m 644 /dev/stdin {made} <<'END'\n{text}END"

    @property
    def _trusted(self) -> Path:
        return self._ours().log.with_name("trusted")


def registry(*, quiet: bool = False) -> Registry:
    """Start a private registry, or use the one that `NOCHAT_REGISTRY_URL` names.

    This computer, its machines and its containers reach a private registry at the same address:
    that of this computer in its network (127.0.0.1 without a network). So other computers in that
    network can reach it, too, if they know the password. Engines must `trust` it.

    The URL has the form `https://user:password@host`, for Docker Hub with the host docker.io;
    special characters in user or password are escaped, as %40. Docker Engine, which sends the
    requests, must trust that registry already.

    Args:
        quiet: print nothing.

    Raises:
        Missing: docker-registry or htpasswd is not installed.
        NotReady: it does not start.
        NotAnswering: the registry of `NOCHAT_REGISTRY_URL` can't be used.
    """
    server = named(NAME, VARIABLE, ("https",), _look_by_engine)
    return Registry(**vars(server)) if server else _start(quiet)


def _start(quiet: bool) -> Registry:
    program, htpasswd = doctor.require("docker-registry"), doctor.require("htpasswd")
    with progress(NAME, quiet):
        folder, password, port = own_folder("registry"), new_password(), free_port()
        names = ["localhost", socket.gethostname(), *_addresses()]
        issued = Authority(f"{NAME} of NoChat").issue(folder / "tls", NAME, names)
        account = subprocess.run(
            [htpasswd, "-niB", USER], input=password, capture_output=True, text=True, check=True
        )
        (folder / "htpasswd").write_text(account.stdout, encoding="utf-8")
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "auth": {"htpasswd": {"realm": NAME, "path": str(folder / "htpasswd")}},
            "http": {
                "addr": f"0.0.0.0:{port}",
                "secret": secrets.token_hex(16),
                "tls": {"certificate": str(issued.certificate), "key": str(issued.key)},
            },
        }
        (folder / "settings").write_text(
            json.dumps(settings), encoding="utf-8"
        )  # JSON is valid YAML
        child = start_child(
            [program, "serve", folder / "settings"],
            # Without variables that would override the settings.
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("REGISTRY_")
            },
            log=folder / "log",
            remove=folder,
            grace=0,  # Its data are removed as well.
            after=script(GONE, folder=folder),
        )
        trusted = ssl.create_default_context(cafile=issued.authority)
        url = f"https://{USER}:{password}@{own_address()}:{port}"
        server = private(NAME, url, child, lambda address: _look(address, trusted))
        return Registry(**vars(server), authority=issued.authority)


def _parts(url: str) -> tuple[str, str, str]:
    """Return the address, user and password in a URL."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    address = HUB if address in HUB_HOSTS else address
    return address, unquote(parts.username or ""), unquote(parts.password or "")


def _addresses() -> list[str]:
    """List all addresses of this computer, including those of its bridges."""
    known = (address for addresses in psutil.net_if_addrs().values() for address in addresses)
    return [address.address for address in known if address.family == socket.AF_INET]


def _look(url: str, trusted: ssl.SSLContext) -> str:
    """Check that a registry answers; return its program's version, as the registry hides it.

    Raises:
        NotAnswering: it can't be reached, or refuses the user or password.
    """
    address, *account = _parts(url)
    auth = httpx.BasicAuth(*account)  # not in the URL, which httpx logs
    try:
        answer = httpx.get(
            f"https://{address}/v2/", auth=auth, verify=trusted, trust_env=False, timeout=5
        )
    except httpx.HTTPError as error:
        raise NotAnswering(f"can't be reached ({error})") from error
    if answer.status_code != httpx.codes.OK:
        raise NotAnswering(f"refuses the user or password ({answer.status_code})")
    program = doctor.require("docker-registry")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1]


def _look_by_engine(url: str) -> str:
    """Check a log-in by Docker Engine; return the protocol of the registry.

    Raises:
        NotAnswering: it can't be reached, is not trusted, or refuses the user or password.
    """
    with tempfile.TemporaryDirectory() as config:
        _login(url, Path(config))
    return "API 2"


def _login(url: str, config: Path) -> None:
    address, user, password = _parts(url)
    argv = [str(doctor.require("docker")), "--config", str(config), "login", address]
    try:
        ran = subprocess.run(
            [*argv, "--username", user, "--password-stdin"],
            input=password,
            capture_output=True,
            text=True,
            check=False,
            timeout=LOGIN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotAnswering(f"can't be reached (no answer in {LOGIN_SECONDS:g} s)") from None
    if ran.returncode:
        raise NotAnswering(_reason(ran.stderr))


def _reason(said: str) -> str:
    last = said.strip().rpartition("\n")[2]
    if "x509" in last:
        return f"Docker Engine does not trust its certificate: tell it by trust() ({last})"
    if "unauthorized" in last.lower():
        return f"refuses the user or password ({last})"
    return f"can't be used ({last})"
