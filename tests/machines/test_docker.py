"""Both machines in Docker for real: made, provisioned, used, interrupted, destroyed.

Notebook 05 makes them, and waits meanwhile; they are shared, so the order of the tests counts.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from nochat.lab import machines, servers, surroundings, verify
from nochat.lab.certificates import Authority
from nochat.lab.containers import contexts
from nochat.lab.containers.remote import Remote
from nochat.lab.errors import CheckFailed, ContextError
from nochat.lab.machines import Farm, MachinesError, provision
from nochat.local.processes import until
from tests.images import small_image
from tests.notebooks.running import ENGINE_SECONDS, Paused, judge, left

from .both import (
    NAMES,
    intrude,
    keys,
    known_hosts,
    line_with,
    noted,
    process,
)
from .conftest import notebook

pytestmark = [
    pytest.mark.machines,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def orchestration(image, mitogen, tmp_path_factory) -> Iterator[Paused]:
    out = tmp_path_factory.mktemp("executed")
    with notebook("05_orchestration", "Exercise 05a: a third machine", out) as running:
        yield running


@pytest.fixture(scope="module")
def docker_farm(orchestration) -> Farm:
    """Both machines in Docker, provisioned by Ansible as `vagrant up` does it."""
    return machines.up(provider="docker", provision=False)


def docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def answers(context: str) -> bool:
    ran = subprocess.run(["docker", "--context", context, *WHERE], capture_output=True, text=True)
    return ran.stdout.strip() == "containers-host"


class Container:
    """The container that Vagrant notes as a machine in its folder."""

    def __init__(self, folder: Path, machine: str) -> None:
        self.id = (folder / "machines" / machine / "docker" / "id").read_text()
        [seen] = json.loads(docker("inspect", self.id))
        self.name = seen["Name"].strip("/")
        self.volumes = {mount["Name"] for mount in seen["Mounts"] if mount["Type"] == "volume"}
        self.networks = set(seen["NetworkSettings"]["Networks"]) - {"bridge"}

    def traces(self) -> set[str]:
        """What is there of it now."""
        left = {self.id} & set(docker("ps", "--all", "--quiet", "--no-trunc").split())
        left |= self.volumes & set(docker("volume", "ls", "--quiet").split())
        return left | self.networks & set(docker("network", "ls", "--format", "{{.Name}}").split())


async def test_after_vagrant_up_a_user_chats_across_two_machines(docker_farm):
    assert docker_farm.status() == dict.fromkeys(NAMES, "running")
    await verify.chat(docker_farm.url("containers-host", 8000))
    count = "SELECT COUNT(*) FROM nochat.users"
    assert int(docker_farm.ssh("database-host", f"sudo mariadb -Ne '{count}'")) >= 2


async def test_machines_that_were_off_are_a_chat_again(docker_farm):
    """Docker writes /etc/hosts anew, and what was started by hand is not started again."""
    docker("restart", *(Container(noted(), name).id for name in NAMES))
    await verify.chat(docker_farm.url("containers-host", 8000))


def test_an_intruder_finds_closed_ports_and_is_refused(docker_farm):
    intrude(docker_farm)
    database = docker_farm.reach("database-host")
    verify.refused(f"mysql+pymysql://nochat:wrong@{database}:3306/nochat")


def test_a_log_in_with_another_key_is_explained(docker_farm, tmp_path, monkeypatch):
    for name in surroundings.MITOGEN:
        monkeypatch.delenv(name)
    key, hosts = tmp_path / "key", tmp_path / "hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    ours = docker_farm.hosts["database-host"]
    text = docker_farm.hosts_file(["database-host"], {"database": ["database-host"]})
    # Another user as well: connections of this one stay open, and ask for no key.
    text = text.replace(ours["identityfile"], str(key)).replace("user=vagrant", "user=root")
    hosts.write_text(text)
    with pytest.raises(provision.RunFailed, match="refuses the key or user") as refused:
        provision.ansible("database.yml", hosts, quiet=True)
    assert refused.value.host == "database-host"


STUDENT = """
    import os, time
    from nochat.lab import machines

    def up():
        return machines.up("database-host", provision=False, dotfile=os.environ["NOTES"])

    try:
        up()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    farm = up()
    print("up", farm.addresses["database-host"], farm.ssh("database-host", "hostname"), flush=True)
    time.sleep(600)
