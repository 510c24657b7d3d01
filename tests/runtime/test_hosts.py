"""Which hosts a chat answers for: one that only this machine reaches, and one that others do."""

import httpx
import pytest

from nochat.runtime.hosts import HostMiddleware
from nochat.settings import Settings

LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]
NETWORK = ["192.168.1.5", "172.18.0.3", "203.0.113.9", "fe80::1%eth0", "2001:db8::1"]
ALWAYS = ["127.0.0.1:8000", "localhost", "LOCALHOST.:8000", "chat.localhost", "[::1]:8000", "[::1]"]
ALWAYS += ["192.168.1.5", "203.0.113.9:80"]
NAMED = ["chat.example", "Chat.Example:8443", "chat.example."]
OTHERS = ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"]
OTHERS += ["localhostx", "2130706433", "127.1", "null", "", "x y", "[::1", "evil.example:99999"]
OTHERS += ["127.0.0.1@evil.example", "localhost, evil.example"]


async def status(arrived: str, *said: str, **given: str) -> int:
    """What a request that came to that address of ours is answered."""
    answers = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        answers.append(message)

    headers = [(b"host", host.encode()) for host in said]
    scope = {"type": "http", "scheme": "http", "server": (arrived, 8000), "headers": headers}
    await HostMiddleware(app, Settings(**given))(scope, None, send)
    return answers[0]["status"]


@pytest.mark.parametrize("arrived", LOOPBACK)
async def test_at_an_address_of_this_machine_alone_hosts_are_known(arrived):
    assert [host for host in ALWAYS if await status(arrived, host) != 200] == []
    assert [host for host in OTHERS + NAMED if await status(arrived, host) != 421] == []
    assert await status(arrived, "localhost", "evil.example") == 421
    assert await status(arrived) == 200  # every browser says one


@pytest.mark.parametrize(
    "given",
    [
        {"hosts": "other.example, CHAT.example"},
        {"origins": "https://chat.example:8443"},
        {"gateway_url": "https://chat.example"},
        {"host": "chat.example"},
        {"operation_host": "chat.example"},
    ],
)
async def test_names_come_from_the_settings(given):
    for host in NAMED:
        assert await status("127.0.0.1", host, **given) == 200
    for host in OTHERS:
        assert await status("127.0.0.1", host, **given) == 421


@pytest.mark.parametrize("arrived", NETWORK)
async def test_an_open_chat_answers_to_any_host_unless_hosts_are_set(arrived):
    for host in NAMED + OTHERS:
        assert await status(arrived, host) == 200
        assert await status(arrived, host, hosts="*") == 200
        wanted = 200 if host in NAMED else 421
        assert await status(arrived, host, hosts="chat.example") == wanted
    for host in ALWAYS:
        assert await status(arrived, host, hosts="chat.example") == 200


async def test_any_name_may_be_allowed():
    for host in NAMED + OTHERS:
        assert await status("127.0.0.1", host, hosts="*") == 200


async def test_a_proxy_of_this_machine_says_the_host_in_x_forwarded_host(tmp_path, caplog):
    from nochat.protocol.envelope import new_id
    from nochat.runtime import bootstrap, registry

    bus = f"memory://{new_id()}"
    settings = Settings(bus_url=bus, data_dir=str(tmp_path), port=0, replica_url="off")
    services = registry.services(registry.names(settings))
    async with (
        bootstrap.started(services, settings) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        says = {"X-Forwarded-Host": "chat.example", "X-Forwarded-Proto": "https"}
        page = await http.get("/", headers=says)
        assert "wss://chat.example" in page.headers["Content-Security-Policy"]
        posted = await http.post(
            "/api/logout", json={}, headers=says | {"Origin": "https://chat.example"}
        )
        assert posted.status_code == 200
        refused = await http.get("/", headers={"Host": "chat.example"})
        assert refused.status_code == 421
        assert "NOCHAT_HOSTS" in refused.json()["error"]
        assert (
            "a request for an unknown host is refused; set NOCHAT_HOSTS to allow it (chat.example)"
            in caplog.text
        )
