"""The replica's files: what goes in comes out, and a crash costs only what was not stored yet."""

import builtins
import gzip
import resource
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.errors import NochatError, Unavailable
from nochat.lab.servers.azurite_server import make_container
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomRead
from nochat.stores import archive
from nochat.stores.archive import Folder, Journal, contents, open_storage

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
BATCHES = st.lists(st.lists(TEXTS, min_size=1, max_size=5), max_size=6)


def messages(*texts):
    return [MessageSent("lobby", at, "ana", f"c{at}", text) for at, text in enumerate(texts, 1)]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "replica")


def all_of(storage):
    return [event for name in storage.names() for event in contents(storage.read(name)).events]


@given(BATCHES)
def test_batches_come_back_as_they_were(batches):
    written = [messages(*texts) for texts in batches]
    data = b"".join(member(batch) for batch in written)
    assert contents(data).events == [event for batch in written for event in batch]
    assert contents(data).unread == []


def member(events):
    return gzip.compress(b"".join(archive.encode(event) + b"\n" for event in events))


@given(BATCHES.filter(bool), st.floats(0, 0.999))
def test_a_torn_end_costs_the_last_batch_alone(batches, part):
    written = [messages(*texts) for texts in batches]
    *whole, last = [member(batch) for batch in written]
    rest = last[: max(1, int(len(last) * part))]
    archived = contents(b"".join(whole) + rest)
    assert archived.events == [event for batch in written[:-1] for event in batch]
    assert archived.unread[0].startswith(f"{len(rest)} bytes at the end")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data):
    archived = contents(member(messages("kept")) + data)
    assert [event.text for event in archived.events] == ["kept"]
    assert bool(archived.unread) == bool(data)


def test_lines_that_are_no_event_are_named_and_their_neighbours_read():
    lines = b'{"type": "from.the.future", "id": "x"}\n' + archive.encode(messages("kept")[0])
    archived = contents(gzip.compress(lines))
    assert [event.text for event in archived.events] == ["kept"]
    assert "from.the.future" in archived.unread[0]


async def test_a_journal_goes_on_in_one_file_and_begins_another_anew(folder):
    journal = Journal(folder)
    for text in ("one", "two"):
        await journal.record(messages(text))
    assert len(folder.names()) == 1
    journal.begin_anew()
    await journal.record(messages("three"))
    await Journal(folder).record(messages("four"))  # another process
    assert [name[:9] for name in folder.names()] == ["00000001-", "00000002-", "00000003-"]
    assert [event.text for event in all_of(folder)] == ["one", "two", "three", "four"]


async def test_a_file_takes_no_more_than_an_append_blob_does(folder, monkeypatch):
    monkeypatch.setattr(archive, "MOST_APPENDS", 2)
    journal = Journal(folder)
    for text in "12345":
        await journal.record(messages(text))
    assert len(folder.names()) == 3
    assert "".join(event.text for event in all_of(folder)) == "12345"


async def test_every_kind_of_event_comes_back(folder):
    events = [*messages("“ñ” 🦙 \r\n \x1c "), RoomRead("lobby", "bob", 3)]
    await Journal(folder).record(events)
    assert all_of(folder) == events


