"""The page in front of the chat as it runs in earnest: separate processes and real servers."""

import re

import pytest
from playwright.async_api import expect

from tests.clients.visitor import talk

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

CONNECTED = [
    ("websocket", "websocket", ["websocket"]),
    ("polling", "polling", ["polling"]),
    ("polling,websocket", "websocket", ["polling", "websocket"]),
]


@pytest.mark.parametrize(("transports", "in_use", "used"), CONNECTED)
async def test_two_users_talk_through_rabbitmq(visit, real_chat, transports, in_use, used):
    suffix = transports.replace(",", "-")
    query = f"?transports={transports}"
    ana = await (await visit(f"ana-{suffix}", url=real_chat.url)).arrive(query)
    bob = await (await visit(f"bob-{suffix}", url=real_chat.url)).arrive(query)
    await talk(ana, bob, f"By {suffix}")
    for visitor in (ana, bob):
        await expect(visitor.page.locator("#transport")).to_have_text(f"connected by {in_use}")
        # After an upgrade a last poll may be sent while the websocket is open already.
        assert visitor.transports[: len(used)] == used
        assert set(visitor.transports) == set(used)


async def test_a_gateway_is_killed_and_comes_back(visit, real_chat):
    """Ana's gateway is away while Bob, on another, goes on: she gets all of it, once."""
    second = real_chat.add("gateway-2", "gateway")
    ana = await (await visit("ana-away", url=real_chat.url, offline=True)).arrive()
    # The page's policy names only the gateway of its own `web`.
    bob = await visit("bob-there", url=real_chat.url, offline=True, bypass_csp=True)

    async def by_second(route):
        answer = await route.fetch()
        await route.fulfill(json=await answer.json() | {"gateway": second})

    await bob.page.route(re.compile("/api/me$"), by_second)
    await bob.arrive()
    await talk(ana, bob, "Two gateways")
    real_chat.kill("gateway")
    banner = ana.page.get_by_text("The connection is lost")
    await expect(banner).to_be_visible()
    await ana.writes("from nowhere")
    for number in range(5):
        await bob.says(f"meanwhile {number}")
    real_chat.restart("gateway")
    heard = [*(f"meanwhile {number}" for number in range(5)), "from nowhere"]
    await expect(banner).to_be_hidden(timeout=20_000)
    for visitor in (ana, bob):
        await visitor.sees(*heard)
        texts = await visitor.page.locator("#lines .text").all_text_contents()
        assert texts == ["one", "two", "three", *heard]
