"""Both machines for real, by Docker and by LXC: made, provisioned, used, interrupted, destroyed.

Each pair of machines is made once and shared, so the order of the tests counts.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from nochat.lab import provision, verify
from nochat.lab.machines import Farm

from .conftest import needs_root

pytestmark = [pytest.mark.machines, pytest.mark.slow, pytest.mark.timeout(600)]

BOTH = ("containers.yml", "database.yml")  # the chat on two machines
ALONE = ("servers.yml", "app.yml")  # and on one
INSIDE = (4369, 5672, 15672, 25672, 27017)  # what only the machine itself may reach
NAMES = ("containers-host", "database-host")


def play(farm: Farm, *playbooks: str) -> list[str]:
    """Run playbooks side by side; returns what they changed."""

    def run(name: str) -> list[provision.Task]:
        return provision.ansible(name, farm.inventory, quiet=True).changed

    with ThreadPoolExecutor() as pool:
        return [task.name for changed in pool.map(run, playbooks) for task in changed]


def play_rex(farm: Farm) -> list[str]:
    """Run both tasks of the Rexfile; returns what they changed."""
    tasks = ("deployServers", "deployNode")
    runs = [provision.rex(task, farm, "containers-host", quiet=True) for task in tasks]
    return [task.name for run in runs for task in run.changed]


def intrude(farm: Farm) -> None:
    """What must not work does not: from outside, and from the machine itself without a password."""
    verify.closed(farm.reach("containers-host"), INSIDE)
    with farm.tunnel("containers-host", 5672) as tunnel:
        server = f"127.0.0.1:{tunnel.port}"
        verify.refused(f"amqp://guest:guest@{server}/", f"amqp://nochat:wrong@{server}/nochat")


def docker(*arguments: str) -> str:
    ran = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


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


def noted() -> Path:
    """Where Vagrant notes what the farms of these tests are."""
    return Path(os.environ["VAGRANT_DOTFILE_PATH"])


def keys(folder: Path) -> list[Path]:
    return list(folder.glob("machines/*/*/private_key"))


def known_hosts() -> bytes:
    path = Path.home() / ".ssh" / "known_hosts"
    return path.read_bytes() if path.exists() else b""


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextmanager
def process(script: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Another Python, in a process group of its own as a kernel is; killed at the end."""
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def line_with(text: str, started: subprocess.Popen[str]) -> str:
    """Wait for a line of what it writes."""
    seen = []
    for line in iter(started.stdout.readline, ""):
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"ended without {text!r}:\n{''.join(seen)}")


# In Docker, Ansible comes first, then Rex.


async def test_after_vagrant_up_a_user_chats_across_two_machines(docker_farm):
    assert docker_farm.status() == dict.fromkeys(NAMES, "running")
    await verify.chat(docker_farm.url("containers-host", 8000))
    count = "SELECT COUNT(*) FROM nochat.users"
    assert int(docker_farm.ssh("database-host", f"sudo mariadb -Ne '{count}'")) >= 2


def test_a_second_run_changes_nothing(docker_farm):
    assert play(docker_farm, *BOTH) == []


async def test_machines_that_were_off_are_a_chat_again(docker_farm):
    """Docker writes /etc/hosts anew, and what was started by hand is not started again."""
    docker("restart", *(Container(noted(), name).id for name in NAMES))
    await verify.chat(docker_farm.url("containers-host", 8000))


def test_an_intruder_finds_closed_ports_and_is_refused(docker_farm):
    intrude(docker_farm)
    database = docker_farm.reach("database-host")
    verify.refused(f"mysql+pymysql://nochat:wrong@{database}:3306/nochat")


def test_who_logs_in_with_another_key_is_told_so(docker_farm, tmp_path):
    key, hosts = tmp_path / "key", tmp_path / "hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    ours = docker_farm.hosts["database-host"]
    text = docker_farm.hosts_file(["database-host"], {"database": ["database-host"]})
    # Another user as well: connections of this one stay open, and ask for no key.
    text = text.replace(ours["identityfile"], str(key)).replace("user=vagrant", "user=root")
    hosts.write_text(text)
    with pytest.raises(provision.Failed, match="refuses the key or user") as refused:
        provision.ansible("database.yml", hosts, quiet=True)
    assert refused.value.host == "database-host"


