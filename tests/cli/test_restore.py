"""The first store is lost, and people see the same chat again: from files, Azure, or MongoDB."""

import asyncio
import gzip
import os
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from nochat.bus import connect
from nochat.cli import main
from nochat.cli.restore import restore
from nochat.errors import NochatError, Unavailable
from nochat.lab import chat as lab
from nochat.lab import checks, servers
from nochat.lab.people import Person
from nochat.lab.servers.azurite_server import make_container
from nochat.protocol.envelope import new_id
from nochat.protocol.events import (
    AccountDeleted,
    MessageSent,
    RoomCreated,
    RoomJoined,
    RoomRead,
    UserConnected,
    UserErased,
    UserNotified,
)
from nochat.runtime.bootstrap import started
from nochat.runtime.registry import services
from nochat.settings import Settings
from nochat.stores.activity import ActivityStore
from nochat.stores.archive import Folder, Journal, contents, open_storage

EVENTS = [
    RoomCreated("lobby", 1, "ana", "Lobby"),
    RoomJoined("lobby", 2, "ana"),
    RoomJoined("lobby", 3, "bob"),
    *(MessageSent("lobby", n, "ana", f"c{n}", f"message {n}") for n in range(4, 60)),
    RoomRead("lobby", "bob", 40),
    UserConnected("ana", "s1", "g1"),
]


@pytest.fixture
def settings(mongodb_url, tmp_path):
    return Settings(activity_url=mongodb_url(), data_dir=str(tmp_path / "data"))


@pytest.fixture
def folder(settings):
    """The replica's folder, where it is by default."""
    return Folder(settings.data_path / "replica")


async def seen(settings):
    async with ActivityStore.opened(settings.activity_url) as store:
        history = await store.history("lobby", None, None, 500)
        rooms, trends = await store.rooms("bob"), await store.trends(0, 10)
    return history.entries, rooms.rooms, trends.users, trends.connections


async def test_recorded_events_are_restored(settings, folder, mongodb_url):
    async with ActivityStore.opened(mongodb_url()) as first:
        await first.record(EVENTS)
        before = await first.history("lobby", None, None, 500), await first.rooms("bob")
    await Journal(folder).record(EVENTS)
    told = []
    await restore(settings, "", told.append)
    entries, rooms, users, connections = await seen(settings)
    assert (entries, rooms) == (before[0].entries, before[1].rooms)
    assert rooms[0].unread == 19
    assert (users, connections) == ([("ana", 56)], 1)
    assert told == [f"{len(EVENTS)} events of 1 of 1 files"]


async def test_deletions_are_restored(settings, folder):
    """The files have the name of whoever deleted their account; the restored store has not."""
    gone = "~deleted-0123456789abcdef"
    erasure = [AccountDeleted("ana", gone), UserErased("lobby", 60, "ana", gone)]
    await Journal(folder).record([*EVENTS, *erasure])
    (file,) = folder.names()
    assert b"ana" in gzip.decompress(folder.read(file))
    await restore(settings, "", print)
    entries, rooms, users, connections = await seen(settings)
    assert (users, connections) == ([(gone, 56)], 0)
    assert (rooms[0].members, "'ana'" in repr(entries)) == (["bob"], False)


async def test_duplicate_records_are_restored_once(settings, folder):
    journal = Journal(folder)
    for part in (EVENTS[:10], EVENTS[4:10], EVENTS[4:]):
        await journal.record(part)
        journal.begin_anew()
    await restore(settings, "", print)
    entries, *_ = await seen(settings)
    assert [entry.position for entry in entries] == list(range(1, 60))


async def test_a_store_that_holds_something_is_left_alone(settings, folder):
    await Journal(folder).record(EVENTS)
    async with ActivityStore.opened(settings.activity_url) as store:
        await store.record(EVENTS[:4])
    with pytest.raises(NochatError, match="the activity store is not empty"):
        await restore(settings, "", print)
    entries, *_ = await seen(settings)
    assert len(entries) == 4


