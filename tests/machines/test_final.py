"""The final deployment on two machines in a stand-in for Azure, with real machines behind it.

Notebook 07 makes them, and waits. Meanwhile the machines are tried bare, then the chat is deployed
on them: interrupted, used, and looked at from outside. At last the notebook goes on, with images of
its own: a new version, a backup, and its return on new machines. The order of the tests counts.
"""

import os
import pickle
import shlex
import subprocess
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from nochat.lab import deploy, exercise, logz, machines, verify
from nochat.lab.azure.account import AzureAccount
from nochat.lab.azure.clients import Clients
from nochat.lab.deploy import Site
from nochat.lab.exercise import record
from nochat.lab.logz import Listener
from nochat.lab.machines import Farm, provision
from nochat.lab.people import Person
from nochat.lab.servers import Registry
from nochat.local.processes import until
from nochat.stores.archive import contents
from tests.conftest import ROOT, box
from tests.exercises.solutions import solved
from tests.notebooks.running import ENGINE_SECONDS, Paused, judge, left

from .both import NAMES, answers, line_with, process
from .conftest import USER, needs_root, notebook

pytestmark = [
    pytest.mark.machines,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    needs_root,
]
MADE = {"provider": "azure", "provision": False, "dotfile": "build/final"}  # as the notebook does
LISTENS = "sudo systemd-run --unit listens-{0} python3 -m http.server {0} --directory /srv"

DOORS = [*range(1, 1025), 2375, 2376, 3306, 4369, 5672, 8000, 8001, 9100, 15672, 25672, 27017]
# In the middle of which somebody interrupts it, one after the other.
IMAGES = ("builds", "is sent")
DEPLOYED = (
    "Install mariadb-server",
    "Say what may be reached",
    "Fetch the images",
    "Bring the cont",
)
BROUGHT_BACK = ("Read the dump in", "Fill the activity store")
FOLDER = "cd /opt/nochat-stack"
STACK = f"{FOLDER} && ./compose exec -T"


@pytest.fixture(scope="module")
def deployment(azure, place, mitogen, registry, tmp_path_factory) -> Iterator[Paused]:
    box("python")
    key = tmp_path_factory.mktemp("keys") / "key"
    place.setenv("AZURE_PRIVATE_KEY_PATH", str(key))
    place.setenv(record.VARIABLE, str(key.with_name("exercises.jsonl")))
    with notebook(
        "07_final_deploy",
        "Images, from here to there",
        tmp_path_factory.mktemp("executed"),
        target="azure",
        practice=False,  # the stand-in is there already, for the notebook and for us
        key=str(key),
    ) as running:
        yield running


@pytest.fixture(scope="module")
def farm(deployment) -> Farm:
    return machines.up(**MADE, quiet=True)


def test_a_user_logs_in_by_key_and_is_root_by_sudo(farm):
    assert {*farm.hosts} == {*NAMES}
    for name in NAMES:
        assert farm.hosts[name]["user"] == USER
        said = farm.ssh(name, "whoami; hostname; sudo whoami; sudo systemctl is-system-running")
        assert said.split() == [USER, name, "root", "running"]
    assert farm.status() == dict.fromkeys(NAMES, "active")


def test_from_outside_only_the_rules_ports_are_open_and_between_machines_all(farm):
    ports = {"containers-host": {22, 80, 443}, "database-host": {22}}
    listening = (80, 443, 3306)
    for name in NAMES:
        for port in listening:
            farm.ssh(name, LISTENS.format(port))
    for name, address in farm.addresses.items():
        assert farm.reach(name) == address
        own = [port for port in listening if port in ports[name]]
        assert until(lambda at=address, own=own: all(answers(at, number) for number in own), 20)
        tried = (22, *listening, 8000)
        with ThreadPoolExecutor() as pool:
            answered = zip(tried, pool.map(partial(answers, address), tried), strict=True)
            opened = {port for port, is_open in answered if is_open}
        assert opened == ports[name]
    for name, other in (NAMES, NAMES[::-1]):
        for port in listening:
            farm.ssh(name, f"timeout 5 bash -c 'exec 3<>/dev/tcp/{farm.addresses[other]}/{port}'")
    for name in NAMES:
        farm.ssh(name, "sudo systemctl stop 'listens-*'")


def test_a_machine_that_was_switched_off_is_switched_on_again(farm):
    account = AzureAccount.from_environment()
    with Clients(account.settings) as clients:
        clients.compute.virtual_machines.begin_deallocate("nochat", "containers-host").result()
    assert farm.status()["containers-host"] == "deallocated"
    again = machines.up("containers-host", **MADE, quiet=True)
    assert again.ssh("containers-host", "whoami").strip() == USER
    assert not answers(again.addresses["containers-host"], 8000)


