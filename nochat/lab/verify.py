"""What a user, and an intruder, sees of a chat that was deployed."""

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import aiohttp

from nochat.events import LOBBY
from nochat.lab.checks import Condition, Report, check, that, until
from nochat.lab.people import Person
from nochat.lab.servers import NotAnswering
from nochat.lab.servers._mariadb import look as look_at_mariadb
from nochat.lab.servers._rabbitmq import look as look_at_rabbitmq
from nochat.lab.servers._server import without_password

STARTING = 60.0  # seconds that services may take after they were started
CONNECTING = 3.0

LOOKS: Mapping[str, Callable[[str], str]] = {
    "amqp": look_at_rabbitmq,
    "mysql+pymysql": look_at_mariadb,
}


async def chat(url: str, *, patience: float = STARTING) -> Report:
    """Log in, send a message, and read it as somebody who comes later.

    Args:
        url: the page's address.
        patience: seconds that it may take until it works.

    Raises:
        CheckFailed: it does not work as a user expects; with what was seen.
    """
    give_up = asyncio.get_running_loop().time() + patience
    while True:
        conditions = await _talk(url)
        late = asyncio.get_running_loop().time() > give_up
        if late or all(condition.holds for condition in conditions):
            return check(f"The chat at {url}", *conditions)
        await asyncio.sleep(0.5)


async def _talk(url: str) -> list[Condition]:
    """What a visit shows, up to what does not work."""
    ada, bob = (f"{name}-{secrets.token_hex(3)}" for name in ("ada", "bob"))
    text, done = f"hello from {ada}", list[Condition]()
    step = "a user logs in"
    advice = "sudo systemctl status 'nochat*' on the machine says which service does not run"
    try:
        async with Person(ada, url) as first:
            done.append(that(step, True, ada))
            step = "sends a message"
            await first.says(text)
            await first.until(lambda: text in first.texts())
            done.append(that(step, True, text))
        step = "somebody who comes later reads it"
        async with Person(bob, url) as second:
            stored = await until(lambda: _has_stored(second, text))
            done.append(that(step, stored, bob, advice))
    except (RuntimeError, TimeoutError, aiohttp.ClientError) as error:
        seen = str(error) or type(error).__name__
        done.append(that(step, False, seen, advice))
    return done


async def _has_stored(person: Person, text: str) -> bool:
    page = await person.call("history", {"room": LOBBY})
    return any(entry.get("text") == text for entry in page["entries"])


def closed(address: str, ports: Iterable[int]) -> Report:
    """Look whether ports can't be reached from here.

    Raises:
        CheckFailed: one is open.
    """
    advice = "see what address its server listens on: sudo ss -ltnp on the machine"
    conditions = (
        that(f"port {port} is closed", seen != "open", seen, advice)
        for port, seen in ((port, _try_port(address, port)) for port in ports)
    )
    return check(f"What {address} keeps to itself", *conditions)


def _try_port(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), timeout=CONNECTING).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return str(error)
    return "open"


def refused(*urls: str) -> Report:
    """Look whether servers turn away whom they should not know.

    Args:
        urls: `amqp://` or `mysql+pymysql://` with a user and password that must not work.

    Raises:
        CheckFailed: one lets us in, or none answers there at all.
    """
    return check("Who is turned away", *map(_try_credentials, urls))


def _try_credentials(url: str) -> Condition:
    what = f"{without_password(url)} is refused"
    try:
        version = LOOKS[urlsplit(url).scheme](url)
    except NotAnswering as reason:
        advice = "nothing answers there: is it the server's address?"
        return that(what, "refuses" in str(reason), reason, advice)
    return that(what, False, f"version {version} let us in", "remove that account")
