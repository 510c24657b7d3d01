"""log_shipper against a stand-in for logz.io's listener, over real TLS and a real RabbitMQ."""

import asyncio
import json
import logging
import os
import signal
import sys
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.bus import connect
from nochat.errors import NochatError, Unavailable
from nochat.lab import checks
from nochat.lab.logz import Listener
from nochat.local.processes import start_child
from nochat.protocol.catalogue import catalogue
from nochat.protocol.envelope import new_id
from nochat.protocol.events import (
    Event,
    MessageSent,
    PresenceReported,
    RoomCreated,
    ServiceReported,
    TypingStarted,
    UserLoggedIn,
)
from nochat.runtime import logs, registry
from nochat.service import Context
from nochat.services.log_shipper import MAX_BODY, MAX_LINE, bodies, line, service
from nochat.settings import Settings
from tests import queues

TOKEN = "t0ken-of-the-test"


@pytest.fixture
def listener(tmp_path, monkeypatch):
    """The stand-in, stopped; this process and its children trust its certificate."""
    listener = Listener(tmp_path, TOKEN)
    monkeypatch.setenv("SSL_CERT_FILE", str(listener.certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield listener
    listener.stop()


@pytest.fixture
def settings(listener):
    return Settings(
        bus_url=f"memory://{new_id()}", logz_url=listener.url, logz_token=TOKEN, log_level="debug"
    )


def message(number: int, room: str = "lobby", text: str = "hello") -> MessageSent:
    return MessageSent(room, number, "ana", f"c{number}", text)


@asynccontextmanager
async def running(settings):
    """The service, and a bus of one's own."""
    async with (
        connect(settings.bus_url, "log_shipper") as bus,
        connect(settings.bus_url, "test") as ours,
        service.running(bus, settings),
    ):
        yield ours, bus.tally


@asynccontextmanager
async def opened(settings):
    """The service's resource alone."""
    async with (
        connect(settings.bus_url) as bus,
        service._resource(Context(bus, settings, None)) as resource,
    ):
        yield resource


# ---- what it sends ------------------------------------------------------------------------------


async def test_events_arrive_as_lines(listener, settings):
    listener.start()
    sent = message(1, text="¿qué? \n\u2028 🦙")
    async with running(settings) as (bus, _):
        await bus.publish(sent, UserLoggedIn(user="ana"))
        assert await checks.until(lambda: len(listener.lines) == 2)
    first, second = listener.lines
    assert first["event"] == "message.sent"
    assert first["message"] == f"message.sent: {sent.text}"
    assert (first["room"], first["position"], first["sender"]) == ("lobby", 1, "ana")
    assert (first["id"], first["correlation_id"]) == (sent.id, sent.correlation_id)
    assert first["@timestamp"].endswith("Z")
    assert abs(datetime.fromisoformat(first["@timestamp"]).timestamp() - sent.at) < 0.002
    assert (second["message"], second["user"]) == ("user.logged-in", "ana")
    assert {entry["type"] for entry in listener.lines} == {"nochat"}


async def test_many_events_travel_in_few_requests(listener, settings):
    listener.start()
    async with running(settings) as (bus, _):
        await bus.publish(*(message(n) for n in range(500)))
        assert await checks.until(lambda: len(listener.lines) == 500)
    assert [entry["position"] for entry in listener.lines] == list(range(500))
    assert len(listener.asked) < 10


def test_every_event_of_the_chat_is_sent_except_what_repeats_itself():
    chats = {k for k in catalogue(Event).values() if k.__module__ == "nochat.protocol.events"}
    left_out = {PresenceReported, ServiceReported, TypingStarted}
    assert set(service.consumes) == chats - left_out


@given(st.lists(st.integers(min_value=1, max_value=MAX_LINE * 2), max_size=30))
def test_bodies_hold_all_lines_in_order_within_the_limits(sizes):
    lines = [b"x" * size for size in sizes]
    packed = list(bodies(lines))
    assert all(0 < len(body) <= MAX_BODY for body in packed)
    sent = [raw for body in packed for raw in body.removesuffix(b"\n").split(b"\n")]
    assert sent == [raw for raw in lines if len(raw) <= MAX_LINE]


@given(st.text(max_size=100))
def test_a_line_is_one_line_of_json(text):
    made = line(message(1, text=text))
    assert b"\n" not in made
    assert json.loads(made)["text"] == text


# ---- what the listener says ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413])
async def test_lines_that_can_never_pass_are_let_go(listener, settings, caplog, status):
    listener.start()
    listener.broken = status
    async with running(settings) as (bus, tally):
        await bus.publish(message(1))
        assert await checks.until(lambda: tally.handled)
        listener.broken = 0
        await bus.publish(message(2))
        assert await checks.until(lambda: listener.lines)
    assert [entry["position"] for entry in listener.lines] == [2]
    assert f"the listener refused lines, which are dropped (HTTP {status}): not now" in caplog.text


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
async def test_lines_wait_while_the_listener_does_not_take_them(listener, settings, caplog, status):
    listener.start()
    listener.broken = status
    async with running(settings) as (bus, _):
        await bus.publish(message(1))
        assert await checks.until(lambda: len(listener.asked) > 1)
        listener.broken = 0
        assert await checks.until(lambda: listener.lines)
    assert (
        f"log_shipper waits: the listener at {listener.url} answered HTTP {status}" in caplog.text
    )


async def test_a_wrong_token_is_said_and_nothing_is_lost(listener, settings, caplog):
    listener.start()
    listener.token = "another"
    async with running(settings) as (bus, tally):
        await bus.publish(message(1))
        assert await checks.until(lambda: len(listener.asked) > 1)
        assert "refuses the token (HTTP 401); set NOCHAT_LOGZ_TOKEN" in caplog.text
        listener.token = TOKEN
        assert await checks.until(lambda: listener.lines)
        assert tally.failed == {}


async def test_a_listener_whose_certificate_is_not_trusted_gets_nothing(
    listener, settings, monkeypatch
):
    listener.start()
    monkeypatch.delenv("SSL_CERT_FILE")
    async with opened(settings) as resource:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await resource.send(b"{}\n")
    assert listener.asked == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"logz_token": ""}, "NOCHAT_LOGZ_TOKEN"),
        ({"logz_url": "http://127.0.0.1:1"}, "NOCHAT_LOGZ_URL must start with https://"),
        ({"logz_url": "nonsense"}, "NOCHAT_LOGZ_URL must start with https://"),
    ],
)
async def test_unusable_settings_are_reported_at_the_start(listener, changes, said):
    given = {"bus_url": f"memory://{new_id()}", "logz_url": listener.url, "logz_token": TOKEN}
    settings = Settings(**(given | changes))
    with pytest.raises(NochatError, match=said):
        async with opened(settings):
            pass