# Interrupts itself as the Interrupt button of a notebook does, when a step begins.
STUDENT = """
    import os, pickle, signal, sys
    from nochat.lab import deploy, machines, servers
    from nochat.lab import board

    # Who was started in the background of a shell may have inherited that it ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    steps = os.environ["STEPS"].split(",")
    say = board.Board.say

    def stop(board, name, text):
        say(board, name, text)
        if steps and text.startswith(steps[0]):
            steps.pop(0)
            os.kill(os.getpid(), signal.SIGINT)

    board.Board.say = stop
    farm = machines.up(**MADE, quiet=True)
    registry, backup = pickle.loads(bytes.fromhex(os.environ["GIVEN"]))

    def until_done(do):
        while True:
            try:
                return do()
            except KeyboardInterrupt:
                print("interrupted, before:", *steps, flush=True)

    until_done(deploy.build)
    images = until_done(lambda: deploy.push(registry))
    until_done(lambda: deploy.deploy(farm, images, registry, backup=backup))
    print("done", *steps, flush=True)
"""


def deploy_with_interrupts(registry: Registry, steps: Sequence[str], backup: Path | None) -> None:
    """Deploy to the end in another process, which is interrupted when each of the steps begins."""
    plain = Registry(registry.name, registry.url, "", look=str, authority=registry.authority)
    given = pickle.dumps((plain, backup)).hex()
    script = STUDENT.replace("**MADE", f"**{MADE}")
    with process(script, STEPS=",".join(steps), GIVEN=given) as student:
        for _ in steps:
            line_with("interrupted", student)
        assert line_with("done", student).strip() == "done"


@pytest.fixture(scope="module")
def site(farm, images, registry) -> Site:
    return deploy.deploy(farm, images, registry, quiet=True)


def test_interrupted_at_every_step_it_goes_on_when_it_is_run_again(farm, images, registry):
    deploy_with_interrupts(registry, IMAGES + DEPLOYED, None)


def test_the_next_run_changes_nothing(site):
    assert site.run.changed == []


def test_each_machine_is_told_of_the_other_though_they_came_up_side_by_side(site, farm):
    for name, other in (NAMES, NAMES[::-1]):
        assert farm.ssh(name, f"getent ahostsv4 {other}").split()[0] == farm.addresses[other]


async def test_a_user_chats_encrypted(site):
    await verify.chat(site.url, trust=site.trust)
    verify.encrypted(site.url, trust=site.trust)


async def test_from_outside_there_is_the_page_and_ssh_and_nothing_else(site, farm):
    await verify.only(site.address, [22, 80, 443], DOORS)
    await verify.only(farm.reach("database-host"), [22], DOORS)


def test_nobody_has_an_account_that_others_know(site, farm):
    database = "sudo mariadb --batch --skip-column-names --execute"
    told = farm.ssh("database-host", f"{database} 'SELECT user, host, plugin FROM mysql.user'")
    accounts = [line.split("\t") for line in told.splitlines()]
    by_password = [(user, host) for user, host, plugin in accounts if user == "nochat"]
    assert by_password == [("nochat", farm.addresses["containers-host"])]
    # The others are the system's own, by its socket.
    told = farm.ssh("database-host", f"{database} 'SHOW GRANTS FOR root@localhost'")
    assert "USING 'invalid'" in told or "unix_socket" in told
    users = farm.ssh("containers-host", f"sudo sh -c '{STACK} rabbitmq rabbitmqctl -q list_users'")
    assert [line.split("\t")[0] for line in users.splitlines()[1:]] == ["nochat"]


def test_a_login_alone_reads_no_secret(site, farm):
    stolen = "cat /opt/nochat-stack/.secrets/* /opt/nochat-stack/.env 2>/dev/null; id -un"
    assert farm.ssh("containers-host", stolen) == f"{USER}\n"
    url = farm.ssh("containers-host", "sudo cat /opt/nochat-stack/.secrets/bus_url")
    password = urlsplit(url).password
    assert password
    assert password not in farm.ssh("containers-host", "sudo docker inspect $(sudo docker ps -q)")


# The exercises of notebook 07: each other mistake is made in tests/exercises/test_07_*.py.


@pytest.fixture
def at_hand(site, farm, images, registry, monkeypatch) -> dict[str, Any]:
    """What the notebook has when its student comes to the exercises."""
    programs = sysconfig.get_path("scripts")  # as in a notebook: ansible-vault is there
    monkeypatch.setenv("PATH", programs, prepend=os.pathsep)
    monkeypatch.chdir(ROOT)
    names = {"farm": farm, "images": images, "registry": registry, "more": {"names": []}}
    return names | {"deploy": deploy, "os": os, "subprocess": subprocess}


async def test_a_new_version_and_the_way_back_as_the_notebook_does_it_pass(at_hand, site, farm):
    names = solved("07b", **at_hand)
    both = names["forward"], names["back"]
    verdict = await exercise.check("07b", both, farm=farm, site=site)
    assert verdict.passed, verdict


async def test_a_restart_is_no_new_version(site, farm):
    restart = "sudo /opt/nochat-stack/compose restart web"
    both = (lambda word: farm.ssh("containers-host", restart)), list
    verdict = await exercise.check("07b", both, farm=farm, site=site)
    assert verdict.mistake == "unshown", verdict