async def test_nobody_else_may_read_the_folder(folder):
    await Journal(folder).record(messages("secret"))
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    [name] = folder.names()
    assert stat.S_IMODE((folder.path / name).stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_empty(folder):
    assert folder.names() == []


async def test_other_files_in_the_folder_are_let_be(folder):
    await Journal(folder).record(messages("one"))
    (folder.path / "notes.gz").write_bytes(b"mine")
    await Journal(folder).record(messages("two"))
    assert [event.text for event in all_of(folder)] == ["one", "two"]


async def test_a_folder_that_can_not_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    journal = Journal(Folder(tmp_path / "file"))
    with pytest.raises(Unavailable, match=r"file can't be used \(.*set NOCHAT_REPLICA_URL"):
        await journal.record(messages("hello"))


@pytest.fixture
def little_room():
    """No file may grow past 2000 bytes: the disk is as good as full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_said_and_leaves_the_files_whole(folder, little_room):
    journal = Journal(folder)
    await journal.record(messages("before"))
    for _ in range(3):  # as the Dispatcher does
        with pytest.raises(Unavailable, match="make room"):
            await journal.record(messages(*(new_id() for _ in range(200))))
        journal.begin_anew()
    assert len(folder.names()) == 1
    little_room()
    await journal.record(messages("after"))
    assert [event.text for event in all_of(folder)] == ["before", "after"]
    assert not any(contents(folder.read(name)).unread for name in folder.names())


@pytest.mark.parametrize(
    "url", ["", "replica", "file://host/x", "file:relative", "s3://bucket", "https://account"]
)
def test_a_url_that_is_no_place(url):
    with pytest.raises(NochatError, match="write file:///folder, mongodb://"):
        open_storage(url)


def test_a_secret_in_a_url_that_is_no_place_is_not_shown():
    with pytest.raises(NochatError) as caught:
        open_storage("ftp://me:s3cr3t@host/x?sig=s1gn4ture")
    assert "s3cr3t" not in str(caught.value)
    assert "s1gn4ture" not in str(caught.value)


def test_a_folder_with_spaces_is_found(tmp_path):
    path = tmp_path / "a folder, ñ"
    assert open_storage(path.as_uri()).path == path


def test_without_the_sdk_azure_is_said_to_need_it(monkeypatch):
    imported = builtins.__import__

    def refuse(name, *rest, **options):
        if name.startswith("azure"):
            raise ImportError(name)
        return imported(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(NochatError, match=r"pip install 'nochat\[azure\]'"):
        open_storage("https://account.blob.core.windows.net/container?sig=x")


# ---- Azure Blob Storage, as Azurite serves it ---------------------------------------------------


@pytest.fixture
def container(azurite_server):
    """URL of a new container, with a signature."""
    url = azurite_server.url.replace("/replica?", f"/{new_id()}?")
    make_container(url)
    return url


@pytest.mark.slow
async def test_blobs_grow_by_batches(container):
    blobs = open_storage(container)
    journal = Journal(blobs)
    assert blobs.names() == []
    for text in ("one", "two"):
        await journal.record(messages(text))
    journal.begin_anew()
    await journal.record(messages("three"))
    assert len(blobs.names()) == 2
    assert [event.text for event in all_of(blobs)] == ["one", "two", "three"]


@pytest.mark.slow
async def test_a_batch_larger_than_a_block(container, monkeypatch):
    monkeypatch.setattr(archive, "BLOCK", 1000)
    written = messages(*(new_id() for _ in range(200)))
    await Journal(open_storage(container)).record(written)
    assert all_of(open_storage(container)) == written


@pytest.mark.slow
async def test_errors_of_azure_are_shown_without_the_signature(container, azurite_server):
    missing = container.replace("?", "missing?")
    signature = container.partition("sig=")[2]
    forged = container.replace(signature, "s1gn4ture")
    for url, reason in ((missing, "AuthorizationFailure|ContainerNotFound"), (forged, "Auth")):
        with pytest.raises(Unavailable, match=reason) as caught:
            await Journal(open_storage(url)).record(messages("hello"))
        assert "sig=" not in str(caught.value)
        assert "s1gn4ture" not in str(caught.value)


@pytest.mark.slow
async def test_a_server_that_is_away_is_said_at_once_without_the_signature(unused_tcp_port):
    url = f"http://127.0.0.1:{unused_tcp_port}/account/container?sig=s1gn4ture"
    with pytest.raises(Unavailable, match="ServiceRequestError") as caught:
        await Journal(open_storage(url)).record(messages("hello"))
    assert "s1gn4ture" not in str(caught.value)
