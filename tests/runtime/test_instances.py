"""What instances say of themselves, as the management page shows it."""

import os
import time

import msgspec
import pytest

from nochat.bus import connect
from nochat.protocol.envelope import new_id, type_of
from nochat.protocol.events import MessageSent, ServiceReported
from nochat.runtime import bootstrap
from nochat.runtime.instances import REMEMBERED, SILENCE, Watch
from nochat.service import Service
from nochat.settings import Settings
from tests.bus.helpers import Seen, message, queue_of

FIRST = ServiceReported(
    service="users",
    instance="a1",
    host="box",
    pid=42,
    since=100.0,
    handled={"users.who-is": 3, "users.create": 1},
    published={"users.session": 4},
    failed=1,
    memory=50_000_000,
    cpu=1.5,
    store="SQLite",
)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(clock):
    watch = Watch(clock)
    watch.heard(FIRST)
    return watch


def another(**changes) -> ServiceReported:
    return msgspec.structs.replace(FIRST, **changes)


def names(watch: Watch) -> list[tuple[str, list[str]]]:
    return [
        (service["name"], [one["instance"] for one in service["instances"]])
        for service in watch.services()
    ]


def counts(watch: Watch) -> dict[str, int]:
    return {event["type"]: event["count"] for event in watch.events()}


def test_an_instance_is_shown_with_its_totals(watch):
    [service] = watch.services()
    assert (service["name"], service["store"]) == ("users", "SQLite")
    assert service["instances"] == [
        {
            "instance": "a1",
            "host": "box",
            "pid": 42,
            "since": 100.0,
            "at": FIRST.at,
            "handled": 4,
            "published": 4,
            "failed": 1,
            "memory": 50_000_000,
            "cpu": 1.5,
        }
    ]
    msgspec.json.encode(watch.services())


def test_the_latest_report_counts(watch):
    watch.heard(another(published={"users.session": 9}))
    assert counts(watch) == {"users.session": 9}


def test_services_are_in_order_of_name_and_instances_of_age(watch):
    watch.heard(another(instance="a0", since=200.0))
    watch.heard(another(service="activity", instance="z"))
    assert names(watch) == [("activity", ["z"]), ("users", ["a1", "a0"])]


def test_a_silent_instance_is_forgotten_and_its_counts_are_kept(watch, clock):
    clock.now += SILENCE + 1
    watch.heard(another(instance="b2", published={"users.session": 1, "failed": 2}))
    assert names(watch) == [("users", ["b2"])]
    assert watch.events() == [
        {"type": "users.session", "count": 5},
        {"type": "failed", "count": 2},
    ]


def test_an_instance_back_from_silence_is_not_counted_twice(watch, clock):
    clock.now += SILENCE * 3
    assert names(watch) == []
    watch.heard(another(published={"users.session": 6}))
    assert names(watch) == [("users", ["a1"])]
    assert counts(watch) == {"users.session": 6}


def test_counts_stay_when_the_instance_is_forgotten_for_good(watch, clock):
    clock.now += REMEMBERED + 1
    watch.heard(another(instance="b2", published={"users.session": 1}))
    assert counts(watch) == {"users.session": 5}
    assert len(watch._last) == 1


def test_reports_are_not_counted_as_messages(watch):
    report = type_of(ServiceReported)
    watch.heard(another(handled={report: 30, "users.who-is": 1}, published={report: 90}))
    [service] = watch.services()
    assert [(instance["handled"], instance["published"]) for instance in service["instances"]] == [
        (1, 0)
    ]
    assert watch.events() == []


def test_the_store_of_a_service_is_known_while_it_is_away(watch, clock):
    clock.now += SILENCE + 1
    assert watch.services() == []
    assert (watch.store("users"), watch.store("web")) == ("SQLite", "")
    watch.heard(another(instance="b2", store="MariaDB"))
    assert watch.store("users") == "MariaDB"


async def test_a_running_service_reports_itself():
    settings, service = Settings(bus_url=f"memory://{new_id()}"), Service("listener")

    @service.on(MessageSent)
    async def take(event) -> None:
        pass

    async with connect(settings.bus_url, "test") as bus:
        seen = Seen()
        await bus.subscribe(queue_of(ServiceReported), seen)
        before = time.time()
        async with bootstrap.started([service], settings):
            await bus.publish(message(1))
            await seen.until(lambda: seen.events and seen.events[-1].handled)
    said = seen.events[-1]
    assert (said.service, said.pid) == ("listener", os.getpid())
    assert said.handled == {"message.sent": 1}
    assert said.since >= before - 1
    assert said.memory > 10_000_000
    assert said.cpu > 0
    assert len({event.instance for event in seen.events}) == 1
