"""The page of a chat whose registration is closed."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from nochat.cli.register import register
from nochat.lab import chat as lab
from nochat.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest.fixture
def users(tmp_path):
    return f"sqlite:///{tmp_path / 'users.db'}"


@pytest_asyncio.fixture(loop_scope="session")
async def chat(users):
    with lab.start(users=users, registration="closed", **lab.UNLIMITED) as chat:
        yield chat


async def test_the_page_offers_no_account(visit, chat, users):
    ana = await visit("ana")
    await ana.page.goto(ana.url)
    await expect(ana.page.get_by_text("To get an account")).to_be_visible()
    await expect(ana.page.get_by_role("button", name="Log in")).to_be_visible()
    await expect(ana.page.get_by_role("button", name="Create account")).to_be_hidden()
    register(Settings(users_url=users), "ana", "a good password")
    await ana.sign("Log in", "a good password")
    await expect(ana.page.locator("#chat")).to_be_visible()
