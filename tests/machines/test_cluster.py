"""`make test-cluster`: three machines, RabbitMQ on all of them, and one of them dies in a talk."""

import asyncio
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nochat.lab import containers, deploy, machines
from nochat.lab.machines import Farm
from nochat.lab.people import Person
from nochat.local.processes import free_port, listens, start_child, wait_until
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomCreated
from nochat.stores.archive import Journal, open_storage

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]

BEFORE = "said when there was one machine"
MESSAGES = [f"message {number}" for number in range(15)]
KILLED_AFTER = 5
PATIENCE = 120  # seconds


@pytest.fixture
def activity(tmp_path, registry) -> Iterator[str]:
    """URL of a store that is on none of the machines: the stand-in for MongoDB, here."""
    port = free_port()
    argv = [Path(sys.executable).with_name("nx-27017"), "--host", "0.0.0.0", "--port", str(port)]
    argv += ["--data-dir", str(tmp_path / "data"), "--pid-file", str(tmp_path / "pid")]
    with start_child([*argv, "--log-file", "/dev/null"], log=tmp_path / "log") as child:
        wait_until(lambda: listens(port), 20, "the stand-in for MongoDB", child)
        # As machines reach this computer.
        yield f"mongodb://{urlsplit(registry.url).hostname}:{port}/nochat"


@pytest.fixture
def farm(place, image) -> Iterator[Farm]:
    place.setenv("NOCHAT_MACHINE_COUNT", "3")
    with machines.up(provision=False) as farm:
        yield farm


@pytest.fixture
async def small(tmp_path) -> Path:
    """A backup of a chat on one machine: of its activity alone."""
    said = MessageSent("lobby", 2, "ana", new_id(), BEFORE)
    journal = Journal(open_storage((tmp_path / "copy" / "replica").as_uri()))
    await journal.record([RoomCreated("lobby", 1, "ana", "Lobby"), said])
    (tmp_path / "backup").mkdir()
    with tarfile.open(tmp_path / "backup" / deploy.COPY, "w") as tar:
        tar.add(tmp_path / "copy", ".")
    return tmp_path / "backup"


async def say(person: Person, text: str) -> None:
    """Send it until it is acknowledged, as the page does."""
    client_id = new_id()
    while True:
        try:
            await person.says(text, client_id=client_id)
            return
        except (RuntimeError, TimeoutError):
            await asyncio.sleep(0.2)


async def test_a_machine_dies_and_nothing_is_lost(
    farm, activity, images, registry, small, tmp_path
):
    how = {"variables": {"stack_activity_url": activity}, "playbook": "grow.yml", "backup": small}
    site = deploy.deploy(farm, images, registry, **how)
    print(f"three machines set up in {site.run.seconds:.0f} s")
    again = deploy.deploy(farm, images, registry, **how)
    assert again.run.changed == []
    # Each machine has but a part of the second copy.
    assert deploy.backup(farm, tmp_path / "grown") == [tmp_path / "grown" / deploy.DUMP]
    first, second = (
        f"https://{farm.reach(machine)}" for machine in ("containers-host", "containers-host-2")
    )
    async with (
        asyncio.timeout(PATIENCE),
        Person("bob", first, trust=site.trust) as bob,
        Person("ana", second, trust=site.trust) as ana,
    ):
        for text in MESSAGES[:KILLED_AFTER]:
            await say(ana, text)
        await bob.until(lambda: MESSAGES[KILLED_AFTER - 1] in bob.texts(), PATIENCE)
        containers.client().containers.get(farm.container("containers-host")).kill()
        began = time.monotonic()
        for text in MESSAGES[KILLED_AFTER:]:
            await say(ana, text)
        await ana.until(lambda: MESSAGES[-1] in ana.texts(), PATIENCE)
        print(f"all said and heard {time.monotonic() - began:.1f} s after a machine died")
        assert [line for line in ana.texts() if line in MESSAGES] == MESSAGES
    async with Person("bob", second, trust=site.trust) as bob:
        history = (await bob.call("history", {"room": "lobby"}))["entries"]
    said = [BEFORE, *MESSAGES]
    assert [entry["text"] for entry in history if entry.get("text") in said] == said
