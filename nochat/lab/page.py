"""A web page in a notebook: live for a student, as a picture for the site."""

import asyncio
import base64
import getpass
import hashlib
import html
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from IPython.display import HTML, Image, display

from nochat.lab.errors import GaveUp
from nochat.lab.passwords import password_of
from nochat.lab.waiting import patience
from nochat.local import doctor

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

# The initial content of a frame. A cell's output outlives the chat: if the page is gone, the frame
# says so instead of the browser's own error, and it shows the page again when the chat is back.
FIRST = """<!doctype html><meta charset="utf-8">
<style>:root { color-scheme: light dark } body { font: 14px sans-serif; margin: 1.5em }</style>
<p id="said" role="status"></p>
<script>
const address = ADDRESS;
async function look() {
  try {
    await fetch(address, { mode: "no-cors", cache: "no-store" });
    location.replace(address);
  } catch {
    document.getElementById("said").textContent = address.startsWith("https:")
      ? `Your browser does not know the certificate of ${address}, or nothing answers there now. ` +
        "Open it in a tab and go on past the warning, or run the cell that starts it: then this " +
        "frame shows it."
      : `Nothing answers at ${address} now. ` +
        "Run the cell that starts it, and this frame shows it again.";
    setTimeout(look, 2000);
  }
}
look();
</script>"""
WIDTH = 960  # width of the picture in CSS pixels
PATIENCE = 30_000  # milliseconds


async def show(
    url: str,
    height: int = 600,
    *,
    path: str = "",
    visitor: str = "",
    certificate: Path | None = None,
) -> None:
    """Show a page: in a frame, or as a picture while the course is executed for the site.

    Args:
        url: the chat's address.
        height: the height in pixels.
        path: path of another page of the chat.
        visitor: the user who logs in for the picture, with a new account or that of a
            `people.Person`; empty for the page before the log-in. In a frame, you are the visitor.
        certificate: the page's certificate, if no browser trusts its issuer.
    """
    address = f"{url}/{path}" if path else url
    if os.environ.get("NOCHAT_COURSE") != "1":
        return _display(HTML, _link(address) + _tunnel(url) + _frame(address, height))
    _display(HTML, _past(address))
    try:
        picture = await _picture(url, height, path, visitor, certificate)
    except doctor.Missing as error:
        _display(HTML, f"<p>No picture of it: {html.escape(str(error))}</p>")
    else:
        _display(Image, picture, width=WIDTH, alt=f"The page at {address}")


def _display(kind: Callable[..., Any], *content: Any, **options: Any) -> None:
    display(kind(*content, **options))  # type: ignore[no-untyped-call]


def _link(url: str) -> str:
    address = html.escape(url)
    return f'<p>The page: <a href="{address}" target="_blank">{address}</a></p>'


def _past(url: str) -> str:
    """Return a note with a page's former address, for readers of the site."""
    again = '<a href="../index.html#two-commands">start it yourself</a>'
    return f"<p>The page, as it was at <code>{html.escape(url)}</code>; {again}:</p>"


def _frame(url: str, height: int) -> str:
    style = "width: 100%; border: 1px solid #8b949e; border-radius: 6px"
    address = json.dumps(url).replace("<", "\\u003c")
    first = html.escape(FIRST.replace("ADDRESS", address))
    return f'<iframe srcdoc="{first}" height="{height}" style="{style}"></iframe>'


def _tunnel(url: str) -> str:
    """Return a note on how to reach the page through SSH, if this is an SSH session."""
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


