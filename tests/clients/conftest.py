"""A running chat, on embedded parts or on real ones, and Chromium with visitors to its page."""

import re
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from nochat.lab import chat as lab
from nochat.lab import servers
from tests.clients.visitor import PATIENCE, Visitor
from tests.conftest import CHROMIUM

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Tests are faster than people, and all of them come from one address.
# A violation of the Content-Security-Policy is a complaint, also where the console is silent.
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("not by the policy:", event.violatedDirective, event.blockedURI));
"""
# What Chromium itself writes when a server is away or says no: for tests that are about that.
OF_THE_NETWORK = re.compile(r"Failed to load resource|WebSocket connection to")


@pytest.fixture(scope="module")
def chat() -> Iterator[lab.Chat]:
    """All services in one process, on embedded parts: one for each file, with its own names."""
    with lab.start(log_level="info", **lab.UNLIMITED) as chat:
        yield chat


@pytest.fixture(scope="session")
def real_chat(mariadb_server, mongodb_server) -> Iterator[lab.Chat]:
    """Each service in a process of its own, behind RabbitMQ.

    It lives as long as the session: on the broker of the other tests it would take their events.
    """
    activity = f"{mongodb_server.url.rstrip('/')}/clients"
    with (
        servers.rabbitmq() as broker,
        lab.start(
            apart=True,
            bus=broker.url,
            users=mariadb_server.url,
            activity=activity,
            log_level="info",
            **lab.UNLIMITED,
        ) as chat,
    ):
        yield chat


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(chromium: Browser, chat: lab.Chat) -> AsyncIterator[Callable]:
    """Makes visitors, each with a browser profile of their own.

    At the end nothing may be in their consoles, where a violation of the Content-Security-Policy
    is told too; `offline=True` lets by what the browser says of a server that is away.
    """
    visitors: list[Visitor] = []

    async def visit(name: str, *, url: str = chat.url, offline: bool = False, **profile) -> Visitor:
        context = await chromium.new_context(**{"locale": "en-GB"} | profile)
        context.set_default_timeout(PATIENCE)
        await context.add_init_script(TELL_VIOLATIONS)
        visitor = Visitor(name, url, await context.new_page())
        visitor.tolerated = OF_THE_NETWORK if offline else None
        visitors.append(visitor)
        return visitor

    yield visit
    for visitor in visitors:
        await visitor.page.context.close()
    assert [line for visitor in visitors for line in visitor.complaints] == []
