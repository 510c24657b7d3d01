"""What a socket may do, and what it is refused."""

from urllib.parse import urlsplit

import aiohttp
import pytest
import socketio

from nochat.lab.people import Person
from nochat.protocol.actions import ACTIONS
from nochat.protocol.envelope import new_id
from nochat.protocol.fields import LOBBY
from tests.services.conftest import a_name

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_message_reaches_the_room_and_its_sender_is_acknowledged(ana, bob):
    text = f"hello {new_id()}"
    await ana.says(text)
    await bob.until(lambda: text in bob.texts())


async def test_nobody_comes_in_without_a_session(url):
    socket, said = socketio.AsyncClient(reconnection=False), []
    socket.on("connect_error", said.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await socket.connect(url)
    told = {"code": "log-in.needed", "params": {}}
    assert said == [{"message": "log in first", "data": told}]


@pytest.mark.parametrize("auth", [{"user": "somebody"}, {"user": "somebody", "positions": 7}])
async def test_a_socket_that_expects_another_user_s_session_is_refused(url, ana, auth):
    """What such a page has to send is not this user's."""
    socket, said = socketio.AsyncClient(http_session=ana._http, reconnection=False), []
    socket.on("connect_error", said.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await socket.connect(url, auth=auth)
    told = {"code": "socket.other-user", "params": {}}
    assert said == [{"message": "another user", "data": told}]
    for believed in ({"user": ana.name}, {"user": 7}, {"user": ""}, None):
        await socket.connect(url, auth=believed)
        await socket.disconnect()


async def test_no_other_sites_page_may_open_a_socket(url, ana):
    for origin, status in ((url, 200), ("http://evil.example", 400)):
        headers = {"Origin": origin}
        polling = f"{url}/socket.io/?EIO=4&transport=polling"
        async with ana._http.get(polling, headers=headers) as response:
            assert response.status == status
            said = await response.text()
        assert ("socket.protocol" in said) == (status == 400)


SENT = list(ACTIONS)
ODD = [None, 7, "x", [], {}, {"room": 7}, {"room": "../x"}, {"room": "x" * 50}]


@pytest.mark.parametrize("event", SENT)
async def test_malformed_events_are_refused_and_the_socket_lives(ana, event):
    for data in ODD:
        answer = await ana._socket.call(event, data, timeout=5)
        assert answer["error"]
        assert answer["retry"] is False
    await ana.says("still here")


async def test_a_message_over_the_size_limit_says_so(ana):
    with pytest.raises(RuntimeError, match="4000"):
        await ana.says("x" * 4001)
    assert await ana.says("x" * 4000)


async def test_non_members_are_refused(ana, bob):
    room = f"r-{new_id()[:10]}"
    await ana.call("create", {"room": room, "title": "Ana's"})
    await ana.until(lambda: room in ana.heard)
    for event, data in (("history", {"room": room}), ("typing", {"room": room})):
        with pytest.raises(RuntimeError, match="only members"):
            await bob.call(event, data)
    await bob.call("message", {"room": room, "client_id": "1", "text": "let me in"})
    await bob.until(lambda: any(event == "rejected" for event, _ in bob.told))
    assert ana.texts(room) == []


async def test_users_who_leave_stop_receiving_messages(ana, bob):
    room = f"r-{new_id()[:10]}"
    await ana.call("create", {"room": room, "title": "Ana's"})
    await ana.until(lambda: room in ana.heard)
    await bob.join(room)
    await bob.call("leave", {"room": room})
    await ana.until(lambda: any(e["type"] == "room.left" for e in ana.heard[room].values()))
    await ana.says("among us", room)
    await ana.says("a mark")
    await bob.until(lambda: "a mark" in bob.texts())
    assert bob.texts(room) == []


async def test_history_pages_back(ana):
    room = f"r-{new_id()[:10]}"
    await ana.call("create", {"room": room, "title": "Ana's"})
    for number in range(7):
        await ana.says(f"{number}", room)
    await ana.until(lambda: len(ana.texts(room)) == 7)
    page = await ana.call("history", {"room": room, "limit": 3})
    assert [entry["text"] for entry in page["entries"]] == ["4", "5", "6"]
    assert page["more"] is True
    first = page["entries"][0]["position"]
    page = await ana.call("history", {"room": room, "before": first, "limit": 3})
    assert [entry["text"] for entry in page["entries"]] == ["1", "2", "3"]


async def test_presence_is_shown(url, ana):
    name = a_name()
    async with Person(name, url):
        await ana.until(lambda: any(e == "presence" and name in d["came"] for e, d in ana.told))
    await ana.until(lambda: any(e == "presence" and name in d["went"] for e, d in ana.told))


async def test_typing_is_shown(ana, bob):
    await bob.call("typing", {"room": LOBBY})
    await ana.until(lambda: ("typing", {"room": LOBBY, "user": bob.name}) in ana.told)


async def test_a_mention_is_told_to_the_named_user(ana, bob):
    await ana.says(f"over here, @{bob.name.upper()}.")
    await bob.until(lambda: any(event == "notified" for event, _ in bob.told))
    assert not any(event == "notified" for event, _ in ana.told)


async def test_reading_positions_are_told_to_every_socket_of_a_user(url, ana):
    await ana.says("something")
    await ana.until(lambda: ana.texts())
    last = max(ana.heard[LOBBY])
    async with Person(ana.name, url) as again:
        await again.call("read", {"room": LOBBY, "position": last})
        for person in (ana, again):
            await person.until(
                lambda p=person: any(e == "read" and d["position"] == last for e, d in p.told)
            )


async def test_an_open_socket_is_not_opened_by_a_forged_cookie(url):
    cookies = {f"nochat_session_{urlsplit(url).port}": "x" * 43}
    async with aiohttp.ClientSession(cookies=cookies) as http:
        socket = socketio.AsyncClient(http_session=http, reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await socket.connect(url)
