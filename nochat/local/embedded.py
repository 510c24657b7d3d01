"""Embedded defaults: real protocols without a server to install."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nochat.errors import NochatError
from nochat.local import doctor
from nochat.local.disk import make_private
from nochat.local.owner import owned
from nochat.local.processes import ChildProcess, free_port, listens, start_child, wait_until
from nochat.settings import Settings

START_SECONDS = 120  # on a busy machine; if it ends, that is noticed at once

# It refuses to start where its pid file names a process that lives. After a crash the number in
# there may be anybody's, so each start gets a file of its own: its shell's pid is in the name.
WITH_OWN_PID_FILE = 'umask 077; exec "$@" --pid-file "$0/$$.pid"'


class MongoDB(NamedTuple):
    """An embedded server, which may be starting still.

    Attributes:
        port: that it listens on, at 127.0.0.1.
        child: the process.
    """

    port: int
    child: ChildProcess

    @property
    def url(self) -> str:
        """Its address."""
        return f"mongodb://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            NotReady: it does not.
        """
        what = "the embedded MongoDB server"
        wait_until(lambda: listens(self.port), START_SECONDS, what, self.child)


def mongodb(
    data_dir: Path | None = None, port: int | None = None, hold: Sequence[int] = ()
) -> tuple[str, ChildProcess]:
    """Start nx-27017, which speaks MongoDB's wire protocol and stores in SQLite.

    It listens on 127.0.0.1 and asks for no password.

    Args:
        data_dir: where the data stay; if None, they go when the server stops.
        port: TCP port to listen on; a free one if None.
        hold: file descriptors, of locks, that stay open until it has ended.

    Returns:
        Its `mongodb://` URL, and the process, which ends with us or when told to stop.

    Raises:
        Missing: nx-27017 is not installed.
        NotReady: it does not start.
    """
    server = launch(data_dir, port, hold)
    try:
        server.wait()
    except BaseException:
        server.child.stop()
        raise
    return server.url, server.child


def launch(
    data_dir: Path | None = None, port: int | None = None, hold: Sequence[int] = ()
) -> MongoDB:
    """Start it as `mongodb` does, and do not wait until it answers.

    Raises:
        Missing: nx-27017 is not installed.
        NotReady: it can't be run.
    """
    doctor.require("mongod")
    port = port or free_port()
    own = Path(tempfile.mkdtemp(prefix="nochat-mongodb-"))
    data_dir = (data_dir or own / "data").absolute()
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_private([data_dir])
    server = [sys.executable, "-m", "nx_27017.nx_27017", "--data-dir", data_dir, "--port", port]
    child = start_child(
        ["/bin/sh", "-c", WITH_OWN_PID_FILE, own, *map(str, server), "--log-file", "/dev/null"],
        log=own / "server.log",
        remove=own,
        hold=hold,
    )
    return MongoDB(port, child)


Ready = Callable[[], Awaitable[str]]


@asynccontextmanager
async def activity_server(settings: Settings) -> AsyncIterator[Ready]:
    """Start the activity store's server, if it is one of our own; what is given waits for it.

    Yields:
        Returns the store's URL when the server answers, and raises `NotReady` if it does not.

    Raises:
        Missing: nx-27017 is not installed.
        NotReady: it can't be run.
        NochatError: its folder is another process's.
    """
    if settings.activity_url:
        yield partial(_known, settings.activity_url)
        return
    folder = settings.data_path / "activity"
    async with owned(folder) as lock:
        # The server holds the lock, too: killed with us, it may write a moment longer than we live.
        launching = asyncio.ensure_future(asyncio.to_thread(launch, folder, hold=[lock]))
        try:
            server = await asyncio.shield(launching)
            yield partial(_answering, server)
        finally:
            with suppress(NochatError):  # it was not launched, which was said
                await asyncio.to_thread((await launching).child.stop)


async def _known(url: str) -> str:
    return url


async def _answering(server: MongoDB) -> str:
    await asyncio.to_thread(server.wait)
    return server.url


@asynccontextmanager
async def activity_url(settings: Settings) -> AsyncIterator[str]:
    """Return the URL of the activity store: the one that is set, or that of a server of our own.

    Raises:
        Missing: nx-27017 is not installed.
        NotReady: it does not start.
        NochatError: its folder is another process's.
    """
    async with activity_server(settings) as ready:
        yield await ready()