async def test_the_token_is_shown_nowhere(listener, settings, capsys):
    """Whatever happens, at the level where the chat says most."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure("debug")
    try:
        async with running(settings) as (bus, _):
            await bus.publish(message(1))
            await asyncio.to_thread(listener.start)
            assert await checks.until(lambda: listener.lines)
            for status in (401, 400, 500):
                listener.broken, asked = status, len(listener.asked)
                await bus.publish(message(2))
                assert await checks.until(lambda n=asked: len(listener.asked) > n)
                listener.broken = 0
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    said = "".join(capsys.readouterr())
    assert "refused lines" in said
    assert TOKEN not in said
    assert TOKEN not in repr(settings)


# ---- whether it runs at all ---------------------------------------------------------------------


def test_without_a_token_there_is_no_log_shipper_and_no_queue_to_fill():
    assert "log_shipper" not in registry.names(Settings())
    assert "log_shipper" in registry.names(Settings(logz_token=TOKEN))


class Process:
    """The service as a process of its own, on a real RabbitMQ."""

    def __init__(self, broker, listener, folder) -> None:
        ours = {k: v for k, v in os.environ.items() if not k.startswith("NOCHAT_")}
        given = {"BUS_URL": broker.url, "LOGZ_URL": listener.url, "LOGZ_TOKEN": TOKEN}
        given |= {"LOG_LEVEL": "debug"}
        self._env = ours | {f"NOCHAT_{name}": value for name, value in given.items()}
        self._log = folder / "log"

    def start(self):
        command = [sys.executable, "-m", "nochat", "run", "log_shipper"]
        return start_child(command, env=self._env, log=self._log)

    @property
    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def process(rabbitmq_server, listener, tmp_path):
    yield Process(rabbitmq_server, listener, tmp_path)
    queues.delete(rabbitmq_server.url, queues.of_the_chat() | {"log_shipper"})


@pytest.mark.slow
async def test_nothing_is_lost_while_the_listener_is_down(rabbitmq_server, process, listener):
    rooms, number = ("one", "two", "three"), 100
    async with connect(rabbitmq_server.url, "test") as bus:
        await bus.declare(*service.queues(Settings()))

        async def publish(first: int):
            for position in range(first, first + number):
                await bus.publish(*(message(position, room) for room in rooms))

        await bus.publish(*(RoomCreated(room, 1, "ana", room) for room in rooms))
        await publish(0)
        with process.start() as child:
            assert await checks.until(lambda: "can't be reached" in process.log, timeout=30), (
                process.log
            )
            await publish(number)
            os.kill(child.pid, signal.SIGTERM)
            assert await checks.until(lambda: not child.alive)
        with process.start() as child:
            assert await checks.until(lambda: process.log.count("running") == 2, timeout=30)
            child.kill()
        await publish(2 * number)
        with process.start():
            listener.start()
            wanted = (3 * number + 1) * len(rooms)
            ids = lambda: {entry["id"] for entry in listener.lines}  # noqa: E731
            assert await checks.until(lambda: len(ids()) == wanted, timeout=40)
    for room in rooms:
        positions = [
            entry["position"]
            for entry in listener.lines
            if (entry["room"], entry["event"]) == (room, "message.sent")
        ]
        assert list(dict.fromkeys(positions)) == list(range(3 * number))
    assert TOKEN not in process.log
