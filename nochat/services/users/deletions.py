"""The deletion of accounts, carried on until nothing of their names is left.

The account goes at once, in one transaction with the note that its name must go. What the chat had
under way then may still write the name somewhere, and a crash may come between the transaction and
the event: so the event is published again, at the start and until all is quiet.
"""

import asyncio
import logging
import time
from asyncio import to_thread
from typing import TYPE_CHECKING

from nochat.bus import Bus
from nochat.errors import NochatError
from nochat.protocol.events import AccountDeleted
from nochat.protocol.requests import GetTraces

if TYPE_CHECKING:
    from nochat.stores.users import Deletion, UserStore

EVERY = 20.0  # seconds between two looks
QUIET = 60.0  # seconds after which nothing of the user is under way any more

log = logging.getLogger(__name__)


async def carry_on(store: "UserStore", bus: Bus) -> None:
    """Carry on with the deletions that are not finished, for ever."""
    while True:
        try:
            for deletion in await to_thread(store.unfinished):
                await _carry_on(deletion, store, bus)
        except (NochatError, TimeoutError) as error:
            log.warning("the deletion of accounts waits: %s", error)
        except Exception:  # the next look may be better
            log.exception("the deletion of accounts failed")
        await asyncio.sleep(EVERY)


async def _carry_on(deletion: "Deletion", store: "UserStore", bus: Bus) -> None:
    is_quiet = time.time() > deletion.at + QUIET
    traces = await bus.request(GetTraces(user=deletion.name))
    if traces.rooms or is_quiet:  # what is outside of rooms is erased once more at the end
        await bus.publish(AccountDeleted(user=deletion.name, deleted_as=deletion.deleted_as))
    if is_quiet and not traces.rooms:
        await to_thread(store.finish, deletion)
        log.info("an account is deleted, and its name removed everywhere")
