"""The chat under a path of another application, in that application's server."""

import asyncio
import importlib
import re
import socket
import sys
from contextlib import asynccontextmanager, nullcontext

import httpx
import pytest
import uvicorn
from msgspec import structs
from starlette.applications import Starlette
from starlette.routing import Mount

from nochat.lab.people import Person
from nochat.protocol.envelope import new_id
from nochat.runtime.asgi import Chat
from nochat.service import Service
from nochat.settings import Settings
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("_quick_passwords")


@pytest.fixture
def settings(mongodb_url, tmp_path):
    bus, data = f"memory://{new_id()}", str(tmp_path)
    return Settings(bus_url=bus, activity_url=mongodb_url(), replica_url="off", data_dir=data)


@asynccontextmanager
async def served(app):
    """An application on a server that is not ours; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    server.capture_signals = nullcontext  # they are pytest's
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.fixture(params=["mounted", "mounted_fastapi"])
def app(request, settings, monkeypatch):
    """The site of a program of the documentation."""
    for name in ("bus_url", "activity_url", "replica_url", "data_dir"):
        monkeypatch.setenv(f"NOCHAT_{name.upper()}", getattr(settings, name))
    monkeypatch.syspath_prepend(ROOT / "tests" / "programs")
    monkeypatch.delitem(sys.modules, request.param, raising=False)
    return importlib.import_module(request.param).app


@asynccontextmanager
async def example(app):
    """Serve the site; gives the address of its chat."""
    async with served(app) as url:
        yield f"{url}/chat"


async def test_two_people_talk(app):
    async with (
        example(app) as url,
        Person("ana", url) as ana,
        Person("bob", url, transports=("polling",)) as bob,
    ):
        await ana.says("hello")
        await bob.until(lambda: "hello" in bob.texts())


async def test_the_page_finds_its_files_and_browsers_keep_them(app):
    async with (
        example(app) as url,
        httpx.AsyncClient(base_url=url.removesuffix("/chat"), follow_redirects=True) as client,
    ):
        home = await client.get("/")
        assert "our chat" in home.text
        page = await client.get("/chat")
        assert page.url.path == "/chat/"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["cross-origin-resource-policy"] == "cross-origin"
        [script] = re.findall(r'<script type="module" src="(.+?)"', page.text)
        kept = await client.get(f"/chat/{script}")
        assert (kept.status_code, kept.headers["cache-control"]) == (
            200,
            "public, max-age=31536000, immutable",
        )
        plain = await client.get("/chat/static/app.js")
        assert (plain.text, plain.headers["cache-control"]) == (kept.text, "no-cache")
        manage = await client.get("/chat/manage")
        assert manage.status_code == 200


async def test_rest_answers_there_and_says_so(app):
    async with example(app) as url, httpx.AsyncClient() as client:
        document = (await client.get(f"{url}/openapi.json")).json()
        assert document["servers"] == [{"url": "/chat"}]
        me = await client.get(f"{url}/api/me")
        assert me.json()["user"] == ""
        foreign = {"origin": "https://elsewhere.example"}
        assert (await client.post(f"{url}/api/logout", json={}, headers=foreign)).status_code == 403
        other = await client.get(f"{url}/api/me", headers={"host": "elsewhere.example"})
        assert other.status_code == 421


async def test_before_its_lifespan_it_answers_503(settings):
    app = Starlette(routes=[Mount("/chat", Chat(settings))])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/chat/")
    assert (answer.status_code, answer.json()["code"]) == (503, "chat.unavailable")


async def test_services_of_ones_own_run_with_it(settings):
    own, opened = Service("own"), []

    @own.resource
    @asynccontextmanager
    async def note(context):
        opened.append(context.settings)
        yield

    async with Chat(settings, own=[own]).lifespan():
        assert opened == [structs.replace(settings, engine="python-socketio")]