async def test_interrupted_it_is_run_again_until_it_is_done(settings, folder, monkeypatch):
    journal = Journal(folder)
    for part in (EVENTS[:20], EVENTS[20:]):
        await journal.record(part)
        journal.begin_anew()
    read = Folder.read

    def read_one(self, name):
        if name == self.names()[1]:
            raise Unavailable("the folder is away")
        return read(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "read", read_one)
        with pytest.raises(Unavailable):
            await restore(settings, "", print)
    assert len((await seen(settings))[0]) == 20
    await restore(settings, "", print)
    assert len((await seen(settings))[0]) == 59
    with pytest.raises(NochatError, match="not empty"):
        await restore(settings, "", print)


async def test_a_torn_end_is_told_and_the_rest_restored(settings, folder):
    await Journal(folder).record(EVENTS)
    [name] = folder.names()
    torn = gzip.compress(b'{"type":"message.sent","text":"never acknowledged"}\n')[:-5]
    with open(folder.path / name, "ab") as file:
        file.write(torn)
    told = []
    await restore(settings, "", told.append)
    assert f"{name}: not read: {len(torn)} bytes at the end" in told[0]
    assert len((await seen(settings))[0]) == 59


async def test_from_a_second_mongodb(settings, mongodb_url):
    source = mongodb_url()
    with pytest.raises(NochatError, match="the database is empty"):
        await restore(settings, source, print)
    async with ActivityStore.opened(source) as store:
        await store.record(EVENTS)
    await restore(settings, source, print)
    async with ActivityStore.opened(source) as store:
        before = await store.history("lobby", None, None, 500), await store.rooms("bob")
    entries, rooms, *_ = await seen(settings)
    assert (entries, rooms) == (before[0].entries, before[1].rooms)


async def test_an_impossible_restore_is_explained(settings):
    with pytest.raises(NochatError, match="no file of a replica in"):
        await restore(settings, "", print)
    with pytest.raises(NochatError, match="the same"):
        await restore(settings, settings.activity_url, print)
    with pytest.raises(NochatError, match="write file:///folder"):
        await restore(settings, "s3://bucket", print)


