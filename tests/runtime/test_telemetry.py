"""Metrics and health of a process, as Prometheus and an orchestrator see them."""

import asyncio
import contextlib
import re
import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from nochat.bus import connect
from nochat.errors import NochatError
from nochat.lab import checks, servers
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from nochat.runtime import bootstrap, registry
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import message
from tests.bus.test_amqp import stored

ADDRESS = re.compile(r"metrics and health at (http://\S+)")


@pytest.fixture
def service():
    service = Service(f"listener-{new_id()[:6]}")

    @service.on(MessageSent)
    async def take(event) -> None:
        if event.text == "poison":
            raise ValueError

    return service


@pytest.fixture
def address(caplog):
    """Gives the address in the log."""
    caplog.set_level("INFO", "nochat.runtime.bootstrap")
    return lambda: ADDRESS.findall(caplog.text)[-1]


@contextlib.asynccontextmanager
async def operated(service, address, bus_url):
    """A running service: the client of its operation port, and a bus of one's own."""
    settings = Settings(bus_url=bus_url, operation_port=0)
    async with (
        connect(bus_url, "test") as bus,
        bootstrap.started([service], settings),
        httpx.AsyncClient(base_url=address(), trust_env=False) as client,
    ):
        yield client, bus


async def samples(client) -> dict[tuple[str, ...], float]:
    """What Prometheus would read: name and labels, with the value."""
    text = (await client.get("/metrics")).raise_for_status().text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_count_what_was_handled_published_and_given_up(service, address):
    async with operated(service, address, f"memory://{new_id()}") as (client, bus):
        await bus.publish(message(1), message(2), message(3, "poison"))
        name = service.name

        async def counted():
            return ("nochat_events_failed_total", name, "message.sent") in await samples(client)

        assert await checks.until(counted)
        figures = await samples(client)
    assert figures["nochat_events_handled_total", name, "message.sent"] == 2
    assert figures["nochat_events_failed_total", name, "message.sent"] == 1
    assert figures["nochat_events_published_total", name, "service.reported"] >= 1
    assert figures["nochat_handler_seconds_total", name] > 0
    assert figures["nochat_up", name] == 1
    assert figures["nochat_bus_connected", name] == 1
    assert figures["process_resident_memory_bytes",] > 10_000_000


async def test_a_running_service_is_healthy_and_ready(service, address):
    async with operated(service, address, f"memory://{new_id()}") as (client, _):
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert answer.status_code == 200
        state = {"ready": True, "bus": True, "queues": {service.name: True}}
        assert answer.json() == {"ready": True, "services": {service.name: state}}


async def test_a_service_without_its_broker_is_healthy_and_not_ready(
    service, address, caplog, unused_tcp_port
):
    url = f"amqp://nochat:secret@127.0.0.1:{unused_tcp_port}/nochat"
    settings = Settings(bus_url=url, operation_port=0, patience=60)

    async def start():
        async with bootstrap.started([service], settings):
            pass

    starting = asyncio.create_task(start())
    async with httpx.AsyncClient(trust_env=False) as client:
        assert await checks.until(lambda: "waiting: RabbitMQ" in caplog.text)
        assert (await client.get(f"{address()}/healthz")).status_code == 200
        answer = await client.get(f"{address()}/readyz")
        assert answer.status_code == 503
        assert answer.json()["services"][service.name]["ready"] is False
        metrics = (await client.get(f"{address()}/metrics")).text
        assert f'nochat_up{{service="{service.name}"}} 0.0' in metrics
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_readiness_goes_and_comes_back_with_the_broker(service, address):
    with servers.rabbitmq(quiet=True) as broker:
        async with operated(service, address, broker.url) as (client, _):
            ready = await client.get("/readyz")
            assert ready.status_code == 200

            async def status(wanted):
                return (await client.get("/readyz")).status_code == wanted

            await stored(broker, service.name)
            await asyncio.to_thread(broker.kill)
            assert await checks.until(lambda: status(503))
            answer = (await client.get("/readyz")).json()["services"][service.name]
            assert answer == {"ready": False, "bus": False, "queues": {service.name: False}}
            assert (await client.get("/healthz")).status_code == 200
            assert (await samples(client))["nochat_bus_connected", service.name] == 0
            await asyncio.to_thread(broker.restart)
            assert await checks.until(lambda: status(200), timeout=40)


async def test_a_port_in_use_is_said_with_what_to_do(service):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(bus_url=f"memory://{new_id()}", operation_port=port)
        with pytest.raises(NochatError, match=f"can't listen on 127.0.0.1:{port} .*OPERATION_PORT"):
            async with bootstrap.started([service], settings):
                pass


async def test_without_the_setting_nothing_is_served(service, address):
    async with bootstrap.started([service], Settings(bus_url=f"memory://{new_id()}")):
        with pytest.raises(IndexError):
            address()


async def test_it_is_not_on_the_public_port(tmp_path, address):
    settings = Settings(
        bus_url=f"memory://{new_id()}", data_dir=str(tmp_path), port=0, operation_port=0
    )
    async with (
        bootstrap.started(registry.services(), settings) as url,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert address() != url
        for path in ("/metrics", "/readyz"):
            assert (await client.get(f"{address()}{path}")).status_code == 200
            assert (await client.get(f"{url}{path}")).status_code == 404
        ready = (await client.get(f"{address()}/readyz")).json()
        metrics = (await client.get(f"{address()}/metrics")).text
    assert 'nochat_sockets{service="gateway"} 0.0' in metrics
    assert set(ready["services"]) == set(registry.NAMES)


async def test_the_page_on_operation_names_what_there_is(service, address):
    page = (Path(__file__).parents[2] / "docs" / "operation.md").read_text()
    async with operated(service, address, f"memory://{new_id()}") as (client, bus):
        await bus.publish(message(1), message(2, "poison"))

        async def exposed():
            names = {name for name, *_ in await samples(client) if name.startswith("nochat_")}
            return names if "nochat_events_failed_total" in names else None

        shown = await checks.until(exposed)
    assert set(re.findall(r"`(nochat_\w+)`", page)) == shown | {"nochat_sockets"}
    settings = {f"NOCHAT_{name.upper()}" for name in Settings.__struct_fields__}
    assert set(re.findall(r"NOCHAT_\w+", page)) <= settings
