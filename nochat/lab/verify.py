"""Checks of a deployed chat, from the view of a user and of an intruder."""

import asyncio
import errno
import secrets
import socket
import ssl
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx

from nochat.lab.checks import Condition, Report, check, that, until
from nochat.lab.errors import NotAnswering, NotConnected
from nochat.lab.people import Person
from nochat.lab.servers.mariadb_server import look as look_at_mariadb
from nochat.lab.servers.rabbitmq_server import look as look_at_rabbitmq
from nochat.lab.servers.server import without_password
from nochat.lab.waiting import patience as waiting_for

STARTING = 60.0  # seconds that services may take to start
CONNECTING = 3.0
SIDE_BY_SIDE = 500  # ports tried at the same time, as a firewall may not answer
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES)  # a firewall's answers
OLD = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}
NEW = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
# In OpenSSL's terms: no authentication, no encryption, old ciphers, no forward secrecy, and
# MAC-then-encrypt (ciphers(1); RFC 9325, 4.2).
WEAK = "aNULL:eNULL:3DES:kRSA:SHA1:SHA256:SHA384"
BELIEVE = "name whom to believe (trust=…), or get one that all know (stack_certificate)"
HALF_A_YEAR = 15_552_000  # seconds of HSTS that the usual graders require

LOOKS: Mapping[str, Callable[[str], str]] = {
    "amqp": look_at_rabbitmq,
    "mysql+pymysql": look_at_mariadb,
}


async def chat(url: str, *, trust: Path | None = None, patience: float = STARTING) -> Report:
    """Check that a user can log in and send a message, and that a later user can read it.

    Args:
        url: the page's address.
        trust: certificate of the authority to trust, unless it is a public one.
        patience: seconds to wait until it works.

    Raises:
        CheckFailed: it does not work; the message says what was seen.
    """
    conditions = list[Condition]()

    async def works() -> bool:
        conditions[:] = await _talk(url, trust)
        return all(condition.holds for condition in conditions)

    await until(works, patience, what=f"the chat at {url} to work", pause=0.5)
    return check(f"The chat at {url}", *conditions)


async def _talk(url: str, trust: Path | None) -> list[Condition]:
    """Use the chat; return a condition for each step, up to the first that fails."""
    ada, bob = (f"{name}-{secrets.token_hex(3)}" for name in ("ada", "bob"))
    text, done = f"hello from {ada}", list[Condition]()
    step = "a user logs in"
    advice = "sudo systemctl status 'nochat*' on the machine says which service does not run"
    try:
        async with Person(ada, url, trust=trust) as first:
            done.append(that(step, True, ada))
            step = "sends a message"
            await first.says(text)
            await first.until(lambda: text in first.texts())
            done.append(that(step, True, text))
        step = "a user who joins later reads it"
        async with Person(bob, url, trust=trust) as second:
            stored = await until(lambda: _has_stored(second, text))
            done.append(that(step, stored, bob, advice))
    except (RuntimeError, TimeoutError, NotConnected, aiohttp.ClientError) as error:
        seen = str(error) or type(error).__name__
        done.append(that(step, False, seen, advice))
    return done


async def _has_stored(person: Person, text: str) -> bool:
    return text in await person.history()


def closed(address: str, ports: Iterable[int]) -> Report:
    """Check that ports can't be reached from here; report how each one answers.

    Raises:
        CheckFailed: a port is open.
        OSError: the address can't be tried, for example because its name is unknown.
    """
    advice = "see what address its server listens on: sudo ss -ltnp on the machine"
    conditions = (
        that(f"port {port} is closed", seen != "open", seen, advice)
        for port, seen in ((port, _try_port(address, port)) for port in ports)
    )
    return check(f"What {address} keeps to itself", *conditions)