"""


def test_another_checkout_is_interrupted_and_completes_and_killed_and_gone(docker_farm, tmp_path):
    folder = tmp_path / "made"
    with process(STUDENT, NOTES=str(folder), TMPDIR=str(tmp_path)) as student:
        line_with("Waiting for machine to boot", student)
        os.killpg(student.pid, signal.SIGINT)  # as the Interrupt button does
        line_with("interrupted", student)
        _, address, hostname = line_with("up ", student).split()
        assert hostname == "database-host"
        theirs, ours = Container(folder, "database-host"), Container(noted(), "database-host")
        assert theirs.name != ours.name
        assert not theirs.networks & ours.networks
        assert address not in docker_farm.addresses.values()
    assert until(lambda: theirs.traces() == set(), 60)
    assert until(lambda: not list(tmp_path.glob("nochat-machines-*")), 30)
    assert keys(folder) == []
    assert docker_farm.status() == dict.fromkeys(NAMES, "running")


# The engine of containers-host, used from here.

WHERE = ("run", "--rm", "--network=none", "--uts=host", "small", "/bin/hostname")


@pytest.fixture(scope="module")
def far(docker_farm) -> Iterator[Remote]:
    with Remote(docker_farm, "containers-host") as far:
        yield far


def with_certificate(far: Remote, folder: Path) -> str:
    """What the docker command says of the machine's engine to who has a certificate or none."""
    env = {**os.environ, **far.environment, **far.env(), "DOCKER_CERT_PATH": str(folder)}
    ran = subprocess.run(["docker", "ps"], env=env, capture_output=True, text=True)
    return ran.stderr.strip() if ran.returncode else "welcome"


def is_refused(said: str) -> bool:
    """By TLS 1.3, the engine may hang up while the command still writes, before it reads why."""
    return "tls: " in said or "connection reset by peer" in said


def test_an_image_goes_through_a_registry_and_runs_on_the_machine_by_ssh(docker_farm, far):
    with servers.registry() as registry:
        registry.trust(servers.docker())
        docker_farm.ssh("containers-host", registry.trust_command)
        registry.login(far.config)
        image = small_image(f"{registry.address}/small", "/bin/hostname")
        docker("--config", str(far.config), "push", image)
        docker("rmi", image)
        far.docker("pull", image, context=far.over_ssh())
    far.docker("tag", image, "small", context="containers-host-ssh")
    typed = f"{far.command} --context containers-host-ssh image ls"
    assert "/small" in subprocess.run(typed, shell=True, capture_output=True, text=True).stdout
    assert far.docker(*WHERE, context="containers-host-ssh") == "containers-host\n"
    assert "/small" not in docker("image", "ls")


def test_by_tls_it_runs_there_too_and_nobody_else_gets_in(far, tmp_path):
    assert far.docker(*WHERE, context=far.over_tls()) == "containers-host\n"
    ours = Path(far.env()["DOCKER_CERT_PATH"])
    assert with_certificate(far, ours) == "welcome"
    shutil.copy(ours / "ca.pem", tmp_path)
    assert is_refused(with_certificate(far, tmp_path))
    stranger = Authority("another").issue(tmp_path / "stranger", "client", client=True)
    shutil.copy(ours / "ca.pem", stranger.folder)
    assert is_refused(with_certificate(far, stranger.folder))


def test_after_new_certificates_the_old_ones_are_refused(far, tmp_path):
    old = shutil.copytree(far.env()["DOCKER_CERT_PATH"], tmp_path / "old")
    far.regenerate()
    assert far.docker(*WHERE, context=far.over_tls()) == "containers-host\n"
    assert "x509" in with_certificate(far, old)
    # Nor by who knows the new authority.
    shutil.copy(Path(far.env()["DOCKER_CERT_PATH"]) / "ca.pem", old)
    assert is_refused(with_certificate(far, old))
    assert with_certificate(far, Path(far.env()["DOCKER_CERT_PATH"])) == "welcome"


