"""What every bus promises, in memory, with a journal and on a real RabbitMQ alike."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from nochat.bus import Binding, Queue
from nochat.bus.codec import encode, join
from nochat.bus.outbox import MAX_ENVELOPES, Parcel
from nochat.bus.routing import EVENTS, REQUESTS, Route
from nochat.errors import RequestFailed, Unavailable, Unroutable
from nochat.lab import checks
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent, RoomJoined, TypingStarted
from nochat.protocol.requests import (
    Failed,
    FindMessages,
    GetHistory,
    GetRooms,
    GetRoomState,
    GetTrends,
    MessageKey,
    SearchMessages,
    Session,
    WhoIs,
)
from tests.bus.helpers import (
    Seen,
    command,
    dead_queue,
    message,
    queue_of,
    requests_queue,
    shard_queue_of_all,
)


async def test_every_queue_that_is_bound_gets_a_copy(connected):
    async with connected() as bus:
        one, two, other = Seen(), Seen(), Seen()
        await bus.subscribe(queue_of(MessageSent), one)
        await bus.subscribe(queue_of(MessageSent, RoomJoined), two)
        await bus.subscribe(queue_of(RoomJoined), other)
        await bus.publish(message(1), RoomJoined("lobby", 2, "bob"))
        await one.count(1)
        await two.count(2)
        await other.count(1)
    assert one.positions == [1]
    assert two.positions == [1, 2]
    assert other.positions == [2]


async def test_messages_arrive_as_published(connected):
    sent = message(7, text="ñandú “quoted” \\ \u2028 \0 🦙")
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent), seen)
        await bus.publish(sent)
        await seen.count(1)
    assert seen.events == [sent]


async def test_order_is_kept_over_thousands(connected):
    number = 20 * MAX_ENVELOPES + 1
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent), seen)
        await bus.publish(*(message(position) for position in range(number)))
        await seen.count(number)
    assert seen.positions == list(range(number))


async def test_order_is_kept_between_types(connected):
    sent = [message(n) if n % 3 else RoomJoined("lobby", n, "bob") for n in range(300)]
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent, RoomJoined), seen)
        await asyncio.gather(*(bus.publish(event) for event in sent))
        await seen.count(300)
    assert seen.events == sent


async def test_envelopes_published_together_travel_in_one_message(connected):
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent), seen)
        await asyncio.gather(*(bus.publish(message(n)) for n in range(100)))
        await seen.count(100)
    assert len(seen.batches) < 10


async def test_a_queue_holds_what_nobody_consumes_yet(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:
        await bus.declare(queue)
        await bus.publish(message(1))
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue, seen)
        await seen.count(1)
    assert seen.positions == [1]


async def test_unacknowledged_messages_are_redelivered_in_order(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:
        first, second = Seen(ack=False), Seen()
        subscription = await bus.subscribe(queue, first)
        await bus.publish(*(message(n) for n in range(10)))
        await first.count(10)
        await subscription.cancel()
        await bus.subscribe(queue, second)
        await second.count(10)
    assert second.positions == list(range(10))


async def test_acknowledged_messages_are_not_redelivered(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:
        first, second = Seen(), Seen()
        subscription = await bus.subscribe(queue, first)
        await bus.publish(message(1))
        await first.count(1)
        await subscription.cancel()
        await bus.subscribe(queue, second)
        await bus.publish(message(2))
        await second.count(1)
    assert second.positions == [2]


async def test_consumers_of_one_queue_share_the_work(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus, connected() as other:
        one, two = Seen(), Seen()
        await bus.subscribe(queue, one)
        await other.subscribe(queue, two)
        for number in range(20):
            await bus.publish(message(number))
        assert await checks.until(lambda: len(one.events) + len(two.events) == 20)
    assert one.events
    assert two.events
    assert sorted(one.positions + two.positions) == list(range(20))


async def test_a_single_active_consumer_has_a_stand_by(connected):
    queue = queue_of(MessageSent, single_active_consumer=True)
    async with connected() as bus, connected() as other:
        active, standby = Seen(ack=False), Seen()
        subscription = await bus.subscribe(queue, active)
        await other.subscribe(queue, standby)
        await bus.publish(*(message(n) for n in range(5)))
        await active.count(5)
        assert not standby.events
        await subscription.cancel()
        await standby.count(5)
    assert standby.positions == list(range(5))


async def test_fresh_is_called_before_the_first_batch(connected):
    calls = []
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent), seen, lambda: calls.append(len(seen.events)))
        await bus.publish(message(1))
        await seen.count(1)
        await bus.publish(message(2))
        await seen.count(2)
    assert calls == [0]


async def test_an_exclusive_queue_is_gone_with_its_consumer(connected):
    queue = queue_of(TypingStarted, durable=False, exclusive=True)
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue, seen)
        await bus.publish(TypingStarted("lobby", "ana"))
        await seen.count(1)
    async with connected() as bus:
        await bus.publish(TypingStarted("lobby", "bob"))
        later = Seen()
        await bus.subscribe(queue, later)
        await bus.publish(TypingStarted("lobby", "eve"))
        await later.count(1)
    assert [event.user for event in later.events] == ["eve"]


async def test_a_command_that_no_queue_takes_is_an_error(connected):
    async with connected() as bus:
        with pytest.raises(Unroutable, match=r"controller\.\d"):
            await bus.publish(command(1))


async def test_a_command_goes_to_the_queue_of_its_rooms_shard(connected):
    queue = shard_queue_of_all()
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue, seen)
        await bus.publish(*(command(n, room=f"room-{n}") for n in range(20)))
        await seen.count(20)
    assert {event.room for event in seen.events} == {f"room-{n}" for n in range(20)}


async def answer_with(bus, reply_of, service="users"):
    async def answer(batch):
        for request in batch.events:
            batch.reply(request, reply_of(request))
        batch.ack()

    return await bus.subscribe(requests_queue(service), answer)


async def test_a_request_gets_its_own_reply(connected):
    async with connected() as bus, connected() as client:
        await answer_with(bus, lambda r: Session(user=r.token.upper(), in_reply_to=r.id))
        asked = [client.request(WhoIs(token=f"t{n}"), timeout=10) for n in range(50)]
        replies = await asyncio.gather(*asked)
    assert [reply.user for reply in replies] == [f"T{n}" for n in range(50)]


async def test_a_refusal_is_an_error_with_its_reason(connected):
    async with connected() as bus:
        await answer_with(bus, lambda r: Failed(reason="not today", in_reply_to=r.id))
        with pytest.raises(RequestFailed, match="not today"):
            await bus.request(WhoIs(token="t"), timeout=10)


async def test_a_service_that_is_down_for_now_is_unavailable(connected):
    async with connected() as bus:
        await answer_with(bus, lambda r: Failed(reason="later", retry=True, in_reply_to=r.id))
        with pytest.raises(Unavailable, match="later"):
            await bus.request(WhoIs(token="t"), timeout=10)


async def test_a_request_that_nobody_answers_times_out(connected):
    async with connected() as bus:
        await bus.declare(requests_queue("users"))
        with pytest.raises(Unavailable, match="'users' service did not answer"):
            await bus.request(WhoIs(token="t"), timeout=0.2)


# What a door wider than the wire lets in: NaN is null in JSON, and the rest is out of bounds.
UNREADABLE = [
    GetTrends(since=float("nan")),
    GetTrends(since=float("inf")),
    GetTrends(limit=10**30),
    SearchMessages(user="ana", text="", before=1e30),
    GetHistory(user="ana", room="lobby", before=2**64),
    GetHistory(user="ana", room="NO ROOM"),
    FindMessages(wanted=[MessageKey("lobby", "ana", "")]),
]


@pytest.mark.parametrize("asked", UNREADABLE, ids=lambda question: type(question).__name__)
async def test_a_question_that_can_not_be_read_is_answered_and_not_kept(
    connected, dead_letters, asked
):
    keys = "activity", "activity.requests", "activity.analytics"
    bindings = tuple(Binding(REQUESTS, key) for key in keys)
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(Queue(f"test.{new_id()}", bindings), seen)
        with pytest.raises(RequestFailed, match="malformed"):
            await bus.request(asked, timeout=10)
        # Nor is one that nobody waits for.
        body = join([encode(asked)])
        await bus._outbox.put_parcel(Parcel(Route(REQUESTS, "activity"), raw=body))
        await bus.publish(GetRoomState(room="lobby"))
        await seen.count(1)
        assert [type(event) for event in seen.events] == [GetRoomState]
        assert dead_letters() == []


@pytest.mark.parametrize("wrong", [float("nan"), 1e30, "\ud800"], ids=["nan", "1e30", "half"])
async def test_an_answer_that_can_not_be_sent_or_read_is_a_failure_at_once(connected, wrong):
    field = "user" if isinstance(wrong, str) else "expires"
    async with connected() as bus:
        await answer_with(
            bus,
            lambda r: (
                Session(**({"user": "ana", "in_reply_to": r.id} | {field: wrong}))
                if r.token == "wrong"
                else Session(user="ana", in_reply_to=r.id)
            ),
        )
        with pytest.raises(RequestFailed, match="the answer can't be"):
            await bus.request(WhoIs(token="wrong"), timeout=20)
        assert (await bus.request(WhoIs(token="right"), timeout=20)).user == "ana"


async def test_a_request_that_timed_out_is_not_answered_later(connected):
    queue = requests_queue("users")
    async with connected() as bus:
        await bus.declare(queue)
        with pytest.raises(Unavailable):
            await bus.request(WhoIs(token="old"), timeout=0.2)
        seen = Seen()
        await bus.subscribe(queue, seen)
        with pytest.raises(Unavailable):
            await bus.request(WhoIs(token="new"), timeout=0.5)
    assert [request.token for request in seen.events] == ["new"]


@pytest.mark.parametrize("kind", [WhoIs, GetRooms])
async def test_questions_that_waited_too_long_for_a_stalled_handler_are_passed_over(
    connected, kind
):
    """The broker has handed them over already, so it does not let them expire."""
    key = "users.requests" if kind is WhoIs else "activity"
    queue = Queue(f"test.{new_id()}", (Binding(REQUESTS, key),), durable=False)
    asked = (lambda n: WhoIs(token=n)) if kind is WhoIs else (lambda n: GetRooms(user=n))
    stalled, answered = asyncio.Event(), []

    async def answer(batch):
        for request in batch.events:
            await stalled.wait()
            if not batch.is_over(request):
                answered.append(request.token if kind is WhoIs else request.user)
                batch.reply(request, Failed(reason="", in_reply_to=request.id))
        batch.ack()

    async with connected() as bus:
        await bus.subscribe(queue, answer)
        late = (bus.request(asked(f"late{n}"), timeout=0.3) for n in range(5))
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
        with pytest.raises(Unavailable):  # later than any of those
            await bus.request(asked("later"), timeout=0.3)
        stalled.set()
        with pytest.raises(RequestFailed):
            await bus.request(asked("prompt"))
    assert answered[-1] == "prompt"
    assert {*answered} <= {"later", "prompt"}


@pytest.mark.parametrize("seconds", [-45, 45])
async def test_a_request_is_answered_though_the_asker_has_another_time(
    connected, monkeypatch, seconds
):
    clock = SimpleNamespace(time=lambda: time.time() + seconds)
    async with connected() as bus, connected() as client:
        await answer_with(bus, lambda r: Session(user="ana", in_reply_to=r.id))
        monkeypatch.setattr("nochat.bus.time", clock)
        assert (await client.request(WhoIs(token="t"))).user == "ana"


async def test_a_request_that_is_passed_over_is_told_in_the_log(connected, monkeypatch, caplog):
    clock = SimpleNamespace(time=lambda: time.time() - 3600)
    async with connected() as bus, connected() as client:
        await answer_with(bus, lambda r: Session(user="ana", in_reply_to=r.id))
        monkeypatch.setattr("nochat.bus.time", clock)
        with pytest.raises(Unavailable):
            await client.request(WhoIs(token="t"), timeout=0.5)
    assert (
        "users.who-is is skipped: it was sent 3600 s ago, if both clocks are right" in caplog.text
    )


async def test_a_request_to_a_service_that_never_was_is_unavailable(connected):
    async with connected() as bus:
        with pytest.raises(Unavailable, match="start the service"):
            await bus.request(WhoIs(token="t"), timeout=5)


MALFORMED = [
    b" ",
    b"not json",
    b"{}",
    b"[1]",
    b'[{"type":"message.sent"}]',
    b'[{"type":"unheard-of"}]',
    b'[{"type":"message.sent","room":"NO ROOM","position":1,"sender":"ana","client_id":"c",'
    b'"text":"x"}]',
    b"\xff\xfe",
    b"[" * 5000,
]


@pytest.mark.parametrize("body", MALFORMED)
async def test_malformed_messages_become_dead_letters_with_the_reason(
    connected, dead_letters, body
):
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent), seen)
        await bus.publish(message(1))
        await bus._outbox.put_parcel(Parcel(Route(EVENTS, "message.sent"), raw=body))
        await bus.publish(message(2))
        await seen.count(2)
        assert seen.positions == [1, 2]
        [(dead, headers)] = dead_letters()
    assert dead == body
    assert "malformed" in headers["x-nochat-reason"] or "not a JSON" in headers["x-nochat-reason"]


async def test_a_malformed_event_does_not_spoil_its_neighbours(connected, dead_letters):
    good = [encode(message(1)), encode(message(2))]
    body = join([good[0], b'{"type":"message.sent"}', good[1]])
    async with connected() as bus:
        seen = Seen()
        await bus.subscribe(queue_of(MessageSent), seen)
        await bus._outbox.put_parcel(Parcel(Route(EVENTS, "message.sent"), raw=body))
        await seen.count(2)
        [(dead, _)] = dead_letters()
    assert seen.positions == [1, 2]
    assert dead == b'[{"type":"message.sent"}]'


async def test_a_handler_that_always_fails_does_not_loop(connected, dead_letters):
    tries = 0

    async def fail(batch):
        nonlocal tries
        tries += 1
        raise RuntimeError("always")

    async with connected() as bus:
        dead = Seen()
        await bus.subscribe(dead_queue(), dead)
        await bus.subscribe(queue_of(MessageSent), fail)
        await bus.publish(message(1))
        await dead.count(1)
        [(_, headers)] = dead_letters()
    assert dead.positions == [1]
    assert 1 < tries <= 7
    assert headers["x-nochat-reason"] == "RuntimeError: always"