async def only(address: str, ports: Iterable[int], among: Iterable[int]) -> Report:
    """Check that only the given ports of many can be reached from here.

    Args:
        address: the machine's address.
        ports: the ports that must be open.
        among: all ports to try.

    Raises:
        CheckFailed: another port is open, or one of them is closed.
        OSError: the address can't be tried, for example because its name is unknown.
    """
    wanted = {*ports}
    tried = sorted(wanted | {*among})
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        tries = (loop.run_in_executor(pool, _try_port, address, port) for port in tried)
        async with waiting_for(f"{len(tried):,} ports of {address} to answer", None):
            answers = await asyncio.gather(*tries)
    reached = {port for port, seen in zip(tried, answers, strict=True) if seen == "open"}
    advice = (
        "see the rules of the firewall (sudo nft list ruleset), and what listens (sudo ss -ltnp)"
    )
    return check(
        f"What the world reaches of {address}: {len(tried):,} ports tried",
        that(
            f"the expected ports are open: {_list(wanted)}",
            wanted <= reached,
            _list(reached),
            advice,
        ),
        that("nothing else is", reached <= wanted, _list(reached - wanted) or "nothing", advice),
    )


def _list(ports: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ports)))


def encrypted(url: str, *, trust: Path | None = None) -> Report:
    """Check a page's TLS configuration by the criteria of the usual graders.

    Args:
        url: the page's address, with https.
        trust: certificate of the authority to trust, unless it is a public one.

    Raises:
        CheckFailed: a criterion is not met.
    """
    parts = urlsplit(url)
    where = str(parts.hostname), parts.port or 443
    seen = {name: _try_tls(where, version) for name, version in (OLD | NEW).items()}
    weak = _try_tls(where, ssl.TLSVersion.TLSv1_2, WEAK)
    try:
        answer = httpx.get(url, verify=ssl.create_default_context(cafile=trust), trust_env=False)
        trusted, hsts = "yes", answer.headers.get("Strict-Transport-Security", "")
    except httpx.HTTPError as error:
        trusted, hsts = str(error), ""
    age = dict(part.strip().partition("=")[::2] for part in hsts.split(";")).get("max-age", "0")
    advice = "look at docker/haproxy-tls.cfg"
    return check(
        f"How {url} is encrypted",
        that("its certificate is good for this name", trusted == "yes", trusted, BELIEVE),
        *(
            that(f"{version} is refused", not seen[version], seen[version] or None, advice)
            for version in OLD
        ),
        *(
            that(f"{version} is spoken", seen[version], seen[version] or "refused", advice)
            for version in NEW
        ),
        that("ciphers that are known to be weak are refused", not weak, weak or None, advice),
        that("browsers return only encrypted (HSTS)", int(age) >= HALF_A_YEAR, hsts, advice),
    )


def _try_tls(where: tuple[str, int], version: ssl.TLSVersion, ciphers: str = "DEFAULT") -> str:
    """Return the cipher that a server accepts in a TLS version; empty if it accepts none."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")  # else the client itself refuses old versions
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # that it is old
        context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection(where, timeout=CONNECTING) as plain,
            context.wrap_socket(plain, server_hostname=where[0]) as link,
        ):
            cipher = link.cipher()
            return cipher[0] if cipher else ""
    except OSError:
        return ""


def _try_port(address: str, port: int) -> str:
    """Try a port, and return its answer; OSError: the computer can't be reached at all."""
    try:
        socket.create_connection((address, port), timeout=CONNECTING).close()
    except TimeoutError:
        return "no answer"
    except ConnectionError:
        return "refused"
    except OSError as error:
        if error.errno in UNREACHABLE:
            return str(error.strerror)
        raise OSError(error.errno, f"{address} can't be tried: {error.strerror}") from error
    return "open"


def refused(*urls: str) -> Report:
    """Check that servers refuse wrong credentials.

    Args:
        urls: `amqp://` or `mysql+pymysql://` with a user and password that must not work.

    Raises:
        CheckFailed: a server accepts them, or does not answer.
    """
    return check("Wrong passwords are refused", *map(_try_credentials, urls))


def _try_credentials(url: str) -> Condition:
    what = f"{without_password(url)} is refused"
    try:
        version = LOOKS[urlsplit(url).scheme](url)
    except NotAnswering as reason:
        advice = "nothing answers there: is it the server's address?"
        return that(what, "refuses" in str(reason), reason, advice)
    return that(what, False, f"version {version} let us in", "remove that account")
