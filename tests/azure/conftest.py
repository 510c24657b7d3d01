"""A student, and a stand-in for Azure."""

import time
from collections.abc import Iterator

import pytest
from azure.core.pipeline.transport import RequestsTransport

from nochat.lab.azure.stand_in.starter import AzureStandIn, azure_stand_in
from tests.azure.student import GONE, Student, cloud_azure


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK asks again at once."""
    monkeypatch.setattr(RequestsTransport, "sleep", lambda self, seconds: time.sleep(0.03))
    monkeypatch.setattr("subscription.PAUSE", 0.03)
    monkeypatch.setattr(cloud_azure, "PAUSE", 0.03)


@pytest.fixture(scope="module")
def azure() -> Iterator[AzureStandIn]:
    with azure_stand_in(cores=4, quiet=True) as azure:
        yield azure


def environment(azure: AzureStandIn) -> dict[str, str]:
    """Its variables; it alone is trusted: to read all other authorities takes 40 ms a request."""
    authority = azure.bundle.with_name("tls") / "ca.pem"
    return {**azure.environment, "REQUESTS_CA_BUNDLE": str(authority)}


@pytest.fixture
def student(azure, monkeypatch, capfd, caplog) -> Iterator[Student]:
    """A student who leaves nothing, and whose secret is in no output."""
    for name, value in environment(azure).items():
        monkeypatch.setenv(name, value)
    secrets: list[str] = []
    student = Student(azure, secrets)
    yield student
    for name in sorted(student.made):
        assert student.act("destroy", name) == GONE
    assert student.account.left() == []
    said = capfd.readouterr()
    for secret in secrets:
        assert secret not in said.out + said.err + caplog.text
