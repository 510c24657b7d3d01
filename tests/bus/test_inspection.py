"""What an operator sees of the broker, and does with dead letters, on both buses."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nochat.bus import Bus, Queue, connect
from nochat.bus.codec import encode, join
from nochat.bus.inspection import MOST_SHOWN, DeadLetters, Held
from nochat.bus.outbox import Parcel
from nochat.bus.routing import DEAD, DEAD_LETTERS, Route
from nochat.errors import RequestFailed
from nochat.lab import checks
from nochat.protocol.envelope import new_id
from nochat.protocol.events import MessageSent
from nochat.protocol.requests import LogIn
from tests.bus.helpers import Seen, message, queue_of


def of(number: int, queue: Queue, reason: str = "ValueError: no") -> Parcel:
    """A message that a handler of that queue could not handle."""
    headers = {"x-nochat-reason": reason, "x-nochat-queue": queue.name}
    return Parcel(Route(DEAD, ""), raw=join([encode(message(number))]), headers=headers)


async def set_aside(bus: Bus, *parcels: Parcel) -> None:
    for parcel in parcels:
        await bus._outbox.put_parcel(parcel)


async def letters(bus: Bus, most: int = 100) -> list:
    async with bus.dead_letters(most) as dead:
        return dead.all


async def decide(bus: Bus, id: str, *, replay: bool) -> bool:
    async with bus.dead_letters() as dead:
        return await dead.take(id, replay=replay)


def positions(letters: list) -> list[int]:
    return [msgspec.json.decode(letter.content)[0]["position"] for letter in letters]


async def depth(bus: Bus, queue: Queue) -> int:
    (state,) = await bus.depths([queue])
    return state.messages


BROKEN = {
    "deep": b'[{"x":' + b"[" * 3000 + b"]" * 3000 + b"}]",
    "no UTF-8": b'[{"type":"\xff"}]',
    "half of a letter": rb'[{"type":"\ud800"}]',
    "a time to come": b'[{"type":"x","at":' + b"9" * 400 + b"}]",
}


async def test_a_dead_letter_that_can_not_be_read_hides_no_other(connected):
    async with connected() as bus:
        queue = queue_of(MessageSent)
        await bus.declare(queue)
        headers = {"x-nochat-queue": queue.name}
        broken = [Parcel(Route(DEAD, ""), raw=body, headers=headers) for body in BROKEN.values()]
        await set_aside(bus, *broken, of(1, queue))
        mine = [
            dead_letter for dead_letter in await letters(bus) if dead_letter.queue == queue.name
        ]
        assert len(mine) == len(BROKEN) + 1
        for letter in mine:
            assert await decide(bus, letter.id, replay=False)


async def test_depths_of_queues_count_messages_and_consumers(connected):
    full, eaten, missing = queue_of(MessageSent), queue_of(MessageSent), queue_of(MessageSent)
    async with connected() as bus:
        await bus.declare(full, eaten)
        seen = Seen()
        await bus.subscribe(eaten, seen)
        await bus.publish(message(1))
        await seen.count(1)

        async def told():
            states = await bus.depths([missing, full, missing, eaten])
            return [(state.name, state.messages, state.consumers) for state in states]

        assert await told() == [(full.name, 1, 0), (eaten.name, 0, 1)]
        await bus.publish(message(2))  # the questions have broken nothing
        assert await depth(bus, full) == 2


async def test_a_failure_becomes_a_letter_that_says_where_and_why(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:

        async def refuse(batch):
            for event in batch.events:
                await batch.dead_letter(event, "ValueError: seven is bad luck")
            batch.ack()

        await bus.subscribe(queue, refuse)
        sent = message(7, "¡hola!")
        await bus.publish(sent)
        assert await checks.until(lambda: bus.tally.failed, 5)
        (letter,) = await letters(bus)
    assert (letter.queue, letter.reason) == (queue.name, "ValueError: seven is bad luck")
    assert (letter.type, letter.at) == ("message.sent", sent.at)
    assert '"text": "¡hola!"' in letter.content


async def test_a_failure_is_counted_only_when_the_broker_has_its_letter(connected):
    """A channel may break before: the message then comes again, and would be counted twice."""
    counted: list[dict[str, int]] = []
    async with connected() as bus:

        async def refuse(batch):
            (event,) = batch.events
            setting_aside = asyncio.create_task(batch.dead_letter(event, "ValueError: no"))
            await asyncio.sleep(0)  # on its way, and not confirmed yet
            counted.append(bus.tally.failed)
            await setting_aside
            counted.append(bus.tally.failed)
            batch.ack()

        await bus.subscribe(queue_of(MessageSent), refuse)
        await bus.publish(message(7))
        assert await checks.until(lambda: len(counted) == 2, 5)
        assert len(await letters(bus)) == 1
    assert counted == [{}, {"message.sent": 1}]


async def test_letters_stay_in_their_order_however_often_they_are_looked_at(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:
        await set_aside(bus, *(of(number, queue) for number in range(4)))
        first = await letters(bus)
        for _ in range(25):  # more than the deliveries that RabbitMQ 4 allows by default
            assert await letters(bus) == first
        assert positions(first) == [0, 1, 2, 3]
        assert len(await letters(bus, most=2)) == 2
        assert len(await letters(bus)) == 4


async def test_a_replay_goes_to_its_own_queue_alone_and_takes_only_that_letter(connected):
    queue, other = queue_of(MessageSent), queue_of(MessageSent)
    async with connected() as bus:
        await bus.declare(queue, other)
        await set_aside(bus, *(of(number, queue) for number in range(3)))
        assert await decide(bus, (await letters(bus))[1].id, replay=True)
        seen = Seen()
        await bus.subscribe(queue, seen)
        await seen.count(1)
        assert seen.positions == [1]
        assert positions(await letters(bus)) == [0, 2]
        assert await depth(bus, other) == 0


async def test_to_discard_takes_only_that_letter(connected):
    queue = queue_of(MessageSent)
    async with connected() as bus:
        await bus.declare(queue)
        await set_aside(bus, *(of(number, queue) for number in range(3)))
        last = (await letters(bus))[2]
        assert await decide(bus, last.id, replay=False)
        assert not await decide(bus, last.id, replay=False)
        assert positions(await letters(bus)) == [0, 1]
        assert await depth(bus, queue) == 0


async def test_a_letter_whose_queue_is_gone_stays(connected):
    async with connected() as bus:
        await set_aside(bus, of(1, queue_of(MessageSent)))
        (letter,) = await letters(bus)
        with pytest.raises(RequestFailed, match="its queue no longer exists; discard it"):
            await decide(bus, letter.id, replay=True)
        assert await letters(bus) == [letter]


async def test_one_message_that_two_queues_gave_up_is_two_letters(connected):
    one, two = queue_of(MessageSent), queue_of(MessageSent)
    async with connected() as bus:
        parcels = of(1, one), of(1, two)
        parcels[1].id, parcels[1].raw = parcels[0].id, parcels[0].raw
        await set_aside(bus, *parcels)
        first, second = await letters(bus)
        assert await decide(bus, second.id, replay=False)
        assert await letters(bus) == [first]


async def test_two_readers_at_once_both_see_all(connected):
    async with connected() as bus:
        await set_aside(bus, of(1, queue_of(MessageSent)))
        one, two = await asyncio.gather(letters(bus), letters(bus))
    assert one == two != []


async def test_the_queue_of_the_dead_letters_was_deleted_by_hand(rabbitmq_server):
    async with connect(rabbitmq_server.url) as bus:
        link = await bus._transport._link()
        await link.call(link.channel.queue_delete, DEAD_LETTERS.name)
        assert await letters(bus) == []
        await set_aside(bus, of(1, queue_of(MessageSent)))
        (letter,) = await letters(bus)
        assert await decide(bus, letter.id, replay=False)


async def test_no_secret_is_shown(connected):
    sent = LogIn(user="ana", password="correct horse", id=new_id())
    nested = {"type": "x", "token": "t0k", "deep": [{"new_password": "battery staple"}, 3]}
    bodies = join([encode(sent)]), msgspec.json.encode([nested, 3])
    async with connected() as bus:
        await set_aside(bus, *(Parcel(Route(DEAD, ""), raw=body) for body in bodies))
        listed = await letters(bus)
    shown = str(listed)
    assert '"user": "ana"' in listed[0].content
    for secret in ("correct horse", "t0k", "battery staple"):
        assert secret not in shown


def letter_of(body: bytes):
    (letter,) = DeadLetters([Held(1, "", body, {})], None, None).all
    return letter


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "at", "token", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ).map(msgspec.json.encode)
)
def test_any_body_can_be_shown(body):
    letter = letter_of(body)
    assert len(letter.content) <= MOST_SHOWN + 1
    msgspec.json.encode(letter)


def test_a_long_body_is_cut_and_a_deep_one_is_no_trap():
    assert letter_of(msgspec.json.encode([{"text": "a" * 9000}])).content.endswith("…")
    assert letter_of(b"[" * 100_000).content.startswith("[")
    assert letter_of(b"\xff\xfe nonsense").content