def test_the_command_says_why_it_can_not(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("NOCHAT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NOCHAT_REPLICA_URL", "off")
    assert main(["restore"]) == 2
    assert "NOCHAT_REPLICA_URL switches it off" in capsys.readouterr().err
    assert main(["restore", "--from", (tmp_path / "none").as_uri()]) == 2
    assert "there is nothing to restore from" in capsys.readouterr().err


# ---- the service ---------------------------------------------------------------------------------


@asynccontextmanager
async def replica_of(bus, settings):
    async with started(services(["replica"]), settings), connect(bus, "test") as published:
        yield published


def stored(url):
    where = open_storage(url)
    return [event for name in where.names() for event in contents(where.read(name)).events]


async def test_the_replica_stores_what_activity_does_and_waits_for_a_full_disk(settings, tmp_path):
    bus, folder = f"memory://{new_id()}", tmp_path / "copy"
    folder.write_text("not a folder yet")
    url = folder.as_uri()
    settings = Settings(bus_url=bus, replica_url=url, data_dir=settings.data_dir)
    async with replica_of(bus, settings) as published:
        await published.publish(*EVENTS[:10])
        folder.unlink()
        await published.publish(*EVENTS[10:])
        assert await checks.until(lambda: len(stored(url)) == len(EVENTS), 10)
    assert stored(url) == EVENTS


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_while_azure_is_away_nothing_is_lost(rabbitmq_server, settings):
    bus = rabbitmq_server.url
    with servers.azurite(quiet=True) as azurite:
        settings = Settings(bus_url=bus, replica_url=azurite.url, data_dir=settings.data_dir)
        async with replica_of(bus, settings) as published:
            await published.publish(*EVENTS[:10])
            assert await checks.until(lambda: len(stored(azurite.url)) == 10, 20)
            # Not SIGKILL: Azurite itself forgets the latest then, which Azure does not.
            os.kill(azurite.child.pid, signal.SIGTERM)
            assert await checks.until(lambda: not azurite.child.alive, 20)
            await published.publish(*EVENTS[10:30])
        async with replica_of(bus, settings) as published:  # a restart meanwhile
            await published.publish(*EVENTS[30:])
            azurite.restart()
            assert await checks.until(lambda: len(stored(azurite.url)) >= len(EVENTS), 30)
        ids = [event.id for event in stored(azurite.url)]
        assert list(dict.fromkeys(ids)) == [event.id for event in EVENTS]


# ---- the whole chat ------------------------------------------------------------------------------


@pytest.fixture(params=["folder", "azure", "mongodb"])
def replica(request, tmp_path):
    """URL of each kind of place."""
    if request.param == "folder":
        return (tmp_path / "replica").as_uri()
    if request.param == "azure":
        azurite = request.getfixturevalue("azurite_server")
        url = azurite.url.replace("/replica?", f"/{new_id()}?")
        make_container(url)
        return url
    return request.getfixturevalue("mongodb_url")()


async def sees(person, room):
    """What a person sees of a room: its history, members and what is unread."""
    history = await person.call("history", {"room": room})
    [welcome] = [data for event, data in person.told if event == "welcome"][-1:]
    [summary] = [listed for listed in welcome["rooms"] if listed["room"] == room]
    keep = ("title", "members", "position", "read", "unread", "mentions")
    return history["entries"], {name: summary[name] for name in keep}


def heard(person):
    return Counter(event for event, _ in person.told)


async def is_complete(replica):
    """Whether all ten messages, the notices of them and bob's reading are in the replica."""
    if not replica.startswith("mongodb"):
        kinds = Counter(type(event) for event in stored(replica))
        return min(kinds[MessageSent], kinds[UserNotified]) >= 10 and kinds[RoomRead]
    async with ActivityStore.opened(replica) as store:
        garden = {room.room: room for room in (await store.rooms("bob")).rooms}.get("garden")
        return garden and (garden.unread, garden.mentions) == (4, 4)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_chat_that_lost_its_store_goes_on_as_it_was(replica, tmp_path):
    with servers.mongodb(data_dir=tmp_path / "first", quiet=True) as first:
        with lab.start(activity=first.url, replica_url=replica) as chat:
            async with Person("ana", chat.url) as ana, Person("bob", chat.url) as bob:
                await ana.call("create", {"room": "garden", "title": "The garden"})
                await bob.join("garden")
                for number in range(10):
                    await ana.says(f"@bob, message {number}", "garden")
                await ana.until(lambda: len(ana.texts("garden")) == 10)
                sixth = [n for n, entry in ana.heard["garden"].items() if "text" in entry][5]
                await bob.call("read", {"room": "garden", "position": sixth})
                await bob.until(lambda: heard(bob)["read"] and heard(bob)["notified"] == 10)
                await bob.disconnect()
                await bob.connect()
                await bob.until(lambda: heard(bob)["welcome"] == 2)
                before = await sees(bob, "garden")
            assert before[1]["unread"] == 4
            assert await checks.until(lambda: is_complete(replica), 20)
        first.kill()
    with servers.mongodb(quiet=True) as second:
        urls = {"NOCHAT_ACTIVITY_URL": second.url, "NOCHAT_REPLICA_URL": replica}
        command = [sys.executable, "-m", "nochat", "restore"]
        ran = await asyncio.create_subprocess_exec(*command, env=os.environ | urls)
        assert await ran.wait() == 0
        with lab.start(activity=second.url, replica_url=replica) as chat:
            async with Person("bob", chat.url) as bob:
                assert await sees(bob, "garden") == before
                await bob.says("as it was", "garden")
                await bob.until(lambda: bob.texts("garden")[-1:] == ["as it was"])
