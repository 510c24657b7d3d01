"""What is logged inside a handler says whose it is and what caused it."""

import asyncio
import io
import json
import logging
import re
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path

import pytest

from nochat.bus import connect
from nochat.errors import Unavailable
from nochat.lab import checks
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomJoined
from nochat.protocol.requests import Session, WhoIs
from nochat.runtime import logs
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import message


@pytest.fixture
def written(monkeypatch):
    """Gives the lines that were logged, as a process of the chat would write them."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("info")
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], level = before[0], before[1]
    root.setLevel(level)


async def handled(service, *events, request=None):
    """Let a service handle some events and a request to their end."""
    settings = Settings(bus_url=f"memory://{new_id()}")
    async with (
        connect(settings.bus_url, service.name) as bus,
        connect(settings.bus_url) as ours,
        service.running(bus, settings),
    ):
        await ours.publish(*events)
        if request:
            await ours.request(request)
        assert await checks.until(lambda: sum(bus.tally.handled.values()) >= len(events))


async def test_a_record_inside_a_handler_has_service_and_correlation_id(written):
    service, sent, asked = Service("users"), message(1), WhoIs(token="t")

    @service.on(MessageSent)
    async def take(event) -> None:
        await asyncio.to_thread(logging.getLogger("some.library").warning, "from a thread")

    @service.on(WhoIs)
    async def who(request) -> Session:
        logging.getLogger("nochat.anything").info("asked")
        return Session()

    await handled(service, sent, request=asked)
    lines = {line["message"]: line for line in written()}
    assert lines["from a thread"]["service"] == "users"
    assert lines["from a thread"]["correlation_id"] == sent.correlation_id
    assert lines["asked"]["service"] == "users"
    assert lines["asked"]["correlation_id"] == asked.correlation_id


async def test_log_lines_of_a_failing_handler_have_the_fields_too(written):
    service, sent, tries = Service("users"), message(1), []

    @service.on(MessageSent)
    async def take(event) -> None:
        tries.append(event)
        if len(tries) < 2:
            raise Unavailable("the store is away")

    await handled(service, sent)
    [line] = written()
    assert line["message"] == "users waits: the store is away"
    assert line["correlation_id"] == sent.correlation_id


async def test_many_events_have_no_correlation_id_in_common(written):
    service = Service("activity")

    @service.on(MessageSent, RoomJoined, batch=True)
    async def take(events) -> None:
        logging.getLogger("nochat.anything").info("took")

    await handled(service, message(1), RoomJoined("lobby", 2, "bob"))
    assert all(line["service"] == "activity" for line in written())
    assert not any("correlation_id" in line for line in written())


def test_a_users_own_loggers_are_heard_at_the_level_of_the_settings(written):
    logging.getLogger("polls").info("a vote")
    logging.getLogger("polls").debug("not this")
    logging.getLogger("polls.more").setLevel(logging.DEBUG)
    logging.getLogger("polls.more").debug("but this, as its logger wants it")
    assert [line["message"] for line in written()] == ["a vote", "but this, as its logger wants it"]


def test_fields_of_ones_own_are_in_the_line_and_change_no_other(written):
    given = {"choice": "tea", "votes": {"ana": 1}, "where": Path("/a"), "logger": "x", "at": 0}
    logging.getLogger("polls").info("a vote", extra=given)
    [line] = written()
    assert (line["choice"], line["votes"], line["where"]) == ("tea", {"ana": 1}, "/a")
    assert line["logger"] == "polls"
    assert line["at"] > 0


def test_the_chats_libraries_tell_nothing_below_a_warning(written):
    """What they say then may hold tokens, and texts of people."""
    logs.configure("debug")
    libraries = [*those_that_log(), "asyncio"]
    assert {"pymongo", "httpx", "sqlalchemy"} <= set(libraries)
    for name in libraries:
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING, name


def those_that_log():
    """The top-level packages of all that the chat installs, if they use `logging`."""
    installed, todo = set(), {"nochat"}
    while todo:
        name = todo.pop()
        installed.add(name)
        with suppress(metadata.PackageNotFoundError):
            needs = [need for need in metadata.requires(name) or [] if "extra ==" not in need]
            todo |= {canonical(re.match(r"[\w.-]+", need)[0]) for need in needs} - installed
    for package, distributions in metadata.packages_distributions().items():
        if package != "nochat" and installed & set(map(canonical, distributions)):
            spec = util.find_spec(package)
            folders = spec.submodule_search_locations or [] if spec else []
            sources = (file for folder in folders for file in Path(folder).rglob("*.py"))
            if any(b"getLogger(" in source.read_bytes() for source in sources):
                yield package


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_record_outside_of_a_handler_has_neither(written):
    logging.getLogger("nochat.anything").warning("hello")
    [line] = written()
    assert line["message"] == "hello"
    assert not {"service", "correlation_id"} & line.keys()
