"""Which worker runs which files, and when: `pytest -n 3 -p tests.side_by_side`.

A unit of work is a file. Files that need the same images, or RabbitMQ, are one unit: each worker
has an engine and servers of its own, would build the images anew, and start another RabbitMQ, which
takes five seconds of processor time. The longest units begin first, or the worker that comes to one
last would still be at it when the others have ended.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

IMAGES = "of the chat's images"
BROKER = "of RabbitMQ"
TOGETHER = {
    "tests/containers/test_stack.py": IMAGES,
    "tests/containers/test_attacked.py": IMAGES,
    "tests/containers/test_registry.py": IMAGES,
    "tests/machines/test_docker.py": IMAGES,
    "tests/machines/test_azure.py": IMAGES,
    "tests/notebooks/test_06_containers.py": IMAGES,
    "tests/attacks/test_grants.py": BROKER,
    "tests/bus/test_amqp.py": BROKER,
    "tests/bus/test_contract.py": BROKER,
    "tests/bus/test_declarations.py": BROKER,
    "tests/bus/test_inspection.py": BROKER,
    "tests/bus/test_rebalancing.py": BROKER,
    "tests/bus/test_start.py": BROKER,
    "tests/bus/test_stop.py": BROKER,
    "tests/bus/test_suspects.py": BROKER,
    "tests/cli/test_restore.py": BROKER,
    "tests/exercises/test_02_broker.py": BROKER,
    "tests/exercises/test_02_retries.py": BROKER,
    "tests/exercises/test_03_own_service.py": BROKER,
    "tests/exercises/test_06_containers.py": BROKER,
    "tests/lab/test_servers.py": BROKER,
    "tests/lab/test_verify.py": BROKER,
    "tests/services/test_log_shipper.py": BROKER,
    "tests/test_add_a_microservice.py": BROKER,
    "tests/test_own_services.py": BROKER,
    "tests/test_stop.py": BROKER,
}
# All units of more than a minute, from the longest to the shortest.
LONGEST = (
    "tests/machines/test_final.py",
    IMAGES,
    "tests/machines/test_lxc.py",
    BROKER,
    "tests/test_docs.py",
    "tests/notebooks/test_notebooks.py",
    "tests/test_benchmarks.py",
    "tests/test_promises.py",
    "tests/clients/test_management.py",
    "tests/notebooks/test_twice.py",
    "tests/test_wheel.py",
)


def unit(file: str) -> str:
    """The unit of work that a file is part of."""
    return TOGETHER.get(file, file)


def rank(file: str) -> int:
    """The place of a file's unit; equal for all that are not among the longest."""
    name = unit(file)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class ByUnit(LoadFileScheduling):
    """Gives each worker one unit after the other, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(file_of(nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByUnit:
    return ByUnit(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(file_of(item.nodeid)))
