"""Whatever a handler throws, its client is answered, and what comes next works at once."""

import asyncio
import gc
from dataclasses import replace

import aiohttp
import pytest
import pytest_asyncio
import socketio

from nochat.lab.chat import RATES
from nochat.lab.people import Person
from nochat.protocol import payloads
from nochat.protocol.actions import ACTIONS
from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap, registry
from nochat.services import web
from nochat.services.gateway import arrivals, presence_reports, sockets
from nochat.services.web import rest
from nochat.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 8.0  # seconds: what waits for an answer that does not come waits for 12
HALF = "\ud800"  # of an emoji: JSON has it, UTF-8 does not
THROWN = [RuntimeError("broken"), KeyError("x"), TypeError("x"), RecursionError(), HALF]
FAILED = {
    "error": "the chat failed at this; its log says why",
    "code": "chat.failed",
    "params": {},
}
SENT = {
    "message": {"client_id": "1", "text": "x"},
    "edit": {"position": 1, "text": "x"},
    "delete": {"position": 1},
    "react": {"position": 1, "emoji": "x"},
    "read": {"position": 1},
    "create": {"title": "x"},
    "moderate": {"user": "ana", "action": "kick"},
    "invite": {"user": "ana"},
    "direct": {"user": "ana"},
    "rooms": {"text": "x"},
    "search": {"text": "x"},
}


def throws(error):
    """What fails with an error; with the codec's, where it is a text that has no bytes."""

    async def act(*_):
        if isinstance(error, str):
            error.encode()
        raise error

    return act