def test_a_machine_without_docker_says_what_helps(docker_farm):
    with (
        Remote(docker_farm, "database-host") as far,
        pytest.raises(
            MachinesError, match=r"does not exist(?s:.*)run the playbook containers\.yml"
        ),
    ):
        far.over_ssh()


CREATE = """
    import json, sys
    from pathlib import Path
    from nochat.lab.containers import contexts

    contexts.SSH = Path(sys.argv[1])
    print(contexts.create(**json.loads(sys.argv[2])))
"""


@pytest.fixture
def own_ssh(tmp_path, monkeypatch) -> Path:
    """A folder of a user's settings of SSH, and of Docker's contexts, which are not this user's."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    (folder / "config").write_text(f"Host *\n    UserKnownHostsFile {folder}/known_hosts\n")
    program = tmp_path / "ssh-of-a-user"
    program.mkdir()
    (program / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    (program / "ssh").chmod(0o700)
    monkeypatch.setenv("PATH", f"{program}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(contexts, "SSH", folder)
    return folder


def test_a_context_of_one_s_own_outlives_its_maker(docker_farm, far, own_ssh):
    far.over_ssh()  # whoever logs in may use Docker
    of = docker_farm.hosts["containers-host"]
    where = {
        "name": "attic",
        "address": of["hostname"],
        "user": of["user"],
        "key": of["identityfile"],
    }
    where["port"] = int(of["port"])
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CREATE), own_ssh, json.dumps(where)], check=True
    )
    assert docker("--context", "attic", *WHERE) == "containers-host"
    assert (own_ssh / "nochat" / "attic").stat().st_mode & 0o077 == 0

    with pytest.raises(ContextError, match=r"Permission denied(?s:.*)authorized_keys"):
        contexts.create(**where | {"user": "nobody"})
    # As it was: once its ssh lets us in again, which it does for nobody for some seconds after
    # log-ins that failed (PerSourcePenalties of OpenSSH 9.8).
    assert until(lambda: answers("attic"), 60)

    contexts.remove("attic")
    contexts.remove("attic")
    assert "attic" not in docker("context", "ls")
    assert not (own_ssh / "nochat").exists()
    assert (own_ssh / "config").read_text().startswith("Host *")


def test_when_it_is_closed_the_engine_is_its_machine_s_alone(docker_farm, far):
    address = docker_farm.reach("containers-host")
    with pytest.raises(CheckFailed):
        verify.closed(address, [2376])
    far.close()
    verify.closed(address, [2376])
    assert not far.config.exists()
    assert docker_farm.ssh("containers-host", "docker ps --quiet") == ""


def changed_again(copy: Path) -> set[str]:
    """The counts in the last lines of `vagrant provision`, which the notebook types."""
    cells = nbformat.read(copy, as_version=4).cells
    [cell] = [cell for cell in cells if cell.source.startswith("!vagrant provision")]
    return {*re.findall(r"changed=(\d+)", str(cell.outputs))}


def test_the_notebook_ends_well_and_leaves_nothing_in_docker(orchestration, docker_farm):
    """Provisioned again by it, nothing changed; then it destroys the machines."""
    containers = [Container(noted(), name) for name in NAMES]
    before, folder = known_hosts(), docker_farm.inventory.parent
    assert all(container.volumes and container.networks for container in containers)
    assert len(keys(noted())) == 2
    result = orchestration.go_on()
    judge(result)
    docker_farm.destroy()  # ours ends, which has made none
    assert changed_again(result.copy) == {"0"}
    assert left(orchestration.mark, ENGINE_SECONDS) == []
    assert [container.traces() for container in containers] == [set(), set()]
    assert keys(noted()) == []
    assert not folder.exists()
    assert known_hosts() == before