async def talk(
    url: str, names: Sequence[str], *, height: int = 480, certificate: Path | None = None
) -> None:
    """Log in several users, each in a browser of their own, and show a picture of each page.

    Args:
        url: the chat's address.
        names: the users; each says hello, and waits for the hello of all.
        height: the height of a picture in pixels.
        certificate: the page's certificate, if no browser trusts its issuer.

    Raises:
        Missing: there is no Chromium.
        GaveUp: a message did not arrive.
    """
    async with _drawing(url), AsyncExitStack() as stack:
        pages = []
        for name in names:
            chromium = await stack.enter_async_context(browser(certificate))
            viewport = {"width": WIDTH // len(names), "height": height}
            pages.append(await _visit(chromium, url, name, viewport))
        for page, name in zip(pages, names, strict=True):
            await page.locator("#text").fill(f"Hello, {name} is here.")
            await page.keyboard.press("Enter")
        for page in pages:
            for name in names:
                said = page.get_by_role("log").get_by_text(f"Hello, {name} is here.")
                await said.last.wait_for()
        pictures = [await page.screenshot() for page in pages]
    images = "".join(
        f'<img alt="What {html.escape(name)} sees" style="width: {98 // len(names)}%" '
        f'src="data:image/png;base64,{base64.b64encode(picture).decode()}">'
        for name, picture in zip(names, pictures, strict=True)
    )
    style = "display: flex; justify-content: space-between"
    _display(HTML, f'<div style="{style}">{images}</div>')


async def _visit(chromium: "Browser", url: str, name: str, viewport: Any) -> "Page":
    page = await chromium.new_page(viewport=viewport)
    page.set_default_timeout(PATIENCE)
    await page.goto(url)
    await _come_in(page, name)
    return page


async def _picture(
    url: str, height: int, path: str, visitor: str, certificate: Path | None
) -> bytes:
    """Return a PNG of a page, taken a moment after it was opened.

    Raises:
        Missing: there is no Chromium.
        GaveUp: the page does not load in time.
    """
    async with _drawing(url), browser(certificate) as chromium:
        page = await chromium.new_page(viewport={"width": WIDTH, "height": height})
        page.set_default_timeout(PATIENCE)
        await page.goto(url)
        if visitor:
            await _come_in(page, visitor)
        moment = 0.5  # An open socket is never idle: `networkidle` would be guessing.
        if path:
            await page.goto(f"{url}/{path}")
            moment = 2.5  # The management page refreshes every two seconds.
        await asyncio.sleep(moment)
        return await page.screenshot()


@asynccontextmanager
async def _drawing(url: str) -> AsyncIterator[None]:
    """Turn browser errors into one that names the missing element of the page.

    Raises:
        GaveUp: an element is not on the page in time, or there is no page.
    """
    from playwright.async_api import Error

    try:
        async with patience(f"a picture of the page at {url}", None):
            yield
    except Error as error:
        reason = error.message.partition("\n")[0]
        raise GaveUp(
            f"the page at {url} does not show what it should: {reason} To do: run the cell that "
            "starts the chat, then this one."
        ) from None


async def _come_in(page: "Page", name: str) -> None:
    """Create an account, or log in if an earlier picture has made it already."""
    log, refusal = page.get_by_role("log"), page.get_by_role("alert").filter(has_text="taken")
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password", exact=True).fill(password_of(name))
    await page.get_by_role("button", name="Create account").click()
    await log.or_(refusal).first.wait_for()
    if await refusal.is_visible():
        await page.get_by_role("button", name="Log in").click()
    await log.wait_for()


@asynccontextmanager
async def browser(certificate: Path | None = None) -> AsyncIterator["Browser"]:
    """Start a headless Chromium.

    Args:
        certificate: a page's certificate to trust, whoever issued it.

    Raises:
        Missing: there is no Chromium.
    """
    program = doctor.require("chromium")
    from playwright.async_api import async_playwright

    # Its sandbox does not work as root, the usual user in containers and on small cloud machines.
    sandbox = os.geteuid() != 0
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=program, chromium_sandbox=sandbox, args=_believing(certificate)
        ) as chromium,
    ):
        yield chromium


def _believing(certificate: Path | None) -> list[str]:
    if certificate is None:
        return []
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    mark = base64.b64encode(hashlib.sha256(info).digest()).decode()
    return [f"--ignore-certificate-errors-spki-list={mark}"]
