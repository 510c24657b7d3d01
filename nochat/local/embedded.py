"""Embedded default servers: real protocols without a server to install."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nochat.local import doctor
from nochat.local.disk import make_private
from nochat.local.owner import owned
from nochat.local.processes import ChildProcess, free_port, listens, start_child, wait_until
from nochat.local.threads import made_in_thread
from nochat.settings import Settings

START_SECONDS = 120  # on a busy machine; an early end is noticed at once
# The server refuses to start if its pid file names a running process. After a crash, another
# process may have that pid, so each start gets a file of its own, named by its shell's pid.
WITH_OWN_PID_FILE = 'umask 077; exec "$@" --pid-file "$0/$$.pid"'


class MongoDB(NamedTuple):
    """An embedded server, which may still be starting.

    Attributes:
        port: its port on 127.0.0.1.
        child: its process.
    """

    port: int
    child: ChildProcess

    @property
    def url(self) -> str:
        """Its URL."""
        return f"mongodb://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            NotReady: it does not answer in time.
        """
        what = "the embedded MongoDB server"
        wait_until(lambda: listens(self.port), START_SECONDS, what, self.child)


def mongodb(
    data_dir: Path | None = None, port: int | None = None, hold: Sequence[int] = ()
) -> tuple[str, ChildProcess]:
    """Start nx-27017, which speaks MongoDB's wire protocol and stores in SQLite.

    It listens on 127.0.0.1 and asks for no password.

    Args:
        data_dir: the folder for the data; if None, they are removed when the server stops.
        port: TCP port to listen on; a free one if None.
        hold: file descriptors of locks, which stay open until the server has ended.

    Returns:
        Its `mongodb://` URL, and its process, which ends with this process or by `stop`.

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
    """Start the server as `mongodb` does, without waiting until it answers.

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
    """Start the activity store's embedded server, unless the settings name another one.

    Yields:
        A function that waits until the server answers and returns the store's URL, or raises
        `NotReady`.

    Raises:
        Missing: nx-27017 is not installed.
        NotReady: it can't be run.
        NochatError: another process uses its folder.
    """
    if settings.activity_url:
        yield partial(_known, settings.activity_url)
        return
    folder = settings.data_path / "activity"
    async with owned(folder) as lock:
        # The server holds the lock, too: when this process is killed, it may still write briefly.
        launching = partial(launch, folder, hold=[lock])
        async with made_in_thread(launching, lambda server: server.child.stop()) as server:
            yield partial(_answering, server)


async def _known(url: str) -> str:
    return url


async def _answering(server: MongoDB) -> str:
    await asyncio.to_thread(server.wait)
    return server.url


@asynccontextmanager
async def activity_url(settings: Settings) -> AsyncIterator[str]:
    """Yield the URL of the activity store: that of the settings, or of an embedded server.

    Raises:
        Missing: nx-27017 is not installed.
        NotReady: it does not start.
        NochatError: another process uses its folder.
    """
    async with activity_server(settings) as ready:
        yield await ready()
