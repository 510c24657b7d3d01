"""Listening: on IPv4 and IPv6, or a sentence that says why not and what to do."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import aiohttp
import pytest

from nochat.cli.load import load
from nochat.errors import NochatError
from nochat.lab import chat as lab
from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap, registry
from nochat.runtime.listening import ListenAddress, listen, url_of
from nochat.settings import Settings
from tests.proxies import proxy

NAMES = "NOCHAT_HOST", "NOCHAT_PORT"


def where(host: str, port: int = 0) -> ListenAddress:
    return ListenAddress(host, port, *NAMES)


def opens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("[::1]", "http://[::1]:"),
        ("0:0:0:0:0:0:0:1", "http://[::1]:"),
        ("::", "http://127.0.0.1:"),
    ],
)
def test_the_address_that_is_printed_opens(host, expected):
    with listen(where(host)) as listening:
        url = url_of(listening)
        assert url.startswith(expected)
        parts = urlsplit(url)
        assert opens(parts.hostname, parts.port)


def test_all_addresses_are_those_of_ipv4_too():
    with listen(where("::")) as listening:
        port = listening.getsockname()[1]
        assert opens("127.0.0.1", port)
        assert opens("::1", port)
    with listen(where("::1")) as listening:
        assert not opens("127.0.0.1", listening.getsockname()[1])


@pytest.mark.parametrize("host", ["no-such-host.invalid", "localhost:8000", "256.1.1.1", "a b"])
def test_a_name_that_nobody_knows_is_said_in_the_resolvers_words(host):
    with pytest.raises(socket.gaierror) as known:
        socket.getaddrinfo(host, 0)
    with pytest.raises(NochatError) as said:
        listen(where(host))
    assert f"NOCHAT_HOST={host} can't be used: {known.value.strerror}; give an" in str(said.value)
    assert "Unknown error" not in str(said.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "NOCHAT_HOST= is empty; give an address of this machine"),
        ("a..b", "NOCHAT_HOST=a..b is not a host name; give an address"),
        ("x" * 70, "is not a host name"),
        (
            "203.0.113.7",
            "can't listen on 203.0.113.7:0 (Cannot assign requested address); this machine has no "
            "such address: set NOCHAT_HOST; give an address of this machine: 127.0.0.1",
        ),
        ("2001:db8::7", "can't listen on [2001:db8::7]:0 (Cannot assign requested address)"),
    ],
)
def test_an_unusable_address_is_named_with_advice(host, expected):
    with pytest.raises(NochatError) as said:
        listen(where(host))
    assert expected in str(said.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_said(host):
    with listen(where(host)) as taken, pytest.raises(NochatError) as said:
        listen(where(host, taken.getsockname()[1]))
    assert "(Address already in use); stop what uses it, or set NOCHAT_PORT to" in str(said.value)


def test_a_port_that_is_not_for_everybody_is_said():
    """As another user, where we are root; in a child, as it is for good."""
    child = """
import os
from nochat.errors import NochatError
from nochat.runtime.listening import ListenAddress, listen
"localhost".encode("idna")  # loads what nobody else may read
if not os.geteuid():
    os.setuid(65534)
try:
    listen(ListenAddress("127.0.0.1", 81, "NOCHAT_HOST", "NOCHAT_PORT"))
except NochatError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert "can't listen on 127.0.0.1:81 (Permission denied); ports below 1024 " in done.stdout
    assert "set NOCHAT_PORT to a higher one" in done.stdout


@pytest.mark.usefixtures("_quick_passwords")
async def test_a_chat_on_ipv6(tmp_path):
    """The page, its sockets, the load generator, the health; a proxy on the machine is believed."""
    settings = Settings(
        bus_url=f"memory://{new_id()}",
        data_dir=str(tmp_path),
        host="::1",
        port=0,
        operation_host="::1",
        operation_port=0,
        address_rate=1,
        login_rate=0,
    )
    async with bootstrap.started(registry.services(), settings) as url:
        assert url.startswith("http://[::1]:")
        async with Person("ana", url) as ana:
            await ana.says("hello")
            await ana.until(lambda: "hello" in ana.texts())
        async with aiohttp.ClientSession() as http:
            for number in range(15):
                headers = {"X-Forwarded-For": f"10.0.0.{number}", "Origin": url}
                async with http.post(f"{url}/api/logout", json={}, headers=headers) as response:
                    assert response.status == 200
        report = await load(url, people=2, rate=20, seconds=0.2, say=lambda _: None)
        assert report.lost == 0


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_every_server_of_a_chat_may_be_at_ipv6(broker, database, mongodb_server):
    """Services apart, a gateway of its own, RabbitMQ, MariaDB and MongoDB, all at `[::1]`."""
    with ExitStack() as stack:

        def at_ipv6(url: str) -> str:
            port = urlsplit(url).port
            way = stack.enter_context(proxy(port, "::1"))
            return url.replace(f"127.0.0.1:{port}", f"[::1]:{way.port}")

        bus = at_ipv6(broker.url)
        activity = f"{at_ipv6(mongodb_server.url).rstrip('/')}/t{new_id()[:12]}"
        users = at_ipv6(database.url)
        chat = stack.enter_context(
            lab.start(
                apart=True, bus=bus, users=users, activity=activity, host="::1", **lab.UNLIMITED
            )
        )
        chat.add("bot", "bot")
        assert chat.url.startswith("http://[::1]:")
        async with Person("ana", chat.url) as ana:
            assert (await ana.asks("/api/me"))["gateway"].startswith("http://[::1]:")
            await ana.says("@bot ping")
            await ana.until(lambda: "pong" in ana.texts())
