"""No password, no session's token and no server's password is in any log, at its most talkative."""

import asyncio
import re
import urllib.parse

import pytest

from nochat.lab import chat as lab_chat
from nochat.lab import servers
from nochat.lab.passwords import password_of
from nochat.lab.people import Person

pytestmark = pytest.mark.slow

NEXT = "my-next-password"
WRONG = "a-wrong-password"
TYPED = "my-password-in-the-field-of-the-name"


async def live(url, kill_database):
    """All that passwords are used for, also while their store is away; returns the tokens."""
    tokens = set()
    async with Person("ana", url) as ana:
        tokens |= {cookie.value for cookie in ana._http.cookie_jar}
        await ana.says("hello @ana")
        given = {"old": ana.password, "new": NEXT}
        assert (await ana._ask("POST", "/api/password", given))[0] == 200
        given = {"user": "ana", "password": WRONG}
        assert (await ana._ask("POST", "/api/login", given))[0] == 401
        given = {"user": TYPED, "password": WRONG}
        assert (await ana._ask("POST", "/api/login", given))[0] == 401
        given = {"user": "x" * 99, "password": WRONG}
        assert (await ana._ask("POST", "/api/register", given))[0] == 422
        await asyncio.to_thread(kill_database)
        async with ana._http.post(
            f"{url}/api/login", json={"user": "ana", "password": NEXT}
        ) as response:
            assert response.status == 503
    return tokens


def test_no_secret_is_in_any_log():
    # A broker of its own: what this chat leaves in its queues is nobody else's.
    with (
        servers.rabbitmq(quiet=True) as broker,
        servers.mariadb(quiet=True) as database,
        lab_chat.start(
            apart=True,
            bus=broker.url,
            users=database.url,
            logz_url="https://127.0.0.1:9",
            logz_token="the-logz-token",
        ) as chat,
    ):
        tokens = asyncio.run(live(chat.url, database.kill))
        passwords = [urllib.parse.urlsplit(server.url).password for server in (broker, database)]
        secrets = [*tokens, *passwords, password_of("ana"), NEXT, WRONG, TYPED, "the-logz-token"]
        for name, process in chat.processes.items():
            said = process.log.read_text()
            assert said, name
            assert [secret for secret in secrets if secret in said] == [], name
        shown = repr(broker) + repr(database) + repr(chat)
        assert [secret for secret in secrets if secret in shown] == []
        assert re.search(r"nochat:\*+@", shown)