STUDENT = """
    import time
    from nochat.lab import machines

    def up():
        return machines.up("database-host", provision=False)

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
    with process(STUDENT, VAGRANT_DOTFILE_PATH=str(folder), TMPDIR=str(tmp_path)) as student:
        line_with("Waiting for machine to boot", student)
        os.killpg(student.pid, signal.SIGINT)  # as the Interrupt button does
        line_with("interrupted", student)
        _, address, hostname = line_with("up ", student).split()
        assert hostname == "database-host"
        theirs, ours = Container(folder, "database-host"), Container(noted(), "database-host")
        assert theirs.name != ours.name
        assert not theirs.networks & ours.networks
        assert address not in docker_farm.addresses.values()
    assert wait_for(lambda: theirs.traces() == set(), 60)
    assert wait_for(lambda: not list(tmp_path.glob("nochat-machines-*")), 30)
    assert keys(folder) == []
    assert docker_farm.status() == dict.fromkeys(NAMES, "running")


async def test_after_ansible_rex_has_nothing_to_do(docker_farm):
    for playbook in ALONE:
        play(docker_farm, playbook)
    assert play_rex(docker_farm) == []
    await verify.chat(docker_farm.url("containers-host", 8000))


def test_after_destroy_nothing_is_left_in_docker(docker_farm):
    containers = [Container(noted(), name) for name in NAMES]
    before = known_hosts()
    assert all(it.volumes and it.networks for it in containers)
    assert len(keys(noted())) == 2
    docker_farm.destroy()
    assert [it.traces() for it in containers] == [set(), set()]
    assert keys(noted()) == []
    assert not docker_farm.inventory.parent.exists()
    assert known_hosts() == before


# In LXC, Rex comes first, then Ansible.


@needs_root
async def test_rex_deploys_a_chat_that_works(lxc_farm):
    assert "wheels" in play_rex(lxc_farm)
    await verify.chat(lxc_farm.url("containers-host", 8000))
    intrude(lxc_farm)


@needs_root
def test_a_second_run_of_rex_changes_nothing(lxc_farm):
    assert play_rex(lxc_farm) == []


@needs_root
def test_after_rex_ansible_has_nothing_to_do(lxc_farm):
    assert [play(lxc_farm, playbook) for playbook in ALONE] == [[], []]


PROVISIONER = """
    import sys
    from pathlib import Path
    from nochat.lab import provision

    provision.ansible("database.yml", Path(sys.argv[1]))
"""


@needs_root
async def test_ansible_killed_in_the_middle_completes_when_it_runs_again(lxc_farm):
    script = PROVISIONER.replace("sys.argv[1]", repr(str(lxc_farm.inventory)))
    with process(script) as killed:
        line_with("Install mariadb-server", killed)
        # In the middle of it.
        installs = "pgrep --full 'apt-get|dpkg' || true"
        assert wait_for(lambda: lxc_farm.ssh("database-host", installs) != "", 30)
    assert play(lxc_farm, *BOTH) != []
    await verify.chat(lxc_farm.url("containers-host", 8000))
    assert play(lxc_farm, *BOTH) == []


@needs_root
def test_after_destroy_nothing_is_left_in_lxc(lxc_farm):
    folder, before = Path("/var/lib/lxc"), known_hosts()
    ids = [(noted() / "machines" / name / "lxc" / "id").read_text() for name in NAMES]
    assert all((folder / it).exists() for it in ids)
    lxc_farm.destroy()
    assert not any((folder / it).exists() for it in ids)
    assert not any(it in Path("/proc/mounts").read_text() for it in ids)
    assert keys(noted()) == []
    assert known_hosts() == before
