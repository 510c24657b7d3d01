"""A page of another site whose name leads to this machine now (DNS rebinding) gets nothing here.

Its requests come to the chat, or to its metrics, as requests to the page's own site: they pass for
same-origin, and a page may add any header but `Host`.
"""

import re

import aiohttp
import pytest

EVIL = "evil.example"
ACCOUNT = {"user": "rebound", "password": "a good password"}
WAYS = [
    {},
    {"X-Forwarded-Host": "localhost"},
    {"X-Forwarded-Host": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4"},
    {"Forwarded": "host=localhost"},
]


def rebound(url, more):
    port = url.rpartition(":")[2]
    return {"Host": f"{EVIL}:{port}", "Origin": f"http://{EVIL}:{port}"} | more


@pytest.mark.parametrize("more", WAYS, ids=lambda way: " ".join(way) or "plain")
async def test_it_reads_and_does_nothing(attacked, more):
    async with attacked() as url, aiohttp.ClientSession() as http:
        evil = rebound(url, more)
        for path in ("/", "/manage", "/healthz", "/api/me", "/openapi.json", "/static/app.js"):
            async with http.get(url + path, headers=evil) as response:
                assert (path, response.status) == (path, 421)
        async with http.post(f"{url}/api/register", json=ACCOUNT, headers=evil) as response:
            assert response.status == 421
            assert "Set-Cookie" not in response.headers
        engine = f"{url}/socket.io/?EIO=4&transport="
        async with http.get(f"{engine}polling", headers=evil) as response:
            assert response.status == 421
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{engine}websocket", headers=evil)
        # Nothing of it had an effect: the name is still free.
        async with http.post(f"{url}/api/register", json=ACCOUNT) as response:
            assert response.status == 200


async def test_it_reads_no_metrics(attacked, caplog):
    caplog.set_level("INFO", "nochat.runtime.bootstrap")
    async with attacked(operation_port=0) as url, aiohttp.ClientSession() as http:
        (operation,) = re.findall(r"metrics and health at (http://\S+)", caplog.text)
        for path in ("/metrics", "/readyz", "/healthz"):
            async with http.get(operation + path, headers=rebound(operation, {})) as response:
                assert response.status == 421
                assert "nochat_" not in await response.text()
            async with http.get(operation + path) as response:
                assert response.status == 200
        assert url != operation
