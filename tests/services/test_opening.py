"""A stop that comes while a service still opens its store."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from nochat.services import users
from nochat.stores.users_database import Database


async def test_a_database_that_opens_during_a_stop_is_closed(monkeypatch, settings):
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    make, close = Database.__init__, Database.close

    def slow(database, url):
        begun.set()
        go_on.wait(10)
        make(database, url)

    def noted(database):
        close(database)
        closed.set()

    monkeypatch.setattr(Database, "__init__", slow)
    monkeypatch.setattr(Database, "close", noted)
    context = SimpleNamespace(settings=settings, bus=None)
    opening = asyncio.create_task(users.users(context).__aenter__())
    await asyncio.to_thread(begun.wait, 10)
    opening.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert closed.is_set()
