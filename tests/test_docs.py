"""The site: builds without complaint, asks nothing of the network, draws its diagrams."""

import json
import re
import subprocess
import sys

import pytest

from nochat.runtime import registry
from tests.conftest import CHROMIUM, ROOT

FETCHED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']([^\"']+)", re.I
)
NOT_FETCHED = re.compile(
    r"<link\b[^>]*rel=[\"'](?:canonical|next|prev|search|index|genindex)", re.I
)
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?(https?:)?//", re.I)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [ROOT / "tools" / "site", out], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return out


def test_no_page_names_a_file_of_another_machine(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        text = NOT_FETCHED.sub("", page.read_text())
        external = [url for url in FETCHED.findall(text) if re.match(r"(https?:)?//", url)]
        assert external == [], page


def test_the_site_starts_where_executed_notebooks_lead(site):
    """Their pages are gone: what was one leads to the commands that start the course."""
    assert '<section id="two-commands">' in (site / "index.html").read_text()
    for page in site.glob("notebooks/*.html"):
        assert re.findall(r'href="https?://(?:127\.|localhost|\[::1\])', page.read_text()) == []


def test_no_style_imports_from_another_machine(site):
    assert [css for css in site.rglob("*.css") if IMPORTED.search(css.read_text())] == []


def test_the_asyncapi_document_can_be_downloaded(site):
    (document,) = site.glob("_downloads/*/nochat.asyncapi.json")
    assert json.loads(document.read_text())["asyncapi"].startswith("3.")


def test_every_service_has_a_page_of_what_comes_in(site):

    for service in registry.services():
        page = (site / "services" / f"{service.name}.html").read_text()
        for kind in service.consumes:
            assert f"{kind.__module__}.{kind.__name__}" in page


def test_texts_can_be_extracted_for_translation(site, tmp_path):
    read = ["-d", "build/pages"]  # what the site's builder read
    pages = {"index": "index.md", "api/nochat.service": "api/nochat.service.rst"}
    some = [f"docs/{name}" for name in pages.values()]  # all take a minute
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "gettext", *read, "docs", tmp_path]
    subprocess.run([*command, *some], cwd=ROOT, check=True, timeout=240)
    for page in pages:
        assert "msgid" in (tmp_path / f"{page}.pot").read_text()


def test_each_page_is_in_the_list_beside_it(site):
    """The list is open at the page's own place, and there alone."""
    for name, entries in {"index": 0, "api/nochat.service": 1, "services/users": 1}.items():
        page = (site / f"{name}.html").read_text()
        beside = page[page.index('aria-label="Main"') : page.index("<main")]
        assert re.findall(r'class="current [^"]*" href="([^"]*)"', beside) == ["#"]
        assert beside.count("<details") == entries
        for target in re.findall(r'href="([^"#]+)"', beside):
            assert (site / name).parent.joinpath(target).is_file()


def test_a_modules_page_is_stored_without_the_whole_environment(site):
    """Each would have that of all pages: half a gigabyte to write and to read."""
    names = [page.stem for page in (ROOT / "docs" / "api").glob("*.rst")]
    assert names
    stored = [ROOT / "build" / "pages" / "api" / f"{name}.doctree" for name in names]
    assert [path.name for path in stored if path.stat().st_size > 1_000_000] == []


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


def pages_to_open(site):
    first = sorted(site.glob("notebooks/*.html"))[:1]
    return [site / "index.html", *(first or [site / "services" / "users.html"])]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_open_without_network_and_draw_their_diagrams(site, browser, dark):
    for page_file in pages_to_open(site):
        context = browser.new_context(color_scheme="dark" if dark else "light")
        page = context.new_page()
        asked, errors = [], []
        page.route(re.compile("^(?!file:)"), lambda route, asked=asked: refuse(route, asked))
        page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
        page.goto(page_file.as_uri())
        expect_diagrams(page, page_file.read_text().count('<pre class="mermaid">'))
        assert (asked, errors) == ([], [])
        context.close()


def refuse(route, asked):
    if not route.request.url.startswith(("data:", "blob:")):
        asked.append(route.request.url)
    route.abort()


def expect_diagrams(page, count):
    page.wait_for_function(
        "count => document.querySelectorAll('pre.mermaid svg').length === count", arg=count
    )
    assert "Syntax error" not in page.content()
