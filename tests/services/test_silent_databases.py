"""A database that takes connections and says nothing: a service loses nothing and comes back."""

import gc
from urllib.parse import urlsplit

import pytest
from sqlalchemy import make_url

from nochat.bus import connect
from nochat.errors import Unavailable
from nochat.lab import checks
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomCreated, RoomJoined
from nochat.protocol.requests import CreateUser, GetHistory, WhoIs
from nochat.services import activity, users
from nochat.settings import Settings
from tests.proxies import proxy

pytestmark = pytest.mark.usefixtures("_quick_passwords")
SAID = MessageSent("lobby", 3, "ana", "c3", "hello")


# A check of the server that was under way when its client was closed leaves its socket open.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_activity_keeps_what_it_could_not_store(mongodb_server, monkeypatch, caplog):
    monkeypatch.setattr("nochat.stores.mongodb.ANSWER_SECONDS", 0.5)
    with proxy(urlsplit(mongodb_server.url).port) as way:
        url = f"mongodb://127.0.0.1:{way.port}/t{new_id()[:12]}"
        settings = Settings(bus_url=f"memory://{new_id()}", activity_url=url)
        async with (
            connect(settings.bus_url, "activity") as bus,
            connect(settings.bus_url, "test") as ours,
            activity.service.running(bus, settings),
        ):
            await ours.publish(RoomCreated("lobby", 1, "ana", "Lobby"))
            asked = GetHistory(user=None, room="lobby", after=0)
            assert len((await ours.request(asked)).entries) == 1
            way.silent = True
            await ours.publish(RoomJoined("lobby", 2, "ana"), SAID)
            assert await checks.until(lambda: "activity waits" in caplog.text)
            way.silent = False
            history = await ours.request(GetHistory(user=None, room="lobby", after=2), timeout=20)
            assert history.entries == [SAID]
    gc.collect()


@pytest.mark.slow
async def test_users_says_try_again(mariadb_server, monkeypatch):
    monkeypatch.setattr("nochat.stores.users_database.ANSWER_SECONDS", 0.5)
    real = make_url(mariadb_server.url)
    with proxy(real.port) as way:
        url = real.set(port=way.port).render_as_string(hide_password=False)
        settings = Settings(bus_url=f"memory://{new_id()}", users_url=url)
        async with (
            connect(settings.bus_url, "users") as bus,
            connect(settings.bus_url, "test") as ours,
            users.service.running(bus, settings),
        ):
            name = f"u{new_id()[:10]}"
            token = (await ours.request(CreateUser(user=name, password="a good one"))).token
            way.silent = True
            with pytest.raises(Unavailable, match="NOCHAT_USERS_URL"):
                await ours.request(WhoIs(token=token))
            way.silent = False
            assert (await ours.request(WhoIs(token=token))).user == name
