"""What every answer tells browsers: pages, REST, files, sockets, metrics, and errors."""

import re

import httpx
import pytest

from nochat.protocol.envelope import new_id
from nochat.runtime import bootstrap, registry
from nochat.runtime.headers import ALWAYS, DENIED
from nochat.settings import Settings
from tests.conftest import CHROMIUM

ASKED = [
    ("GET", "/", 200),
    ("GET", "/manage", 200),
    ("GET", "/static/app.js", 200),
    ("GET", "/api/me", 200),
    ("GET", "/api/trends", 401),
    ("GET", "/nothing", 404),
    ("POST", "/api/login", 415),
    ("TRACE", "/", 405),
    ("GET", "/socket.io/?EIO=4&transport=polling", 200),
    ("GET", "/socket.io/?EIO=4&transport=polling&sid=none", 400),
]


@pytest.fixture
async def chat(tmp_path, caplog):
    """A chat's address, and that of its metrics."""
    caplog.set_level("INFO", "nochat.runtime.bootstrap")
    bus = f"memory://{new_id()}"
    given = {"bus_url": bus, "data_dir": str(tmp_path), "port": 0, "operation_port": 0}
    settings = Settings(replica_url="off", **given)
    async with bootstrap.started(registry.services(registry.names(settings)), settings) as url:
        yield url, re.findall(r"metrics and health at (http://\S+)", caplog.text)[-1]


def check(response):
    page = {"Cross-Origin-Resource-Policy": "cross-origin"}
    is_page = response.url.path in ("/", "/manage") and response.status_code != 421
    for name, value in (ALWAYS | (page if is_page else {})).items():
        assert response.headers.get_list(name) == [value], (response.url, name)
    policy = response.headers["Content-Security-Policy"]
    for directive in ("default-src 'none'", "object-src 'none'", "base-uri 'none'"):
        assert directive in policy
    assert "frame-ancestors 'none'" in policy
    assert "Cache-Control" in response.headers
    assert "Server" not in response.headers
    assert "Strict-Transport-Security" not in response.headers


async def test_every_answer_says_what_browsers_may_do_with_it(chat):
    url, operation = chat
    async with httpx.AsyncClient(trust_env=False) as http:
        for method, path, status in ASKED:
            response = await http.request(method, url + path)
            assert (path, response.status_code) == (path, status)
            check(response)
        check(await http.get(url, headers={"Host": "evil.example"}))  # refused
        check(await http.post(f"{url}/api/login", content=b"x" * 70_000))  # too long
        for path in ("/metrics", "/healthz", "/readyz", "/nothing"):
            check(await http.get(operation + path))
        by_tls = {"X-Forwarded-Proto": "https"}
        for path in ("/", "/api/me", "/socket.io/?EIO=4&transport=polling"):
            response = await http.get(url + path, headers=by_tls)
            assert response.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.slow
async def test_browsers_know_each_feature_that_is_denied_and_copying_is_not(chat):
    from playwright.async_api import async_playwright

    url, _ = chat
    said = []
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        ) as browser,
    ):
        page = await browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        await page.goto(url)
        allowed = await page.evaluate("document.featurePolicy.allowedFeatures()")
    assert [text for text in said if "olicy" in text] == []
    assert set(allowed) & set(DENIED) == set()
    assert "clipboard-write" in allowed