async def test_a_password_that_one_machine_alone_knows_is_a_mistake(site, farm):
    kept = urlsplit(farm.ssh("containers-host", f"sudo cat {FOLDER[3:]}/.secrets/users_url"))

    def change(password):
        account = f"nochat@'{farm.addresses['containers-host']}'"
        sql = f"ALTER USER {account} IDENTIFIED BY '{password}'"
        farm.ssh("database-host", f"sudo mariadb --execute {shlex.quote(sql)}")

    try:
        verdict = await exercise.check("07a", change, farm=farm, site=site, patience=5)
    finally:
        change(kept.password)
    assert verdict.mistake == "one_machine", verdict


@pytest.fixture
def logs() -> Iterator[Listener]:
    """The stand-in for logz.io, where containers on machines reach it: as they do the registry."""
    with logz.stand_in() as listener:
        yield listener


async def test_another_password_as_the_notebook_sets_it_passes_and_events_go_to_logz_io(
    at_hand, site, farm, logs
):
    """One run of the playbook does both."""
    logs.trust(farm)
    rotate = solved("07a", **at_hand | {"more": {"variables": logs.variables}})["rotate"]
    verdict = await exercise.check("07a", rotate, farm=farm, site=site)
    assert verdict.passed, verdict
    async with Person("vera", site.url, trust=site.trust) as vera:
        await vera.says("after it")
    assert until(lambda: "after it" in [line.get("text") for line in logs.lines], 30), logs.asked
    assert {*logs.asked} == {200}
    shipper = "sudo docker logs $(sudo docker ps -qf name=log_shipper) 2>&1"
    said = farm.ssh("containers-host", shipper)
    assert "log_shipper" in said
    assert logs.token not in said


def test_an_image_that_is_nowhere_is_named_and_the_chat_runs_on(site, farm, images, registry):
    wrong = {**images, "CHAT_IMAGE": f"{registry.address}/{registry.user}/nothing:0"}
    with pytest.raises(provision.RunFailed, match="nothing:0") as failed:
        deploy.deploy(farm, wrong, registry, quiet=True)
    assert failed.value.host == "containers-host"
    assert registry.password not in str(failed.value)
    running = farm.ssh("containers-host", "sudo docker ps --quiet | wc -l")
    assert int(running) == 11  # with the log shipper


async def test_a_backup_has_both_and_an_old_one_survives_a_failure(site, farm, tmp_path):
    files = deploy.backup(farm, tmp_path / "kept")
    assert [file.name for file in files] == [deploy.DUMP, deploy.COPY]
    before = [file.read_bytes() for file in files]
    farm.ssh("database-host", "sudo systemctl stop mariadb")
    try:
        with pytest.raises(machines.MachinesError, match="database-host"):
            deploy.backup(farm, tmp_path / "kept")
    finally:
        farm.ssh("database-host", "sudo systemctl start mariadb")
    assert [file.read_bytes() for file in files] == before
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def copied(file: Path) -> list[str]:
    """What was said, as the second copy in a backup has it."""
    with tarfile.open(file) as tar:
        files = [tar.extractfile(member).read() for member in tar if member.name.endswith(".gz")]
    return [getattr(event, "text", "") for data in files for event in contents(data).events]


async def test_a_backup_comes_back_whole_however_often_it_is_interrupted(
    site, farm, images, registry, tmp_path
):
    kept = tmp_path / "kept"
    async with Person("vera", site.url, trust=site.trust) as vera:
        await vera.says("before all is lost")
    # The second copy is written after the message is acknowledged, maybe a moment later.
    assert until(lambda: "before all is lost" in copied(deploy.backup(farm, kept)[1]), 30)
    farm.ssh(
        "containers-host",
        f"sudo sh -c '{FOLDER} && ./compose down --volumes --remove-orphans'",
    )
    farm.ssh("database-host", "sudo mariadb --execute 'DROP DATABASE nochat'")
    # As an interrupt leaves it, of which the playbook is told nothing.
    half = f"{FOLDER} && echo torn >replica.tar && docker volume create nochat_replica"
    farm.ssh("containers-host", f"sudo sh -c '{half}'")
    with pytest.raises(provision.RunFailed, match="only by half: name it again"):
        deploy.deploy(farm, images, registry, playbook="stack.yml", quiet=True)
    deploy_with_interrupts(registry, BROUGHT_BACK, kept)
    async with Person("vera", site.url, trust=site.trust) as vera:  # with her old password
        history = (await vera.call("history", {"room": "lobby"}))["entries"]
    assert [entry.get("text") for entry in history].count("before all is lost") == 1


def test_the_notebook_ends_well_and_leaves_nothing_in_the_cloud(deployment, farm):
    """It deploys its own images, loses both machines, brings all back, and destroys them."""
    account = AzureAccount.from_environment()
    assert len(account.left()) == len(account.plan().resources)
    judge(deployment.go_on())
    farm.destroy()  # ours ends, which has made none
    assert left(deployment.mark, ENGINE_SECONDS) == []
    assert account.left() == []
