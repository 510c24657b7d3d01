"""The catalogue: everything that crosses the bus has a shape, and only that shape gets in."""

import json
import os
import re
import subprocess
from itertools import chain

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.bus.codec import Decoder, encode, join
from nochat.cli.asyncapi import MODULES, document
from nochat.domain import text
from nochat.local import doctor
from nochat.protocol.catalogue import catalogue
from nochat.protocol.commands import SendMessage
from nochat.protocol.envelope import caused_by, new_id, type_of
from nochat.protocol.events import Event, MessageSent, ServiceReported, UserRegistered
from nochat.protocol.fields import RoomId
from nochat.protocol.requests import LogIn, Request, Session, reply_of
from nochat.runtime import registry

TEXTS = st.text(min_size=1, max_size=200)


def patterns(schema):
    """All the patterns in a JSON schema."""
    match schema:
        case dict():
            yield from [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
            yield from chain.from_iterable(map(patterns, schema.values()))
        case list():
            yield from chain.from_iterable(map(patterns, schema))


# As Ajv and other validators read a schema's pattern: with the flag u.
MATCHED = """
const { patterns, texts } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const match = (pattern) => texts.map((text) => new RegExp(pattern, "u").test(text));
console.log(JSON.stringify(patterns.map(match)));
"""


def test_javascript_reads_every_pattern_as_python_does():
    known = sorted(set(patterns(document()["components"]["schemas"])))
    assert len(known) >= 3
    characters = [chr(code) for code in chain(range(0xD800), range(0xE000, 0x10400))]
    texts = [
        "josé",
        "Łukasz",
        "李雷",
        "نور",
        "👩‍🚀",
        "a",
        "",
        "ana\n",
        "x" * 32,
        "x" * 33,
        "😀" * 32,
    ]
    texts += [f"a{character}b" for character in characters]
    given = json.dumps({"patterns": known, "texts": texts})
    command = [doctor.require("node"), "-e", MATCHED]
    ran = subprocess.run(
        command, input=given, capture_output=True, text=True, check=True, timeout=50
    )
    for pattern, matched in zip(known, json.loads(ran.stdout), strict=True):
        differ = [
            text
            for text, theirs in zip(texts, matched, strict=True)
            if bool(re.search(pattern, text)) != theirs
        ]
        assert differ == [], pattern


@pytest.mark.parametrize("user", ["josé", "Łukasz", "李雷", "نور", "नमस्ते"])
def test_every_name_that_registers_is_one_in_the_schema(user):
    schemas = document()["components"]["schemas"]
    event = msgspec.to_builtins(UserRegistered(text.name(user)))
    schema = {"$ref": "#/components/schemas/UserRegistered", "components": {"schemas": schemas}}
    jsonschema.Draft202012Validator(schema).validate(event)


@given(TEXTS)
def test_any_text_survives_the_wire(text):
    sent = SendMessage("lobby", "ana", "c1", text)
    decoded = Decoder()(join([encode(sent)]))
    if text.encode("utf-8", "ignore").decode() == text:
        assert decoded.envelopes == [sent]


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_decoder(body):
    decoded = Decoder()(body)
    assert isinstance(decoded.envelopes, list)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_no_json_crashes_the_decoder(content):
    body = msgspec.json.encode(content)
    decoded = Decoder()(body)
    assert decoded.envelopes == []
    assert decoded.malformed or content == []


@pytest.mark.parametrize("room", ["", "Lobby", "a b", "../x", "x" * 41, "lobby\n", "-a"])
def test_rooms_that_are_not(room):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(room, RoomId)


def test_a_secret_is_not_in_what_is_printed():
    assert "hunter2" not in repr(LogIn(user="ana", password="hunter2"))
    assert "t0ken" not in f"{Session(user='ana', token='t0ken')}"


def test_a_process_that_was_forked_draws_ids_of_its_own():
    new_id()  # others are drawn with it
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 32).decode() not in {new_id() for _ in range(200)}
    os.close(read)
    os.close(write)


def test_effects_of_an_event_share_its_correlation_id():
    with caused_by("c1"):
        event = MessageSent("lobby", 1, "ana", "c", "hi")
    assert event.correlation_id == "c1"
    assert MessageSent("lobby", 1, "ana", "c", "hi").correlation_id != "c1"


def test_every_event_has_a_publisher_and_every_request_somebody_who_answers():
    services = {service.name: service for service in registry.services()}
    for struct in catalogue().values():
        if struct.__module__ not in MODULES:
            continue
        if issubclass(struct, Event) and struct is not ServiceReported:  # that is every service's
            assert struct.publisher in services
        if issubclass(struct, Request):
            assert struct in services[struct.service].consumes


def test_every_command_and_stored_event_is_consumed():
    consumed = {struct for service in registry.services() for struct in service.consumes}
    for struct in catalogue(Event).values():
        if struct.__module__ in MODULES:
            assert struct in consumed, f"nobody hears {struct.__name__}"


def test_the_asyncapi_document_says_which_reply_answers_which_request():
    content = document()
    for name, kind in catalogue(Request).items():
        if kind.__module__ not in MODULES:
            continue
        reply = type_of(reply_of(kind))
        channel = content["operations"][name]["reply"]["channel"]
        assert channel == {"$ref": f"#/channels/{reply}"}
        assert f"`{name}`" in content["channels"][reply]["description"]
        messages = content["operations"][name]["reply"]["messages"]
        assert messages == [
            {"$ref": f"#/channels/{reply}/messages/{either}"} for either in (reply, "failed")
        ]


def test_the_asyncapi_document_holds_the_whole_catalogue():
    content = document()
    ours = [name for name, kind in catalogue().items() if kind.__module__ in MODULES]
    assert set(content["channels"]) == set(ours)
    assert content["asyncapi"] == "3.0.0"
    text = msgspec.json.encode(content).decode()
    for reference in {part.split('"')[0] for part in text.split('"$ref":"#/')[1:]}:
        value = content
        for step in reference.split("/"):
            value = value[step]
