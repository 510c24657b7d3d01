"""replica: stores a second copy of all data of `activity` in another place.

It has its own queue, and acknowledges after the write: events wait while the storage is down.
`nochat restore` rebuilds an empty activity store from it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from nochat.bus import Queue
from nochat.errors import NochatError
from nochat.protocol.events import Event
from nochat.service import Context, Service
from nochat.services import activity
from nochat.settings import OFF, Settings
from nochat.stores.archive import Journal, open_storage

if TYPE_CHECKING:
    from nochat.stores.second import SecondStore

MONGODB = ("mongodb://", "mongodb+srv://")

# Ordered: the events of a room must be written in their order.
service = Service["Journal | SecondStore"]("replica", single_active_consumer=True)


def url_of(settings: Settings) -> str:
    """Return the URL of the replica.

    Raises:
        NochatError: it is switched off, or is the same as the activity store.
    """
    url = settings.replica_url or (settings.data_path / "replica").absolute().as_uri()
    if settings.replica_url in OFF:
        raise NochatError("there is no replica: NOCHAT_REPLICA_URL switches it off")
    if url == settings.activity_url:
        raise NochatError("NOCHAT_REPLICA_URL and NOCHAT_ACTIVITY_URL name the same store")
    return url


@service.resource
@asynccontextmanager
async def copy(context: Context) -> AsyncIterator["Journal | SecondStore"]:
    """Open the copy: files in a folder or in Azure, or a second MongoDB."""
    url = url_of(context.settings)
    context.bus.tally.store = _product(url)
    if not url.startswith(MONGODB):
        yield Journal(open_storage(url))
        return
    # Imported here, not above: other services import this module only for its queues.
    from nochat.stores.second import SecondStore

    async with AsyncExitStack() as stack:
        yield SecondStore(url, stack, context.settings.log_days)


def _product(url: str) -> str:
    if url.startswith(MONGODB):
        return "MongoDB"
    return "folder" if url.startswith("file:") else "Azure"


@service.on_reconnect
def begin_anew(copy: "Journal | SecondStore", _: Queue) -> None:
    """Start a new file: a write failed, or another instance may have written."""
    if isinstance(copy, Journal):
        copy.begin_anew()


# Acknowledged only after the write.
RECORDED = [kind for kind in activity.service.consumes if issubclass(kind, Event)]
service.on(*RECORDED, batch=True).method(lambda copy: copy.record)
