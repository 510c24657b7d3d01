"""The catalogue of reasons: the page has them all in both languages, and so have the documents."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Formatter

import jsonschema
import pytest

from nochat.bus import connect
from nochat.cli import asyncapi
from nochat.errors import RequestFailed, Unavailable
from nochat.protocol import reasons
from nochat.protocol.envelope import new_id
from nochat.protocol.events import CommandRejected, SessionsEnded
from nochat.protocol.incoming import read, why
from nochat.protocol.payloads import Message
from nochat.protocol.reasons import CATALOGUE, Declared, Reason
from nochat.protocol.requests import Failed, Session, WhoIs
from nochat.service import Service
from nochat.services.web import Web
from nochat.settings import Settings
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
NAMES = {
    name: reason.code for name, reason in vars(reasons).items() if isinstance(reason, Declared)
}
LANGUAGES = ["en", "es"]


def holes(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.fixture(scope="module")
def sentences():
    """What the page says, by language and code."""
    code = "".join(
        f"import {language} from './nochat/services/web/static/words/reasons-{language}.js';"
        for language in LANGUAGES
    )
    code += f"console.log(JSON.stringify({{{', '.join(LANGUAGES)}}}))"
    node = shutil.which("node", path=BIN) or "node"
    command = [node, "--no-warnings", "--input-type=module", "--eval", code]
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=50).stdout
    return json.loads(said)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_in_each_language(sentences, language):
    assert list(sentences[language]) == list(CATALOGUE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CATALOGUE)
def test_a_sentence_tells_each_parameter(sentences, language, code):
    assert holes(sentences[language].get(code, "")) == set(CATALOGUE[code].params)


def test_the_page_says_in_english_what_the_wire_says(sentences):
    assert sentences["en"] == {code: reason.sentence for code, reason in CATALOGUE.items()}


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_a_word_or_a_subject_and_what_is_wrong_with_it(code):
    assert re.fullmatch(r"unspecified|[a-z-]+\.[a-z-]+", code)


def test_there_are_no_two_reasons_of_one_code():
    with pytest.raises(ValueError, match=r"two reasons of the code 'room\.banned'"):
        reasons.PlainReason("room.banned", "you may not come in")


def used(tree):
    """The names of the catalogue that a module uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "reasons":
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "nochat.protocol.reasons":
            yield from (alias.name for alias in node.names)


def test_every_reason_is_given_somewhere():
    modules = set((ROOT / "nochat").rglob("*.py")) - {ROOT / "nochat" / "reasons.py"}
    given = {name for path in modules for name in used(ast.parse(path.read_text()))}
    # What services that know no codes say has this one, by default.
    assert set(NAMES) - given == {"unspecified"}


# ---- the documents ------------------------------------------------------------------------------


OPENAPI = Web(None, Settings()).openapi


@pytest.mark.parametrize("document", [asyncapi.document(), OPENAPI], ids=["asyncapi", "openapi"])
def test_the_documents_list_the_codes_and_their_parameters(document):
    listed = document["components"]["schemas"]["Code"]["oneOf"]
    assert {entry["const"]: entry["description"] for entry in listed} == {
        code: reason.sentence for code, reason in CATALOGUE.items()
    }
    params = {entry["const"]: set(entry.get("x-params", {})) for entry in listed}
    assert params == {code: holes(reason.sentence) for code, reason in CATALOGUE.items()}
    kinds = {rule["type"] for entry in listed for rule in entry.get("x-params", {}).values()}
    assert kinds == {"integer", "string"}


def accepts(name, content):
    schemas = asyncapi.document()["components"]["schemas"]
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    return jsonschema.Draft202012Validator(schema).is_valid(content)


def test_refusals_match_the_published_document():
    fields = reasons.room_banned().fields
    rejected = {"type": "command.rejected", "room": "r", "user": "ana", "command_id": "1"}
    assert accepts("CommandRejected", rejected | fields)
    assert not accepts("CommandRejected", rejected | fields | {"params": {"most": []}})
    assert accepts("Failed", {"type": "failed"} | fields)
    assert accepts("Session", {"type": "users.session", "code": ""})
    assert not accepts("Code", "room.none-of-these")


def test_every_call_refuses_with_a_code():
    answers = [
        answer
        for path in OPENAPI["paths"].values()
        for call in path.values()
        for answer in call["responses"].items()
    ]
    refused = [answer for status, answer in answers if status != "200"]
    assert len(refused) > 50
    shown = [response["content"]["application/json"]["schema"]["$ref"] for response in refused]
    assert {reference.rpartition("/")[2] for reference in shown} == {"Error"}


# ---- the way of a reason ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Failed, Session])
def test_a_reply_gives_the_reason_that_it_was_given(kind):
    reason = reasons.message_too_long(4000)
    assert Reason.of(kind(**reason.fields)) == reason


def test_an_event_gives_the_reason_that_it_was_given():
    reason = reasons.account_banned()
    assert Reason.of(CommandRejected("lobby", "ana", "1", **reason.fields)) == reason
    assert Reason.of(SessionsEnded("ana", [], **reason.fields)) == reason


def test_a_failure_without_a_code_is_unspecified():
    assert Failed(reason="in another language").code == reasons.unspecified.code


def test_whole_seconds_are_told():
    assert reasons.rate_actions(0.3).params == {"wait": 1}
    assert str(reasons.timed_out("users", 4.5)).startswith("a part of the chat did not answer in 5")


@pytest.mark.parametrize(
    ("text", "code", "params"),
    [
        (" ", "message.empty", {}),
        ("x" * 4001, "message.too-long", {"most": 4000}),
        ("\ud800", "text.half", {}),
    ],
)
def test_a_text_that_is_not_taken_has_a_code(text, code, params):
    with pytest.raises(ValueError, match=r".") as caught:
        read({"room": "lobby", "client_id": "1", "text": text}, Message)
    reason = why(caught.value)
    assert (reason.code, reason.params) == (code, params)


def test_a_shape_that_is_not_taken_is_told_in_detail():
    with pytest.raises(ValueError, match="room") as caught:
        read({"room": 7}, Message)
    assert why(caught.value) == reasons.request_shape("Expected `str`, got `int` - at `$.room`")


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (RequestFailed(reasons.token_too_many(7)), RequestFailed, reasons.token_too_many(7)),
        (Unavailable("disk at 10.0.0.7 full"), Unavailable, reasons.unavailable("users")),
        (
            Unavailable("db2 is silent", reasons.timed_out("activity", 5)),
            Unavailable,
            reasons.unavailable("activity"),
        ),
        (KeyError("x"), RequestFailed, reasons.service_failed("users")),
    ],
)
async def test_a_reason_reaches_whoever_asked(tmp_path, error, kind, reason):
    service = Service("users")

    @service.on(WhoIs)
    async def who(request: WhoIs) -> Session:
        raise error

    settings = Settings(data_dir=str(tmp_path), bus_url=f"memory://{new_id()}")
    async with (
        connect(settings.bus_url, "users") as bus,
        connect(settings.bus_url, "test") as ours,
        service.running(bus, settings),
    ):
        with pytest.raises(kind) as caught:
            await ours.request(WhoIs(token="x"))
    assert caught.value.reason == reason
