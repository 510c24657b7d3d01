"""Metrics for Prometheus, and health checks, on a port that is not public."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nochat.bus import Bus

Services = dict[str, Bus | None]


def application(services: Services) -> Starlette:
    """Return the application with `/metrics`, `/healthz` and `/readyz` of one process.

    Args:
        services: the services of this process, each with its bus after its start.
    """
    registry = CollectorRegistry()
    registry.register(CounterCollector(services))
    ProcessCollector(registry=registry)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": content_type})

    async def healthz(_: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_: Request) -> Response:
        states = {name: readiness(bus) for name, bus in services.items()}
        ready = all(state["ready"] for state in states.values())
        content = {"ready": ready, "services": states}
        return JSONResponse(content, 200 if ready else 503)

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
        ]
    )


def readiness(bus: Bus | None) -> dict[str, Any]:
    """Return whether a service is ready: started, connected to the broker, consuming its queues."""
    if bus is None:
        return {"ready": False, "bus": False, "queues": {}}
    queues = {name: subscription.alive for name, subscription in bus.subscriptions.items()}
    ready = bus.connected and all(queues.values())
    return {"ready": ready, "bus": bus.connected, "queues": queues}


class CounterCollector(Collector):
    """A collector that reads the services' counters on each request of Prometheus."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; a service that has not started has only `nochat_up`."""
        up = GaugeMetricFamily(
            "nochat_up", "Whether the service is ready: /readyz says why not.", labels=["service"]
        )
        for name, bus in self._services.items():
            up.add_metric([name], readiness(bus)["ready"])
        yield up
        yield from _of_buses({name: bus for name, bus in self._services.items() if bus})


def _of_buses(buses: dict[str, Bus]) -> Iterable[Metric]:
    connected = GaugeMetricFamily(
        "nochat_bus_connected",
        "Whether the service has a connection to the bus.",
        labels=["service"],
    )
    seconds = CounterMetricFamily(
        "nochat_handler_seconds", "Seconds spent in handlers, waiting included.", labels=["service"]
    )
    for name, bus in buses.items():
        connected.add_metric([name], bus.connected)
        seconds.add_metric([name], bus.tally.seconds)
    yield connected
    yield seconds
    for service, bus in buses.items():
        for name, value in bus.tally.gauges.items():
            gauge = GaugeMetricFamily(name, f"What {service} has now.", labels=["service"])
            gauge.add_metric([service], value())
            yield gauge
    handled = {name: bus.tally.handled for name, bus in buses.items()}
    published = {name: bus.tally.published for name, bus in buses.items()}
    failed = {name: bus.tally.failed for name, bus in buses.items()}
    yield _by_type("nochat_events_handled", "Messages that handlers have finished.", handled)
    yield _by_type("nochat_events_published", "Messages that were published.", published)
    yield _by_type("nochat_events_failed", "Messages that the service gave up on.", failed)


def _by_type(name: str, meaning: str, counts: dict[str, dict[str, int]]) -> Metric:
    metric = CounterMetricFamily(name, meaning, labels=["service", "type"])
    for service, of_service in counts.items():
        for kind, count in of_service.items():
            metric.add_metric([service, kind], count)
    return metric
