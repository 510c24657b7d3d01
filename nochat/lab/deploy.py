"""The public deployment: MariaDB on one machine, the chat in containers on the other.

For example::

    registry = servers.registry()
    images = deploy.push(registry)
    site = deploy.deploy(farm, images, registry)
    deploy.backup(farm, Path("backup"))

The machines may be anywhere: they only need SSH.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nochat.lab import containers
from nochat.lab.board import Board
from nochat.lab.containers.commands import compose, environment, run
from nochat.lab.inventory import CONTAINERS_HOST, DATABASE_HOST
from nochat.lab.machines import Farm, find_root, provision
from nochat.lab.machines.provision import Run
from nochat.lab.servers import Registry
from nochat.lab.servers.image_registry import HUB
from nochat.local import doctor
from nochat.runtime import proxies

CHAT, DATABASE = CONTAINERS_HOST, DATABASE_HOST
FILES = ["compose.yaml", "compose.tls.yaml"]
BOT_IMAGE = "nochat-bot"
NOT_THERE = ("mariadb", "prometheus")  # not deployed: MariaDB is on the other machine
VARIABLE = re.compile(r"\$\{(\w+):-")
DUMP, COPY = "users.sql.gz", "replica.tar"  # the files of a backup

# Complete or not at all: if one of the two commands fails, the pipe fails.
SAVE_USERS = (
    "sudo bash -o pipefail -c 'mariadb-dump --single-transaction --no-tablespaces nochat | gzip'"
)
# Status 1 means that a file grew meanwhile, which is normal in a running chat.
PACK = 'tar --create --directory "$0" .; test $? -le 1'
SAVE_ACTIVITY = (
    "sudo docker exec $(sudo docker ps -q --filter label=com.docker.compose.service=replica) "
    f"sh -c '{PACK}' /var/lib/nochat"
)


@dataclass(frozen=True)
class Site:
    """The deployed chat.

    Attributes:
        url: the page's address (https).
        address: the public address of its machine.
        trust: certificate of the authority to trust; None for a public one.
        certificate: the page's certificate; None if a public authority issued it.
        run: the run of the playbook.
    """

    url: str
    address: str
    trust: Path | None
    certificate: Path | None
    run: Run


def key_pair(path: Path) -> Path:
    """Create an SSH key pair if there is none; return the file of the public key.

    Args:
        path: file of the private key, which is never overwritten.

    Raises:
        ValueError: the file is not a private key without passphrase.
    """
    path, public = path.expanduser(), Path(f"{path.expanduser()}.pub")
    keygen = [str(doctor.require("ssh").with_name("ssh-keygen"))]  # one package has both
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        make = [*keygen, "-q", "-t", "ed25519", "-N", "", "-C", "nochat", "-f", str(path)]
        subprocess.run(make, check=True, capture_output=True)
    told = subprocess.run(
        [*keygen, "-y", "-P", "", "-f", str(path)], capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise ValueError(
            f"{path} is not a private key without passphrase. It stays as it is: name another file."
        )
    if not public.exists():
        public.write_text(told.stdout, encoding="utf-8")
    return public


def build(*, bot: bool = False, quiet: bool = False) -> None:
    """Build the chat's image, and those of its servers if COMPOSE_FILE says to build them.

    Args:
        bot: build the bot's image as well, for `stack_profiles: [bot]`.
        quiet: print nothing.

    Raises:
        ContainersError: a build fails; the message has the end of its output.
    """
    containers.build(quiet=quiet)
    if bot:
        containers.build(BOT_IMAGE, target="bot", quiet=quiet)
    if servers := _built():
        with Board(quiet) as board:
            board.say("servers", f"builds {', '.join(servers)}")
            ways = [f"--build-arg={name}" for name in proxies.outside(os.environ)]
            run([*compose(), "build", *ways, *servers], environment())
            board.say("servers", "are built")


def push(
    registry: Registry, *, chat: str = "nochat", bot: bool = False, quiet: bool = False
) -> dict[str, str]:
    """Push the built images to a registry, from which the machines pull them.

    Args:
        registry: a registry that the engine here trusts.
        chat: the chat's image, as the engine here calls it.
        bot: push the bot's image as well.
        quiet: print nothing.

    Returns:
        the images by the variables of docker/compose.yaml, each by its digest: the machines run
        exactly the images that were built.

    Raises:
        NotAnswering: the registry refuses the log-in.
        ContainersError: an image can't be pushed.
    """
    local = {"CHAT_IMAGE": chat, **_built_images()}
    local |= {"BOT_IMAGE": BOT_IMAGE} if bot else {}
    with tempfile.TemporaryDirectory() as config, Board(quiet) as board:
        registry.login(Path(config))

        def send(name: str) -> str:
            tag = f"{registry.address}/{registry.user}/{name.replace('/', '-')}"
            board.say(name, "is sent")
            run(["docker", "tag", name, tag], environment())
            run(["docker", "--config", config, "push", tag], environment())
            digests: list[str] = containers.client().images.get(tag).attrs["RepoDigests"]
            run(["docker", "rmi", tag], environment())
            board.say(name, "is in the registry")
            return _by_digest(tag, digests)

        with ThreadPoolExecutor(2) as pool:
            return dict(zip(local, pool.map(send, local.values()), strict=True))


def deploy(
    farm: Farm,
    images: Mapping[str, str],
    registry: Registry | None = None,
    *,
    names: Sequence[str] = (),
    backup: Path | None = None,
    variables: Mapping[str, Any] | None = None,
    playbook: str = "deploy.yml",
    quiet: bool = False,
) -> Site:
    """Deploy the chat on two machines, or upgrade it; a second run changes nothing.

    Args:
        farm: the machines, with containers-host and database-host.
        images: the images by variable, as `push` returns them; the others are the public ones.
        registry: the images' registry; None for one that needs no password.
        names: the page's host names; the first one is in its URL.
        backup: folder of a backup to restore, where there is no data yet.
        variables: further variables of the playbooks' roles.
        playbook: the playbook to run.
        quiet: print nothing.

    Raises:
        provision.RunFailed: a task failed, or a machine can't be reached; run it again.
        FileNotFoundError: there is no backup in that folder.
    """
    address = farm.reach(CHAT)
    url = f"https://{names[0]}" if names else farm.url(CHAT, 443, "https").removesuffix(":443")
    known = [*names, *(farm.reach(host) for host in farm.hosts if host != DATABASE)]
    known += ["localhost", "127.0.0.1"] if farm.provider == "docker" else []
    given: dict[str, Any] = {"stack_images": dict(images), "stack_names": known}
    if _built():
        given["stack_files"] = compose_files()
    if registry:
        given["stack_registry"] = {
            "address": registry.address,
            "user": registry.user,
            "password": registry.password,
            "authority": registry.authority.read_text(encoding="utf-8")
            if registry.authority
            else "",
        }
    if backup:
        given |= _in_backup(backup.absolute())
    given |= variables or {}
    done = provision.ansible(playbook, farm.inventory, variables=given, quiet=quiet)
    if given.get("stack_certificate"):
        return Site(url, address, None, None, done)
    folder = _certificate(known)
    return Site(url, address, folder / "ca.pem", folder / "cert.pem", done)


def backup(farm: Farm, folder: Path) -> list[Path]:
    """Copy the chat's data to a folder: the accounts, and the replica of the activity.

    The chat keeps running. Changes made meanwhile may be in the backup or not, but never in part.
    If the chat runs on several machines, each has a part of the replica, and the activity is in
    an external store with its own backups: then the accounts alone are copied.

    Args:
        farm: the machines that the chat was deployed to.
        folder: the folder for the files, created as a private one if necessary.

    Raises:
        MachinesError: a machine can't be reached, or its copy fails; an older copy is kept.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = [(DATABASE, SAVE_USERS, DUMP)]
    wanted += [(CHAT, SAVE_ACTIVITY, COPY)] if farm.hosts.keys() == {CHAT, DATABASE} else []
    made = []
    for machine, command, name in wanted:
        new = folder / f"{name}.new"
        new.touch(mode=0o600)
        farm.fetch(machine, command, new)
        made.append(new.replace(folder / name))
    return made


