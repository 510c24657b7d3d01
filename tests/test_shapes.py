"""Whatever a door takes, the bus and the stores can carry: every shape, with anything in it.

The doors are the actions of sockets and the calls of REST. What they let in must come out of the
bus as it went in, and have a place in BSON. So must all of the catalogue.
"""

import asyncio
import json
import math
from contextlib import suppress
from types import SimpleNamespace
from typing import get_args

import bson
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from nochat.bus.codec import Decoder, encode, join
from nochat.errors import NochatError
from nochat.protocol import incoming
from nochat.protocol.actions import ACTIONS, Actor
from nochat.protocol.catalogue import catalogue
from nochat.protocol.events import Event, LogEntry, UserNotified
from nochat.protocol.requests import Accounts, Found, FoundRooms, History, Session
from nochat.services.web import Web, management
from nochat.services.web.rest import Caller, NotAllowed
from nochat.services.web.room_calls import RoomCalls
from nochat.settings import Settings
from nochat.stores import documents

EDGES = [0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, -(10**30), 10**400]
FLOATS = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.8e308, 1e30, -1e30, 253402300800.0, 1.5]
NUMBERS = st.sampled_from([*EDGES, *FLOATS]) | st.integers() | st.floats()
# Among them such as pass, or nothing behind the door would be tried.
TEXTS = st.sampled_from(
    ["lobby", "ana", "bob", "a-good-one", "👍", "\0", "a\0b", "", "\ud800", "x" * 5000, "dm-1"]
)
JSON = st.none() | st.booleans() | NUMBERS | TEXTS | st.text(max_size=9)
ANYTHING = JSON | st.lists(JSON, max_size=2) | st.dictionaries(TEXTS, JSON, max_size=2)
calm = settings(suppress_health_check=list(HealthCheck), derandomize=True)
often = settings(calm, max_examples=calm.max_examples * 3 // 2)  # a door takes more than a struct
decode = Decoder()


def values(kind: inspect.Type) -> st.SearchStrategy:
    """What may be sent where that is wanted: often of the kind, with no regard to its bounds."""
    match kind:
        case inspect.Metadata():
            return values(kind.type)
        case inspect.IntType() | inspect.FloatType():
            return NUMBERS
        case inspect.StrType():
            return TEXTS | st.text(max_size=9)
        case inspect.BoolType():
            return st.booleans()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.UnionType():
            return st.one_of(*map(values, kind.types))
        case inspect.ListType():
            return st.lists(values(kind.item_type), max_size=3)
        case inspect.TupleType():
            return st.tuples(*map(values, kind.item_types)).map(list)
        case inspect.NamedTupleType():
            return st.tuples(*(values(field.type) for field in kind.fields)).map(list)
        case inspect.DictType():
            return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
        case inspect.StructType() if kind.array_like:
            return st.tuples(*(values(field.type) for field in kind.fields)).map(list)
        case inspect.StructType():
            return st.fixed_dictionaries(
                {field.encode_name: values(field.type) for field in kind.fields if field.required},
                optional={
                    field.encode_name: values(field.type)
                    for field in kind.fields
                    if not field.required
                },
            ).map(lambda fields: fields | ({kind.tag_field: kind.tag} if kind.tag_field else {}))
        case _:
            return st.none()


def shape_of(kind: type) -> st.SearchStrategy:
    return values(inspect.type_info(kind))


def pairs(value):
    """A value without its maps' keys as names of fields: no store has people's text there."""
    if isinstance(value, dict):
        return [[key, pairs(inner)] for key, inner in value.items()]
    return [pairs(inner) for inner in value] if isinstance(value, list | tuple) else value


def check_travels(envelope):
    decoded = decode(join([encode(envelope)]))
    assert (decoded.envelopes, decoded.malformed) == ([envelope], [])
    document = {"it": pairs(msgspec.to_builtins(envelope))}
    assert bson.decode(bson.encode(document)) == document
    if isinstance(envelope, (*get_args(LogEntry), UserNotified)):
        for _, write in documents.writes(envelope):
            for part in (getattr(write, "_doc", None), getattr(write, "_filter", None)):
                assert bson.encode(part or {})


class Bus:
    """Takes what a door publishes and asks, and answers as if all were well."""

    def __init__(self):
        self.taken = []

    async def publish(self, *envelopes):
        self.taken += envelopes

    async def request(self, request, timeout=5.0):
        self.taken.append(request)
        account = SimpleNamespace(name="bob", banned=False)
        answers = {
            "FindUser": SimpleNamespace(accounts=[account]),
            "GetAccounts": Accounts(),
            "GetHistory": History(room="lobby"),
            "SearchMessages": Found(),
            "FindRooms": FoundRooms(),
        }
        return answers.get(type(request).__name__, Session(user="ana"))


@pytest.mark.parametrize("name", ACTIONS)
def test_accepted_actions_survive_the_bus(name):
    shape, act = ACTIONS[name].shape, ACTIONS[name].act

    @given(shape_of(shape) | ANYTHING)
    @often
    def taken(data):
        try:
            sent = incoming.read(data, shape)
        except msgspec.ValidationError:
            return
        bus = Bus()
        actor = Actor("ana", "manager", {getattr(sent, "room", "")})
        asyncio.run(act(actor, sent, bus, bus.publish))
        for envelope in bus.taken:
            check_travels(envelope)

    taken()


CALLS = {
    f"{call.method} {call.path}": call
    for call in [
        *Web(None, Settings())._calls(),
        *RoomCalls(Settings(user_rate=0)).calls,
        *management.CALLS,
    ]
    if "dead-letters" not in call.path and "services" not in call.path  # they ask nobody
}


@pytest.mark.parametrize("name", CALLS)
def test_accepted_rest_calls_survive_the_bus(name):
    call = CALLS[name]

    def read(data):
        if call.method == "GET":
            query = {key: str(value) for key, value in data.items()}
            return msgspec.convert(query, call.takes, strict=False)
        return msgspec.json.decode(json.dumps(data), type=call.takes)

    @given(shape_of(call.takes), TEXTS, TEXTS)
    @often
    def taken(data, room, user):
        try:
            sent = read(data)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return
        bus = Bus()
        shared = SimpleNamespace(bus=bus, settings=Settings(login_rate=0), watch=None)
        caller = Caller(shared, Session(user="ana"), "t", {"room": room, "name": user}, "here")
        with suppress(NotAllowed, NochatError, AttributeError, msgspec.ValidationError):
            asyncio.run(call.act(caller, sent))
        for envelope in bus.taken:
            check_travels(envelope)

    taken()


@pytest.mark.parametrize("kind", catalogue().values(), ids=lambda struct: struct.__name__)
def test_accepted_structs_survive_the_bus(kind):
    @given(shape_of(kind))
    @calm
    def taken(data):
        try:
            envelope = msgspec.convert(data, kind)
        except (msgspec.ValidationError, UnicodeEncodeError):
            return
        with suppress(UnicodeEncodeError):  # half a character: the doors refuse it
            check_travels(envelope)

    taken()


def numbers(kind: inspect.Type, path: str, seen: frozenset = frozenset()):
    """Each number in a shape, with where it is and what bounds it."""
    match kind:
        case inspect.IntType() | inspect.FloatType():
            yield path, kind
        case inspect.StructType() if kind.cls not in seen:
            for field in kind.fields:
                yield from numbers(field.type, f"{path}.{field.name}", seen | {kind.cls})
        case inspect.NamedTupleType():
            for field in kind.fields:
                yield from numbers(field.type, f"{path}.{field.name}", seen)
        case _:
            inner = [getattr(kind, name, None) for name in ("type", "item_type", "value_type")]
            inner += [*getattr(kind, "types", ()), *getattr(kind, "item_types", ())]
            for part in filter(None, inner):
                yield from numbers(part, path, seen)


def test_every_number_has_bounds_that_all_can_carry():
    doors = [action.shape for action in ACTIONS.values()]
    doors += [shape for call in CALLS.values() for shape in (call.takes, call.gives)]
    for kind in [*catalogue().values(), *doors, Settings]:
        for path, number in numbers(inspect.type_info(kind), kind.__name__):
            least = number.ge if number.ge is not None else number.gt
            assert least is not None, path
            assert number.le is not None, path
            assert -(2**53) < least <= number.le < 2**53, path


def test_every_event_is_tried():
    assert len(catalogue(Event)) > 20
