"""What a browser loads for a page, and how long it keeps it."""

import re

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from nochat.services.web import pages
from nochat.services.web.pages import STATIC, Pages

IMPORT = re.compile(r'^import[^"]*"(\.[^"]+)";', re.MULTILINE)


@pytest.fixture
def page():
    return Pages()


@pytest_asyncio.fixture
async def client(page):
    app = httpx.ASGITransport(Starlette(routes=page.routes))
    async with httpx.AsyncClient(transport=app, base_url="http://chat") as client:
        yield client


def loaded(html):
    """The addresses of a page's files."""
    return re.findall(r'(?:src|href)="(static/[^"]+)"', html)


def imported(module, seen):
    """Every module that one imports, itself or through others."""
    if module not in seen:
        seen.add(module)
        for path in IMPORT.findall((STATIC / module).read_text()):
            imported(
                str((STATIC / module).parent.joinpath(path).resolve().relative_to(STATIC)), seen
            )
    return seen


@pytest.mark.parametrize(
    ("page", "module"), [("index.html", "app.js"), ("manage.html", "manage/app.js")]
)
def test_all_modules_of_the_first_load_are_asked_for_at_once(page, module):
    html = (STATIC / page).read_text()
    preloaded = re.findall(r'rel="modulepreload" href="static/([^"]+)"', html)
    assert sorted([*preloaded, module]) == sorted(imported(module, set()))


@pytest.mark.parametrize("path", ["/", "/manage"])
async def test_a_page_s_files_are_kept_for_good_and_travel_compressed(client, page, path):
    html = await client.get(path)
    assert html.headers["Content-Encoding"] == "gzip"
    assert page.caching(path) == "no-store"
    files = loaded(html.text)
    assert len(files) > 4
    for file in files:
        assert (await client.get(f"/{file}")).is_success
        assert page.caching(f"/{file}") == pages.FOR_GOOD


async def test_a_page_that_changed_has_other_addresses(client, page, tmp_path, monkeypatch):
    """Without a restart; and nobody keeps what may be of another version."""
    (tmp_path / "index.html").write_text('<link href="static/look.css">')
    (tmp_path / "look.css").write_text("p {}")
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    (before,) = loaded((await client.get("/")).text)
    (again,) = loaded((await client.get("/")).text)
    (tmp_path / "look.css").write_text("p { color: red }")
    (after,) = loaded((await client.get("/")).text)
    assert before == again != after
    assert page.caching(f"/{after}") == pages.FOR_GOOD
    assert page.caching(f"/{before}") == page.caching("/static/look.css") == "no-cache"