def compose_files() -> list[str]:
    """List the files of docker/ that the chat's machine gets, each laid over those before it."""
    return ["compose.yaml", "compose.offline.yaml", *FILES[1:]] if _built() else [*FILES]


def _in_backup(folder: Path) -> dict[str, str]:
    """Return the playbooks' variables for the files of a backup.

    Raises:
        FileNotFoundError: the folder has none of them.
    """
    given = {"mariadb_dump": str(folder / DUMP)} if (folder / DUMP).exists() else {}
    given |= {"stack_backup": str(folder)} if (folder / COPY).exists() else {}
    if not given:
        raise FileNotFoundError(f"no backup is in {folder}: expected {DUMP} or {COPY} there")
    return given


def _by_digest(image: str, digests: Sequence[str]) -> str:
    """Return the name by digest of an image that was pushed to its registry.

    An image may have digests in several registries; Docker leaves out the host of Docker Hub.
    """
    name = image.removeprefix(f"{HUB}/")
    return next(digest for digest in digests if digest.rpartition("@")[0] == name)


def _certificate(names: Sequence[str]) -> Path:
    """Return the folder of the certificate that the playbook issued for these names."""
    script = find_root() / "playbooks" / "certificate"
    argv = [sys.executable, str(script), *names]
    told = subprocess.run(argv, capture_output=True, text=True, check=True)
    return Path(told.stdout.strip())


def _built() -> list[str]:
    """List the servers whose images are built here, according to COMPOSE_FILE."""
    return [
        name
        for name, service in _services().items()
        if "build" in service and name not in NOT_THERE
    ]


def _built_images() -> dict[str, str]:
    """Return the images of these servers, by their variables in docker/compose.yaml."""
    services = _services()
    public = yaml.safe_load((find_root() / "docker" / FILES[0]).read_text(encoding="utf-8"))[
        "services"
    ]
    images = {}
    for name in _built():
        if variable := VARIABLE.match(public[name]["image"]):
            images[variable[1]] = str(services[name]["image"])
    return images


def _services() -> dict[str, Any]:
    """Return the services of all files in COMPOSE_FILE; the last file that defines one counts."""
    files = environment()["COMPOSE_FILE"].split(":")
    read = (
        yaml.safe_load((find_root() / file).read_text(encoding="utf-8"))["services"]
        for file in files
    )
    return {name: service for services in read for name, service in services.items()}
