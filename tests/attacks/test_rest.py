"""REST against its own OpenAPI document: what is promised is kept, whatever is sent."""

import aiohttp
import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from nochat.services.web import Web
from nochat.settings import Settings

pytestmark = pytest.mark.slow

ACCOUNT = {"user": "boss", "password": "the boss's password"}


@pytest.fixture(scope="module")
def boss(chat):
    """The header of a manager's session."""
    cookie = httpx.post(f"{chat.url}/api/register", json=ACCOUNT).headers["Set-Cookie"]
    chat.promote(ACCOUNT["user"])
    return {"Cookie": cookie.split(";")[0]}


# Collected before any chat runs; that one serves the same is a test.
schema = schemathesis.openapi.from_dict(Web(None, Settings()).openapi)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
often = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@schema.exclude(path="/api/logout").parametrize()
@often
@pytest.mark.timeout(120)
def test_a_manager_gets_what_the_document_promises(case, chat, boss):
    case.call_and_validate(base_url=chat.url, headers=boss, checks=CHECKS)


@pytest.fixture(scope="module")
def program(chat):
    """The header of a user's program."""
    account = {"user": "maker", "password": "the maker's password"}
    with httpx.Client(base_url=chat.url, timeout=30) as http:
        http.post("/api/register", json=account)
        made = http.post("/api/tokens", json={"name": "a program", **account})
    return {"Authorization": f"Bearer {made.json()['secret']}"}


@schema.include(path_regex="^/api/rooms").parametrize()
@often
@pytest.mark.timeout(120)
def test_a_program_gets_what_the_document_promises(case, chat, program):
    case.call_and_validate(base_url=chat.url, headers=program, checks=CHECKS)


@schema.parametrize()
@often
@pytest.mark.timeout(120)
def test_a_stranger_gets_what_the_document_promises(case, chat):
    response = case.call_and_validate(base_url=chat.url, checks=CHECKS)
    if case.operation.definition.raw.get("security"):
        assert response.status_code in (401, 400, 403, 405, 413, 415)


def test_the_document_that_is_served_is_valid(chat):
    schema.validate()
    assert httpx.get(f"{chat.url}/openapi.json").json() == schema.raw_schema
    assert {"/api/me", "/api/manage/dead-letters/{id}"} <= set(schema.raw_schema["paths"])


async def test_a_user_is_no_manager(chat):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        account = {"user": "nobody-special", "password": "a good password"}
        await http.post(f"{chat.url}/api/register", json=account)
        content = await (await http.get(f"{chat.url}/openapi.json")).json()
        for path, methods in content["paths"].items():
            if not path.startswith("/api/manage"):
                continue
            for method in methods:
                async with http.request(method, chat.url + path, json={}) as response:
                    assert (response.status, path) == (403, path)
