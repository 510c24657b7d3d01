"""The page in Chromium: its first load, and a message's way from one browser to another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from benchmarks.measure import Size
from nochat.lab import chat
from nochat.lab.servers import Server
from nochat.local import doctor

Conditions = Mapping[str, float | bool]

LOOPBACK: Conditions = {
    "offline": False,
    "latency": 0,
    "downloadThroughput": -1,
    "uploadThroughput": -1,
}
FAST_3G: Conditions = {  # as Chromium emulates it: milliseconds, bytes per second
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
# Each returns milliseconds: since the navigation, or since 1970 to compare two pages.
USABLE = """() => new Promise((resolve) => {
  const look = () => {
    if (document.getElementById("door")?.checkVisibility()) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})"""
WATCH = """(text) => {
  const now = () => performance.timeOrigin + performance.now();
  const watch = (shows) => new Promise((resolve) => {
    const look = () => {
      const texts = [...document.querySelectorAll("#lines .text")];
      const line = texts.find(({ textContent }) => textContent === text)?.closest("li");
      if (!line || !shows(line)) return;
      observer.disconnect();
      resolve(now());
    };
    const observer = new MutationObserver(look);
    observer.observe(document.getElementById("lines"), { subtree: true, childList: true });
  });
  window.__shown = watch(() => true);
  window.__sent = watch((line) => line.querySelector("[aria-label=Sent]"));
  window.__send = () => {
    const began = now();
    document.getElementById("send").click();
    return began;
  };
}"""


@dataclass(frozen=True)
class PageRow:
    """One figure of the page.

    Attributes:
        case: the measured case.
        unit: the unit of both figures.
        loopback: the median over loopback.
        slow: the median at the speed of fast 3G; None if Chromium can't emulate that.
    """

    case: str
    unit: str
    loopback: float
    slow: float | None = None


def rows(size: Size, broker: Server) -> Iterator[PageRow]:
    """Measure all rows, with each service in a process of its own."""
    with (
        chat.start(apart=True, bus=broker.url, log_level="warning") as running,
        _chromium() as browser,
    ):
        yield from _measured(size, partial(_loads, browser, running.url), LOOPBACK, FAST_3G)
        talk = _Talk(browser, running.url)
        yield from _measured(size, partial(talk, "websocket"), LOOPBACK)
        yield from _measured(size, partial(talk, "polling"), LOOPBACK, FAST_3G)


Figures = dict[tuple[str, str], float]  # by case and unit


def _measured(
    size: Size, measure: Callable[[Conditions], Figures], *lines: Conditions
) -> Iterator[PageRow]:
    medians = [_medians([measure(line) for _ in range(size.visits)]) for line in lines]
    for case, unit in medians[0]:
        yield PageRow(case, unit, *(figures[case, unit] for figures in medians))


def _medians(visits: Sequence[Figures]) -> Figures:
    return {what: median(visit[what] for visit in visits) for what in visits[0]}


@contextmanager
def _chromium() -> Iterator[Browser]:
    program = doctor.require("chromium")
    with sync_playwright() as playwright:
        # Its sandbox does not work in containers and as root; it opens only our own pages.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def _loads(browser: Browser, url: str, line: Conditions) -> Figures:
    """Load the page as a new visitor, and again with the browser's cache."""
    context = browser.new_context(locale="en-GB")
    figures = {
        (f"{case}, {cache} cache", unit): figure
        for cache in ("cold", "warm")
        for (case, unit), figure in _load(context, url, line).items()
    }
    context.close()
    return figures


def _load(context: BrowserContext, url: str, line: Conditions) -> Figures:
    lengths: list[int] = []  # bytes of the answers with their headers; 0: from the cache
    page = context.new_page()
    with _over(line, page) as network:
        network.on("Network.loadingFinished", lambda end: lengths.append(end["encodedDataLength"]))
        page.goto(url, wait_until="commit")
        usable = page.evaluate(USABLE)
        page.wait_for_load_state("networkidle")
    page.close()
    return {
        ("first load", "requests"): len([length for length in lengths if length]),
        ("first load", "KiB"): sum(lengths) / 1024,
        ("form usable", "ms"): usable,
    }


class _Talk:
    """Two browsers in one room, one of which sends messages."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._url, self._written = url, 0
        self._people = [_member(browser, url, name) for name in ("ana", "bob")]

    def __call__(self, transport: str, line: Conditions) -> Figures:
        """Send a message over a line; measure the time from the click to its display."""
        url = f"{self._url}/?transports={transport}"
        self._written += 1
        text = f"message {self._written}"
        with self._page(0, url, line) as writer, self._page(1, url, line) as reader:
            for page in (writer, reader):
                page.evaluate(WATCH, text)
            writer.locator("#text").fill(text)
            began = writer.evaluate("window.__send()")
            sent = writer.evaluate("window.__sent")
            shown = reader.evaluate("window.__shown")
        return {
            (f"message sent, {transport}", "ms"): sent - began,
            (f"another browser shows it, {transport}", "ms"): shown - began,
        }

    @contextmanager
    def _page(self, person: int, url: str, line: Conditions) -> Iterator[Page]:
        """Open a page that is connected over a line."""
        page = self._people[person].new_page()
        with _over(line, page):
            page.goto(url)
            page.locator("body[data-status=online]").wait_for()
            yield page
        page.close()


def _member(browser: Browser, url: str, name: str) -> BrowserContext:
    """Register a user; return the browser's context."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(url)
    page.locator("#user").fill(name)
    page.locator("#password").fill("a good password")
    page.locator("button[value=register]").click()
    page.get_by_role("heading", name="Lobby").wait_for()
    page.close()
    return context


@contextmanager
def _over(line: Conditions, page: Page) -> Iterator[CDPSession]:
    """Limit the page's network to the speed of a line."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", dict(line))
    yield session
    session.detach()
