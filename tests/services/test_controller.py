"""What a controller remembers, by the queue that its commands come by."""

from types import SimpleNamespace

import pytest

from nochat.domain.room import Room
from nochat.protocol.requests import KnownRoom, RoomInfo, RoomState
from nochat.services import controller


async def test_one_queues_rooms_are_not_forgotten_with_anothers(settings):
    """All shards of a controller that comes back forget their rooms, each in its own time."""
    queues = controller.service.queues(settings)[:2]
    context = controller.Context(None, settings, None)
    async with controller.known(context) as known:
        for queue in queues:
            known.rooms[queue.name]["a-room"] = Room("a-room")
        controller.forget(known, queues[0])
        assert not known.rooms[queues[0].name]
        assert known.rooms[queues[1].name]


def state_of(room):
    return RoomInfo(room=room, title=room.title(), position=1)


class Log:
    """The part of a bus that answers for `activity`, of this version or of an older one."""

    def __init__(self, older):
        self.older, self.asked = older, []

    async def request(self, asked):
        self.asked.append(asked)
        others = [] if self.older else [KnownRoom(room=state_of(room)) for room in asked.others]
        return RoomState(room=state_of(asked.room), others=others)


@pytest.mark.parametrize(("older", "questions"), [(False, 1), (True, 200)])
async def test_a_controller_that_takes_over_asks_for_all_rooms_at_once(older, questions):
    names = [f"room{n}" for n in range(200)]
    bus = Log(older)
    rooms = {"kept": Room("kept")}
    await controller._learn(rooms, {"kept", *names}, SimpleNamespace(bus=bus))
    assert len(bus.asked) == questions
    assert sorted(rooms) == sorted(["kept", *names])
    assert all(rooms[name].title == name.title() for name in names)
