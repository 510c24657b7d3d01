"""A web page in a notebook: the live page for a student, a picture of it for the site."""

import asyncio
import getpass
import html
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from IPython.display import HTML, Image, display

from nochat import doctor

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

WIDTH = 960  # of the picture, in CSS pixels
PATIENCE = 30_000  # milliseconds


async def show(url: str, height: int = 600, *, path: str = "", visitor: str = "") -> None:
    """Show a page: in a frame, or as a picture while the course is executed for the site.

    Args:
        url: the chat's address.
        height: in pixels.
        path: of a further page there.
        visitor: who comes in by the chat's page for the picture, with a new account or the one
            that `people.Person` has made; empty: the page as it opens. In a frame the visitor is
            you.
    """
    address = f"{url}/{path}" if path else url
    if os.environ.get("NOCHAT_COURSE") != "1":
        return _display(HTML, _link(address) + _tunnel(url) + _frame(address, height))
    _display(HTML, _link(address))
    try:
        picture = await _picture(url, height, path, visitor)
    except doctor.Missing as error:
        _display(HTML, f"<p>No picture of it: {html.escape(str(error))}</p>")
    else:
        _display(Image, picture, width=WIDTH, alt=f"The page at {address}")


def _display(kind: Callable[..., Any], *content: Any, **options: Any) -> None:
    display(kind(*content, **options))  # type: ignore[no-untyped-call]


def _link(url: str) -> str:
    address = html.escape(url)
    return f'<p>The page: <a href="{address}" target="_blank">{address}</a></p>'


def _frame(url: str, height: int) -> str:
    style = "width: 100%; border: 1px solid #8b949e; border-radius: 6px"
    return f'<iframe src="{html.escape(url)}" height="{height}" style="{style}"></iframe>'


def _tunnel(url: str) -> str:
    """What makes the page reachable from the other end of SSH, where that is needed."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4:
        return ""
    port, (*_, address, ssh_port) = urlsplit(url).port or 80, connection
    option = "" if ssh_port == "22" else f"-p {ssh_port} "
    line = f"ssh -N {option}-L {port}:127.0.0.1:{port} {getpass.getuser()}@{address}"
    return (
        "<p>You came by SSH. If the page stays white, run this on your own machine, leave it "
        f"running, and run the cell again:<br><code>{html.escape(line)}</code></p>"
    )


async def _picture(url: str, height: int, path: str, visitor: str) -> bytes:
    """A PNG of a page, a moment after it was opened.

    Raises:
        Missing: there is no Chromium.
    """
    async with _browser() as browser:
        page = await browser.new_page(viewport={"width": WIDTH, "height": height})
        page.set_default_timeout(PATIENCE)
        await page.goto(url)
        if visitor:
            await _come_in(page, visitor)
        moment = 0.5  # An open socket is never idle: `networkidle` would be guessing.
        if path:
            await page.goto(f"{url}/{path}")
            moment = 2.5  # The management looks every two seconds, and draws what has changed.
        await asyncio.sleep(moment)
        return await page.screenshot()


async def _come_in(page: "Page", name: str) -> None:
    """Create an account, or log in if an earlier picture has made it already."""
    log, refusal = page.get_by_role("log"), page.get_by_role("alert").filter(has_text="taken")
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password", exact=True).fill(f"the password of {name}")
    await page.get_by_role("button", name="Create account").click()
    await log.or_(refusal).first.wait_for()
    if await refusal.is_visible():
        await page.get_by_role("button", name="Log in").click()
    await log.wait_for()


@asynccontextmanager
async def _browser() -> AsyncIterator["Browser"]:
    program = doctor.require("chromium")
    from playwright.async_api import async_playwright

    # Its sandbox refuses root, which is what containers and small cloud machines run as.
    sandbox = os.geteuid() != 0
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=program, chromium_sandbox=sandbox
        ) as browser,
    ):
        yield browser
