"""The deletion of accounts, continued until their names are nowhere.

An account is deleted at once, in one transaction with a record that its name must be erased. Events
in progress may still write the name somewhere, and a crash may happen between the transaction and
the event: so the event is published again, at the start and until nothing is in progress.
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

EVERY = 20.0  # seconds between two checks
QUIET = 60.0  # seconds after which no event of the user is in progress any more

log = logging.getLogger(__name__)


async def carry_on(store: "UserStore", bus: Bus) -> None:
    """Continue unfinished deletions, forever."""
    while True:
        try:
            for deletion in await to_thread(store.unfinished):
                await _carry_on(deletion, store, bus)
        except (NochatError, TimeoutError) as error:
            log.warning("the deletion of accounts waits: %s", error)
        except Exception:  # the next check may succeed
            log.exception("the deletion of accounts failed")
        await asyncio.sleep(EVERY)


async def _carry_on(deletion: "Deletion", store: "UserStore", bus: Bus) -> None:
    is_quiet = time.time() > deletion.at + QUIET
    traces = await bus.request(GetTraces(user=deletion.name))
    if traces.rooms or is_quiet:  # data outside of rooms are erased again at the end
        await bus.publish(AccountDeleted(user=deletion.name, deleted_as=deletion.deleted_as))
    if is_quiet and not traces.rooms:
        await to_thread(store.finish, deletion)
        log.info("an account is deleted, and its name removed everywhere")
