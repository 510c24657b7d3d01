"""What a controller remembers, by the queue that its commands come by."""

from nochat.domain.room import Room
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