@pytest.fixture(scope="module")
def broken():
    """What stands in for an action, by its name, or for a call's act, by its path."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chat(tmp_path_factory, _quick_passwords, broken):
    """A chat in which actions and calls can be broken while it runs; gives its address."""

    def breakable(name, act):
        async def acting(*given):
            return await broken.get(name, act)(*given)

        acting.__doc__ = act.__doc__
        return acting

    def routes(calls, shared):
        return rest.routes(
            [replace(call, act=breakable(call.path, call.act)) for call in calls], shared
        )

    own = {
        name: action._replace(act=breakable(name, action.act)) for name, action in ACTIONS.items()
    }
    no_limits = dict.fromkeys(RATES, 0.0)
    folder, bus = str(tmp_path_factory.mktemp("data")), f"memory://{new_id()}"
    settings = Settings(bus_url=bus, data_dir=folder, port=0, replica_url="off", **no_limits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sockets, "ACTIONS", own)
        patch.setattr(web, "routes", routes)
        services = registry.services(registry.names(settings))
        async with bootstrap.started(services, settings) as url:
            yield url


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def _nothing_is_lost(broken):
    """At the end, no task has failed without anybody who asks."""
    lost = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    yield
    broken.clear()
    gc.collect()
    await asyncio.sleep(0)
    assert lost == []


@pytest_asyncio.fixture(loop_scope="module")
async def ana(chat):
    async with Person(f"u{new_id()[:10]}", chat) as person:
        yield person


async def serves(person):
    """At once, a message is taken and comes."""
    text = new_id()
    async with asyncio.timeout(SOON):
        await person.says(text)
        await person.until(lambda: text in person.texts())


async def test_every_action_that_throws_is_answered(ana, broken):
    for number, name in enumerate(ACTIONS):
        broken[name] = throws(THROWN[number % len(THROWN)])
        data = {"room": "lobby"} | SENT.get(name, {})
        if name == "direct":
            del data["room"]
        assert await ana._socket.call(name, data, timeout=SOON) == FAILED | {"retry": False}, name
        del broken[name]
        await serves(ana)


HALVES = {
    "message": {"room": "lobby", "client_id": "1", "text": HALF},
    "edit": {"room": "lobby", "position": 1, "text": HALF},
    "react": {"room": "lobby", "position": 1, "emoji": HALF},
    "create": {"room": "half", "title": HALF},
    "invite": {"room": "lobby", "user": HALF},
    "direct": {"user": HALF},
    "search": {"text": HALF},
    "join": {"room": HALF},
    "moderate": {"room": "lobby", "user": HALF, "action": "kick"},
}


async def test_half_an_emoji_is_answered_wherever_it_is(ana):
    for event, data in HALVES.items():
        answer = await ana._socket.call(event, data, timeout=SOON)
        assert answer.get("error"), event
        await serves(ana)


async def test_an_answer_that_can_not_be_sent_is_an_error(ana, broken):
    async def odd(*_):
        return {"entries": {object()}}

    broken["typing"] = odd
    assert await ana._socket.call("typing", {"room": "lobby"}, timeout=SOON) == FAILED | {
        "retry": False
    }
    await serves(ana)


async def test_a_handshake_that_throws_is_refused_at_once(ana, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(payloads, "believed", lambda *_: 1 / 0)
        async with asyncio.timeout(SOON):
            with pytest.raises(RuntimeError, match="unavailable"):
                await ana.connect()
    await ana.connect()
    await serves(ana)


async def test_a_welcome_that_throws_closes_the_socket(chat, ana, monkeypatch):
    await ana.until(lambda: "welcome" in dict(ana.told))
    socket = socketio.AsyncClient(http_session=ana._http, reconnection=False)
    with monkeypatch.context() as patch:
        patch.setattr(payloads, "welcome", lambda *_: 1 / 0)
        await socket.connect(chat, wait_timeout=None)
        # The client calls no handler of "disconnect" where that comes while it still connects.
        await asyncio.wait_for(socket.eio.wait(), SOON)
    await socket.disconnect()
    await serves(ana)


async def test_a_disconnect_counts_even_if_announcing_it_fails(chat, ana, monkeypatch):
    name = f"u{new_id()[:10]}"

    def is_told(change):
        return any(event == "presence" and name in data[change] for event, data in ana.told)

    async with Person(name, chat):
        # Who comes and goes within one tick is in no report.
        await ana.until(lambda: is_told("came"), SOON)
        monkeypatch.setattr(arrivals, "UserDisconnected", lambda *_: 1 / 0)
    await ana.until(lambda: is_told("went"), SOON)


async def test_presence_is_reported_again_after_an_error(chat, ana, monkeypatch):
    monkeypatch.setattr(sockets, "REPORT_EVERY", 0.01)
    reports, one = asyncio.Event(), presence_reports.PresenceReported
    fail = iter([True, True])

    def report(*given):
        if next(fail, False):
            raise RuntimeError("broken")
        reports.set()
        return one(*given)

    monkeypatch.setattr(presence_reports, "PresenceReported", report)
    await asyncio.wait_for(reports.wait(), 2 * sockets.REPORT_EVERY + 5)


async def test_every_call_of_rest_that_throws_is_answered(chat, broken, monkeypatch):
    document = await asked(chat, "GET", "/openapi.json")
    calls = [(m.upper(), path) for path, methods in document[1]["paths"].items() for m in methods]
    assert len(calls) > 10
    monkeypatch.setattr(web.Pages, "_page", lambda *_: 1 / 0)
    manager = rest.Session(user="ana", role="manager")

    async def known(call, request, shared):
        return rest.Caller(shared, manager, "", {}, "")

    monkeypatch.setattr(rest, "_caller", known)

    monkeypatch.setattr(rest, "_sent", lambda *_: None)
    for number, (method, path) in enumerate([*calls, ("GET", "/"), ("GET", "/manage")]):
        broken[path] = throws(THROWN[number % len(THROWN)])
        assert await asked(chat, method, path) == (500, FAILED), path
    assert (await asked(chat, "GET", "/healthz"))[0] == 200


async def asked(url, method, path):
    """The answer to a call, with what all answers have."""
    given = {"json": {}} if method == "POST" else {}
    where = url + path.replace("{", "").replace("}", "")
    async with (
        asyncio.timeout(SOON),
        aiohttp.ClientSession() as http,
        http.request(method, where, **given) as answer,
    ):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return answer.status, await answer.json()
