"""The common part of the servers: check, wait, kill and stop."""

import html
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from nochat.lab.errors import NotAnswering
from nochat.lab.waiting import until_ready
from nochat.local.processes import ChildProcess

# Returns the version of the server at a URL.
Look = Callable[[str], str]

# Longer than MariaDB or RabbitMQ ever took on a busy machine with two cores.
START_SECONDS = 120.0

_started: "list[Server]" = []


@dataclass(eq=False, repr=False)
class Server:
    """A running server.

    Attributes:
        name: the product's name.
        url: its URL, with the password: not for the screen.
        version: the version that it reports.
        origin: `private`, or `named by` and the variable that names it.
        management_url: page of RabbitMQ's management plugin, if it is enabled.
        variable: variable that holds its URL for this process's children, until it is stopped.
    """

    name: str
    url: str
    version: str
    origin: str = "private"
    management_url: str | None = None
    variable: str | None = None
    child: ChildProcess | None = field(default=None, kw_only=True)
    look: Look = field(kw_only=True)

    @property
    def shown_url(self) -> str:
        """The URL without password."""
        return without_password(self.url)

    def kill(self) -> None:
        """Kill a private server by SIGKILL, like a crash; its data stay.

        Raises:
            RuntimeError: it is not a private one.
        """
        self._ours().kill()

    def restart(self) -> None:
        """Restart a private server on the same port and data, after SIGKILL if it runs.

        Raises:
            RuntimeError: it is not a private one.
            NotReady: it does not start.
        """
        child = self._ours()
        child.restart()
        until_ready(self._answers, START_SECONDS, self.name, child)

    def stop(self) -> None:
        """Stop a private server and remove its folder; do nothing to a server named by URL."""
        if self.variable and os.environ.get(self.variable) == self.url:
            del os.environ[self.variable]
        if self.child:
            self.child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"{self.name} {self.version} ({self.origin}) at {self.shown_url}"

    def _repr_html_(self) -> str:
        name, rest = html.escape(self.name), html.escape(f"{self.version} ({self.origin})")
        return f"<b>{name}</b> {rest} at <code>{html.escape(self.shown_url)}</code>"

    def _ours(self) -> ChildProcess:
        if self.child is None:
            raise RuntimeError(f"{self.name} is {self.origin}: only a private server can be killed")
        return self.child

    def _answers(self) -> bool:
        try:
            self.look(self.url)
        except NotAnswering:
            return False
        return True


def named(name: str, variable: str, schemes: tuple[str, ...], look: Look) -> Server | None:
    """Return the server that a variable of the environment names, if it is set.

    Raises:
        NotAnswering: the URL has another scheme, or the server does not answer or refuses.
    """
    url = os.environ.get(variable)
    if not url:
        return None
    if urlsplit(url).scheme not in schemes:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        raise NotAnswering(f"{variable} is {without_password(url)}; expected {expected}…")
    try:
        version = look(url)
    except NotAnswering as error:
        advice = f"Correct {variable}, or unset it to use a private server."
        raise NotAnswering(f"{name} at {without_password(url)}: {error}. {advice}") from None
    return Server(name, url, version, f"named by {variable}", look=look)


def private(
    name: str,
    url: str,
    child: ChildProcess,
    look: Look,
    *,
    management_url: str | None = None,
    variable: str | None = None,
) -> Server:
    """Wait until a new server answers, and return it.

    Raises:
        NotReady: it has ended or does not answer; it is stopped then.
    """
    server = Server(
        name, url, "", management_url=management_url, variable=variable, child=child, look=look
    )
    _started.append(server)
    try:
        # `progress` already shows a line.
        until_ready(server._answers, START_SECONDS, name, child, quiet=True)
        server.version = look(url)
    except BaseException:
        child.stop()
        raise
    if variable:
        os.environ[variable] = url
    return server


def stop() -> None:
    """Stop every private server that this process started; calling it again does nothing."""
    while _started:
        _started.pop().stop()


def without_password(url: str) -> str:
    """Return a URL with its password masked, without its query, which may have one, too."""
    # Up to the last @: people forget to escape special characters in passwords.
    masked = re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return masked.partition("?")[0]
